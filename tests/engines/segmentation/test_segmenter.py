import shutil

import numpy as np
import pydicom
import pytest

from calibration.errors import InputError
from engines.angiography.frame import Frame
from engines.inference.model_files import BUNDLED_MODELS
from engines.segmentation.scenes import SCENES, is_bundled, model_for_kind, scene_of_model
from engines.segmentation.segmenter import load_segmenter
from engines.simulation.angiograms.angiogram_synthesis import synthesize
from tests.real_data import real_data


def _frame(pixels: np.ndarray) -> Frame:
    return Frame(pixels=pixels, kind="fluoro", bits_stored=16 if pixels.dtype == np.uint16 else 8)


@pytest.fixture(scope="module")
def coronary():
    return load_segmenter("coronary", "onnx")


@pytest.mark.parametrize("name", sorted(SCENES))
def test_every_scene_ships_and_tells_its_structures_from_the_rest(name):
    segmenter = load_segmenter(name, "onnx")
    assert segmenter.classes == SCENES[name].classes
    inside, outside = [], []
    for index in range(8):
        sample = synthesize(SCENES[name], seed=4_000_000, index=index, size_px=256)
        probability = segmenter.segment(_frame(sample.picture.astype(np.uint8))).vessel()
        vessels = [channel for channel, label in enumerate(SCENES[name].classes) if label != "device"]
        truth = sample.masks[vessels].max(0) > 0.5
        inside.append(probability[truth])
        outside.append(probability[~truth])
    # Pictures are random and often very hard: blind, untrained or swapped weights would give a ratio of one.
    assert np.concatenate(inside).mean() > 3 * np.concatenate(outside).mean()


@pytest.mark.parametrize("shape", [(31, 97), (512, 512), (1024, 700)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_result_is_on_the_frame_grid(coronary, shape, dtype):
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape).astype(dtype)
    result = coronary.segment(_frame(pixels))
    assert result.probabilities.shape == (2, *shape)
    assert result.probabilities.dtype == np.float32
    assert 0 <= result.probabilities.min() <= result.probabilities.max() <= 1


@pytest.mark.parametrize(
    "pixels", [np.zeros((256, 256), np.uint16), np.zeros((1, 1), np.uint8), np.full((64, 1), 9, np.uint8)]
)
def test_a_frame_that_shows_nothing_gets_an_empty_mask(coronary, pixels):
    result = coronary.segment(_frame(pixels))
    assert result.probabilities.shape == (2, *pixels.shape)
    assert not result.probabilities.any()


def test_same_frame_same_result(coronary):
    frame = _frame(synthesize(SCENES["coronary"], 7, 3, 256).picture.astype(np.uint8))
    assert np.array_equal(coronary.segment(frame).probabilities, coronary.segment(frame).probabilities)


def test_unknown_model_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'coronary'"):
        load_segmenter("coronay")


def test_unknown_kind_is_refused():
    assert model_for_kind("tavi") == "aortic-upper"
    with pytest.raises(InputError, match="evt"):
        model_for_kind("evr")


@pytest.mark.parametrize("backend", ["onnx", "torch"])
@pytest.mark.parametrize("damage", ["flipped bit", "cut short", "absent"])
def test_damaged_weights_are_refused_in_one_line(tmp_path, backend, damage):
    folder = tmp_path / "models"
    shutil.copytree(BUNDLED_MODELS, folder)
    file = folder / {"onnx": "coronary.onnx", "torch": "coronary.safetensors"}[backend]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "absent":
        file.unlink()
    else:
        file.write_bytes(content if damage == "flipped bit" else content[:1000])
    with pytest.raises(InputError, match=file.name) as caught:
        load_segmenter("coronary", backend, folder=folder)
    assert "\n" not in str(caught.value)


def test_damaged_manifest_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text('{"schema": "guidance-app/models/1", "models": ')
    with pytest.raises(InputError, match=r"manifest\.json"):
        load_segmenter("coronary", folder=tmp_path)


def test_real_phantom_vessels_are_found(coronary):
    """The tubes are far darker than the background, so a threshold far below the background marks only vessel."""
    for name in ("IM1.dcm", "IM2.dcm", "IM5.dcm", "IM6.dcm"):
        pixels = pydicom.dcmread(real_data("coronary_phantom") / name).pixel_array[5]
        result = coronary.segment(_frame(pixels.astype(np.uint8)))
        ground = np.median(pixels[result.field_of_view])
        core = (pixels < 0.55 * ground) & result.field_of_view
        vessel = result.vessel() >= coronary.threshold
        assert vessel[core].mean() > 0.8
        assert vessel.mean() < 0.12


@pytest.mark.parametrize("name", ["coronary-sim"])
def test_other_weights_of_a_scene_are_selectable(name):
    segmenter, other = (load_segmenter(model, "torch") for model in ("coronary", name))
    assert scene_of_model(name) == scene_of_model("coronary")
    assert segmenter.classes == other.classes == ("vessel", "device")
    with pytest.raises(InputError, match="known are"):
        scene_of_model("coronary-other")
    assert not is_bundled("coronary-other")
