"""The diagnosis answers on any machine and says how to mend what it finds."""

import json

import pytest
from typer.testing import CliRunner

from guidance_app import doctor


def test_every_finding_that_is_not_ok_says_what_it_found() -> None:
    findings = doctor.examine()
    assert {finding.name for finding in findings} >= {"display", "gpu", "tensorrt", "dicom codecs", "video", "qt"}
    assert all(finding.detail for finding in findings)


def test_a_failing_check_becomes_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def _explodes() -> doctor.Finding:
        raise RuntimeError("driver on fire")

    monkeypatch.setattr(doctor, "_CHECKS", (_explodes,))
    (finding,) = doctor.examine()
    assert finding.level == "missing"
    assert "driver on fire" in finding.detail


def test_missing_parts_end_in_a_non_zero_exit_and_json_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    from guidance_app.cli.main import build_app

    missing = doctor.Finding(name="models", level="missing", detail="none", remedy="train them")
    monkeypatch.setattr(doctor, "_CHECKS", (lambda: missing,))
    outcome = CliRunner().invoke(build_app(), ["doctor", "--json"])
    assert outcome.exit_code == 1
    assert json.loads(outcome.stdout)["checks"][0]["remedy"] == "train them"
