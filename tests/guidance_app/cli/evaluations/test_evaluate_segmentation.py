"""`evaluate segmentation`: one kind of reference a run."""

import pytest
from typer.testing import CliRunner

from guidance_app.cli.main import build_app


@pytest.mark.parametrize(
    "given",
    [
        [],
        ["--images", "a"],
        ["--phantom", "a", "--cases", "b"],
        ["--images", "a", "--masks", "b", "--phantom", "c"],
        ["--images", "a", "--masks", "b", "--cases", "c"],
        ["--foreign", "a", "--phantom", "b"],
    ],
)
def test_anything_but_one_reference_is_refused_in_one_line(given):
    outcome = CliRunner().invoke(build_app(), ["evaluate", "segmentation", *given])
    assert outcome.exit_code == 1
    assert "give one of --images DIR with --masks DIR, --cases CASE, --phantom DIR, or --foreign DIR" in str(
        outcome.exception
    )


def test_a_folder_without_the_phantom_is_refused(tmp_path):
    outcome = CliRunner().invoke(build_app(), ["evaluate", "segmentation", "--phantom", str(tmp_path)])
    assert outcome.exit_code == 1
    assert "no phantom folder" in str(outcome.exception)
