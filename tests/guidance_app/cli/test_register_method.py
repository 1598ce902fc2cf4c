"""`register --method`: what is refused before any file is read, and one run of a bundled case."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from calibration.errors import InputError
from engines.anatomy.cases.case import bundled_cases_folder
from guidance_app.cli.main import build_app


def _outcome(*arguments: str):
    return CliRunner().invoke(build_app(), ["register", *arguments])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--method", "nothing"), "there are ours, .*dicom"),
        (("--method", "model-matching", "--xa", "second.dcm"), "registers one view, 2 runs were given"),
        (("--method", "ours", "--steps", "4"), "no number of steps"),
        (("--method", "prost", "--no-refine"), "goes with ours alone"),
        (("--method", "prost", "--models", "nowhere"), "nowhere: no such folder"),
    ],
)
def test_what_cannot_be_is_said_before_any_file_is_read(arguments: tuple[str, ...], message: str) -> None:
    outcome = _outcome("--case", "none", "--xa", "none.dcm", *arguments)
    assert isinstance(outcome.exception, InputError)
    with pytest.raises(InputError, match=message):
        raise outcome.exception


def test_the_help_lists_every_method() -> None:
    text = _outcome("--help").output
    assert "model-matching" in text
    assert "DeepIterReg as written" in text


def test_a_method_on_two_views_writes_the_same_file_as_ours(tmp_path: Path) -> None:
    case, out = bundled_cases_folder() / "evt", tmp_path / "pose.json"
    runs = [str(case / "xa" / f"run{number}.dcm") for number in (1, 2)]
    outcome = _outcome(
        "--case", str(case), "--xa", runs[0], "--xa", runs[1], "--method", "gradient-ncc", "--steps", "2", "--out",
        str(out),
    )  # fmt: skip
    assert outcome.exception is None, outcome.output
    found = json.loads(out.read_text())
    assert found["schema"] == "guidance-app/registration/1"
    assert len(found["views"]) == 2
    assert [stage["name"] for stage in found["stages"]] == ["gradient-ncc-descent", "judgement"]
    assert found["status"] in ("accepted", "caution", "rejected")
    assert found["backend"]["render"] == "slices"


def test_a_coronary_run_lacks_what_deepiterreg_as_written_needs() -> None:
    case = bundled_cases_folder() / "coronary"
    outcome = _outcome("--case", str(case), "--xa", str(case / "xa" / "run1.dcm"), "--method", "deepiterreg-paper")
    assert isinstance(outcome.exception, InputError)
    assert "names no veins" in str(outcome.exception)
