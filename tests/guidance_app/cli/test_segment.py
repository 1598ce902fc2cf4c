import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from calibration.errors import InputError
from engines.segmentation.scenes import SCENES
from engines.simulation.angiograms.angiogram_synthesis import synthesize
from guidance_app.cli.main import build_app
from tests.engines.angiography.bolus_runs import bolus, bolus_file


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "angiogram.png"
    cv2.imwrite(str(path), synthesize(SCENES["coronary"], 5, 2, 160).picture.astype(np.uint8))
    return path


def _run(*arguments):
    return CliRunner().invoke(build_app(), ["segment", *map(str, arguments), "--model", "coronary"])


def test_masks_have_the_size_of_the_input_and_only_two_values(picture, tmp_path):
    outcome = _run(picture, "--out", tmp_path / "out")
    assert outcome.exit_code == 0
    mask = cv2.imread(str(tmp_path / "out" / "angiogram_0000.png"), cv2.IMREAD_UNCHANGED)
    assert mask.dtype == np.uint8
    assert mask.shape == (160, 160)
    assert set(np.unique(mask)) == {0, 255}


def test_a_bad_input_is_named_and_the_others_go_on(picture, tmp_path):
    bad = tmp_path / "bad.dcm"
    bad.write_bytes(b"no picture")
    outcome = _run(bad, tmp_path / "absent.dcm", picture, "--out", tmp_path / "out")
    assert outcome.exit_code == 1
    lines = outcome.stderr.strip().splitlines()
    assert len(lines) == 2
    assert "bad.dcm" in lines[0]
    assert "absent.dcm" in lines[1]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [entry["status"] for entry in summary["inputs"]] == ["error", "error", "ok"]
    assert (tmp_path / "out" / "angiogram_0000.png").exists()


def test_inputs_whose_masks_would_collide_are_refused(picture, tmp_path):
    outcome = _run(picture, picture, "--out", tmp_path / "out")
    assert outcome.exit_code == 1
    assert "overwrite" in outcome.stderr


def test_an_empty_frame_gets_an_empty_mask(tmp_path):
    path = tmp_path / "black.png"
    cv2.imwrite(str(path), np.zeros((40, 50), np.uint8))
    assert _run(path, "--out", tmp_path / "out").exit_code == 0
    mask = cv2.imread(str(tmp_path / "out" / "black_0000.png"), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (40, 50)
    assert not mask.any()


def test_an_input_that_left_no_masks_does_not_take_the_name(picture, tmp_path):
    bad = tmp_path / "angiogram.dcm"
    bad.write_bytes(b"no picture")
    outcome = _run(bad, picture, "--out", tmp_path / "out")
    assert outcome.exit_code == 1
    assert (tmp_path / "out" / "angiogram_0000.png").exists()
    assert "overwrite" not in outcome.stderr


def test_every_bad_picture_of_a_folder_is_named(picture, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("a.png", "c.png"):
        (folder / name).write_bytes(b"no picture")
    picture.rename(folder / "b.png")
    outcome = _run(folder, "--out", tmp_path / "out")
    assert outcome.exit_code == 1
    assert [name for name in ("a.png", "b.png", "c.png") if name in outcome.stderr] == ["a.png", "c.png"]
    assert all(line.startswith(f"error: {folder}: ") for line in outcome.stderr.splitlines())
    assert outcome.stderr.count("\n") == 2
    assert [path.name for path in sorted((tmp_path / "out").glob("*.png"))] == ["run_0001.png"]


def test_masks_never_replace_the_pictures_they_are_made_from(picture, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    source = picture.rename(folder / "run_0000.png")
    before = source.read_bytes()
    outcome = _run(folder, "--out", folder)
    assert outcome.exit_code == 1
    assert "overwrite" in outcome.stderr
    assert source.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_told_once(picture, tmp_path):
    (tmp_path / "file").write_text("in the way")
    outcome = _run(picture, "--out", tmp_path / "file" / "out")
    assert isinstance(outcome.exception, InputError)
    assert outcome.stderr == ""


def _entry(out) -> dict:
    return json.loads((out / "summary.json").read_text())["inputs"][0]


def test_a_run_is_judged_by_its_pictures_before_the_bolus_unless_told_not_to(tmp_path):
    path = bolus_file(tmp_path / "head.dcm", bolus())
    arguments = [str(path), "--model", "cerebral", "--backend", "onnx"]
    for options, means, subtracted in (([], "subtraction", True), (["--single-frame"], "none", False)):
        out = tmp_path / means
        outcome = CliRunner().invoke(build_app(), ["segment", *arguments, "--out", str(out), *options])
        assert outcome.exit_code == 0
        entry = _entry(out)
        assert (entry["before_contrast"], entry["subtracted"]) == (means, subtracted)
        assert len(entry["masks"]) == len(bolus())


def test_a_single_picture_says_that_nothing_came_before_it(picture, tmp_path):
    assert _run(picture, "--out", tmp_path / "out").exit_code == 0
    assert _entry(tmp_path / "out")["before_contrast"] == "none"


def test_an_aortas_run_is_given_to_the_weights_that_take_its_arrival_with_their_attention(tmp_path):
    path = bolus_file(tmp_path / "aorta.dcm", bolus(amounts=(0.0, 0.0, 1.0, 1.0)))
    arguments = ["segment", str(path), "--model", "aortic-upper", "--backend", "onnx"]
    for options, expected in (
        (["--attention"], ("arrival", "aortic-upper-arrival")),
        (["--single-frame"], ("none", "aortic-upper")),
    ):
        out = tmp_path / expected[1]
        assert CliRunner().invoke(build_app(), [*arguments, "--out", str(out), *options]).exit_code == 0
        entry = _entry(out)
        assert (entry["before_contrast"], entry["model"]) == expected
        assert 0.0 < entry["threshold"] < 1.0
        assert len(entry.get("attention", [])) == (4 if "--attention" in options else 0)
