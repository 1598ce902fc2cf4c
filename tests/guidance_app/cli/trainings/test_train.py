import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from calibration.errors import InputError
from engines.inference.model_files import BUNDLED_MODELS
from guidance_app.cli.main import build_app


@pytest.fixture
def labelled(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
        for number in range(2):
            picture = np.zeros((64, 64), np.uint8)
            picture[30:34] = 255
            cv2.imwrite(str(tmp_path / name / f"{number}.png"), picture)
    return tmp_path / "images", tmp_path / "masks"


def _error(*arguments) -> str:
    outcome = CliRunner().invoke(build_app(), ["train", *map(str, arguments)])
    assert isinstance(outcome.exception, InputError)
    return str(outcome.exception)


def test_fine_tuning_never_writes_over_the_shipped_weights(labelled):
    before = (BUNDLED_MODELS / "manifest.json").read_bytes()
    assert "ship with the program" in _error("coronary", "--finetune", *labelled, "--out", BUNDLED_MODELS)
    assert (BUNDLED_MODELS / "manifest.json").read_bytes() == before


def test_fine_tuning_names_what_is_wrong_before_it_starts(labelled, tmp_path):
    images, masks = labelled
    out = tmp_path / "out"
    assert "no such folder" in _error("coronary", "--finetune", images, tmp_path / "nowhere", "--out", out)
    assert "--folds 3" in _error("coronary", "--finetune", images, masks, "--folds", 3, "--out", out)
    assert "did you mean 'coronary'" in _error("coronay", "--finetune", images, masks, "--out", out)
    assert "--patch 100" in _error("coronary", "--finetune", images, masks, "--patch", 100, "--out", out)
    assert list(out.glob("*")) == []


def test_folds_belong_to_fine_tuning():
    assert "--finetune" in _error("coronary", "--folds", 2)


def test_real_pictures_are_of_coronaries_and_in_their_form(tmp_path):
    out = tmp_path / "out"
    assert "of coronaries" in _error("cerebral", "--arcade", tmp_path, "--out", out)
    assert "val/images: no such folder" in _error("coronary", "--arcade", tmp_path, "--out", out)
    assert "ship with the program" in _error("coronary", "--arcade", tmp_path, "--out", BUNDLED_MODELS)
    assert "give one of them" in _error(
        "coronary", "--arcade", tmp_path, "--finetune", tmp_path, tmp_path, "--out", out
    )
    assert "--arcade DIR" in _error("coronary", "--budget-min", 5)
    assert list(out.glob("*")) == []


def test_a_narrow_network_is_of_a_shipped_one_and_goes_into_a_folder_of_its_own(tmp_path):
    assert "goes with --arcade DIR" in _error("coronary", "--narrow", "--trim", "--out", tmp_path)
    assert "no network is called 'pelvis'" in _error("pelvis", "--narrow", "--out", tmp_path)
    assert "ship with the program" in _error("coronary", "--narrow", "--out", BUNDLED_MODELS)
