"""`train NAME --resume` and `train status` of an interrupted training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from calibration.errors import InputError
from engines.simulation.training_patients.patients import TrainingPatient
from engines.training.pose import affine_recipe
from engines.training.training_log import read_training, training_file
from guidance_app.cli.main import build_app
from tests.engines.registration.vessel_bed import bed


def _train(*arguments: object):
    return CliRunner().invoke(build_app(), ["train", *map(str, arguments)])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One small patient; the list holds the steps that were done, and the third one fails the first time."""
    tree = bed(2).model.centerlines
    assert tree is not None
    patient = TrainingPatient(kind="coronary", tree=tree, groups=("LCA",) * len(tree.branches))
    monkeypatch.setattr(affine_recipe, "draw_patient", lambda *_: patient)
    monkeypatch.setattr(affine_recipe, "_SAVE_EVERY", 1)
    real, done = affine_recipe._pair, []

    def pair(recipe, step, view, patient_of):
        if view == 0:
            done.append(step)
        if step == 2 and done.count(2) == 1:
            raise KeyboardInterrupt
        return real(recipe, step, view, patient_of)

    monkeypatch.setattr(affine_recipe, "_pair", pair)
    return done


def test_an_interrupted_training_goes_on_with_its_own_options(tmp_path: Path, quick: list[int]) -> None:
    assert _train("affine", "--out", tmp_path, "--steps", 3, "--seed", 5).exit_code != 0
    state = read_training(training_file(tmp_path, "affine"))
    assert (state.state, state.step, state.options["seed"]) == ("interrupted", 2, 5)
    told = _train("status", "--out", tmp_path)
    assert "affine: interrupted" in told.output
    assert "step 2/3" in told.output
    outcome = _train("affine", "--out", tmp_path, "--resume")
    assert outcome.exception is None, outcome.output
    assert quick == [0, 1, 2, 2]
    assert "3 of 3 steps" in (tmp_path / "affine.md").read_text()
    (row,) = json.loads(_train("status", "--out", tmp_path, "--json").stdout)
    assert (row["state"], row["step"]) == ("finished", 3)
    again = _train("affine", "--out", tmp_path, "--resume")
    assert "it is finished" in str(again.exception)


def test_nothing_to_go_on_with_is_said(tmp_path: Path) -> None:
    for arguments, words in (
        (("pose", "--resume"), "nothing was interrupted"),
        (("status",), "no training was started"),
    ):
        outcome = _train(*arguments, "--out", tmp_path)
        assert isinstance(outcome.exception, InputError)
        assert words in str(outcome.exception)
    assert "`train status` alone" in str(_train("pose", "--json", "--out", tmp_path).exception)
