from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from calibration.errors import InputError
from engines.registration.networks import pose_list
from guidance_app.cli import register
from guidance_app.cli.evaluations import evaluate


def _app() -> typer.Typer:
    app = typer.Typer()
    register.add_to(app)
    evaluate.add_to(app)
    return app


def _error(*arguments: str) -> str:
    result = CliRunner().invoke(_app(), list(arguments))
    assert isinstance(result.exception, InputError)
    return str(result.exception)


def test_a_start_by_network_says_that_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(pose_list, "shipped_weights", lambda name: tmp_path / f"{name}.safetensors")
    assert "pose.safetensors is missing" in _error("register", "--case", "x", "--xa", "y.dcm", "--init", "network")


def test_a_missing_pose_file_is_named():
    assert "gone.json" in _error("register", "--case", "x", "--xa", "y.dcm", "--init", "gone.json")


@pytest.mark.parametrize(
    ("frames", "expected"),
    [(["x"], "expected a number"), (["-1"], "expected a number"), (["1", "2"], "2 frames were given for 1 runs")],
)
def test_frames_that_make_no_sense_are_refused(frames, expected):
    options = [part for frame in frames for part in ("--frame", frame)]
    assert expected in _error("register", "--case", "x", "--xa", "y.dcm", *options)


def test_a_missing_case_is_named():
    assert "no-such-case" in _error("register", "--case", "no-such-case", "--xa", "y.dcm")


def test_nothing_to_evaluate_is_an_error():
    assert "nothing to evaluate" in _error("evaluate", "registration")


def test_an_evaluation_in_which_nothing_could_be_used_is_an_error(tmp_path: Path):
    report = tmp_path / "report.json"
    text = _error("evaluate", "registration", "--cases", str(tmp_path / "none"), "--json", str(report))
    assert "not one case could be used" in text
    assert "none" in report.read_text()
