"""`evaluate deformation`: its file, and one clear line for what it cannot evaluate."""

import json

import pytest
from typer.testing import CliRunner

from calibration.errors import InputError
from guidance_app.cli.main import build_app


def run(*arguments):
    return CliRunner().invoke(build_app(), ["evaluate", "deformation", *map(str, arguments)])


def test_rigid_and_deformed_stand_side_by_side_in_the_file(tmp_path):
    out = tmp_path / "deformation.json"
    outcome = run("coronary", "--masks", "drawn", "--motions", 1, "--json", out)
    assert outcome.exit_code == 0, outcome.output
    report = json.loads(out.read_text())
    assert report["schema"] == "guidance-app/evaluate-deformation/1"
    assert report["data"] == ["coronary"]
    figures = report["groups"]["drawn"]
    assert figures["frames"] == len(report["frames"]) == 2
    assert figures["deformed_median_mm"]["value"] < figures["rigid_median_mm"]["value"]
    assert "drawn: 2 frames" in outcome.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "nothing to evaluate"),
        (("coronary", "--masks", "guessed"), "choose among"),
        (("evt", "--masks", "true"), "simulated coronary case"),
        (("no-such-case", "--masks", "true"), "no-such-case"),
    ],
)
def test_what_cannot_be_evaluated_is_one_clear_line(arguments, words):
    outcome = run(*arguments)
    assert isinstance(outcome.exception, InputError)
    assert words in str(outcome.exception)
