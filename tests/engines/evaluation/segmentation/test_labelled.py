import cv2
import numpy as np
import pytest

from calibration.errors import InputError
from engines.evaluation.segmentation.labelled import network_results, peer_results, result_as_json
from engines.evaluation.segmentation.labelled_pictures import read_labelled
from engines.evaluation.segmentation.sheets import Entry, choose, sheet
from engines.segmentation.scenes import SCENES
from engines.segmentation.segmenter import load_segmenter
from engines.simulation.angiograms.angiogram_synthesis import synthesize


@pytest.fixture
def folders(tmp_path):
    """Four small pictures with masks, one without its mask, one unreadable."""
    images, masks = tmp_path / "images", tmp_path / "masks"
    images.mkdir()
    masks.mkdir()
    for index in range(4):
        sample = synthesize(SCENES["coronary"], 6_000_000, index, 128)
        cv2.imwrite(str(images / f"{index}.png"), sample.picture.astype(np.uint8))
        cv2.imwrite(str(masks / f"{index}.png"), (sample.masks[0] > 0.5).astype(np.uint8) * 255)
    cv2.imwrite(str(images / "alone.png"), np.zeros((9, 9), np.uint8))
    (images / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    cv2.imwrite(str(masks / "torn.png"), np.zeros((9, 9), np.uint8))
    return images, masks


def test_pictures_are_matched_by_name_and_bad_ones_are_named(folders):
    pictures, failures = read_labelled(*folders)
    assert [picture.name for picture in pictures] == ["0", "1", "2", "3"]
    assert len(failures) == 1
    assert failures[0].startswith("torn.png: ")


def test_a_mask_of_another_size_is_refused(folders):
    images, masks = folders
    cv2.imwrite(str(masks / "2.png"), np.zeros((64, 128), np.uint8))
    pictures, failures = read_labelled(images, masks)
    assert [picture.name for picture in pictures] == ["0", "1", "3"]
    assert "64x128" in failures[0]


def test_masks_of_zero_and_one_are_understood(folders):
    images, masks = folders
    before = read_labelled(images, masks)[0][0].mask
    cv2.imwrite(str(masks / "0.png"), before.astype(np.uint8))
    assert np.array_equal(read_labelled(images, masks)[0][0].mask, before)


def test_folders_that_do_not_match_say_so(folders, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="no picture has a mask"):
        read_labelled(folders[0], empty)
    with pytest.raises(InputError, match="no such folder"):
        read_labelled(tmp_path / "nowhere", empty)


def test_network_and_tuned_peers_are_scored_on_the_same_pictures(folders):
    pictures, _ = read_labelled(*folders)
    results = network_results(load_segmenter("coronary", "onnx"), pictures)
    results += peer_results(pictures, synthetic=2, folds=2)
    assert [result.name for result in results] == [
        "network", "network without device pixels", "frangi", "sato", "frangi", "sato",
    ]  # fmt: skip
    for result in results:
        assert list(result.scores) == ["0", "1", "2", "3"]
        content = result_as_json(result)
        assert content["total"]["dice"]["count"] == len([c for c in content["cases"] if c["dice"] is not None])
    in_folds = results[-1]
    assert in_folds.folds == {"0": 0, "1": 1, "2": 0, "3": 1}
    assert len(in_folds.settings) == 2


def test_a_picture_does_not_tune_the_filter_it_is_scored_with(folders):
    pictures, _ = read_labelled(*folders)
    before = peer_results(pictures, synthetic=0, folds=2)[0]
    object.__setattr__(pictures[0], "mask", ~pictures[0].mask)
    after = peer_results(pictures, synthetic=0, folds=2)[0]
    # Picture 0 is in the first fold, whose filter is tuned on the second alone.
    assert after.settings[0] == before.settings[0]
    assert np.array_equal(after.masks["0"], before.masks["0"])


def test_sheets_take_the_ends_and_the_middle():
    dice = {f"p{n:02d}": n / 30 for n in range(30)} | {"undefined": float("nan")}
    chosen = choose(dice)
    assert chosen["best"][0] == "p29"
    assert chosen["worst"][0] == "p00"
    assert chosen["median"] == [f"p{n:02d}" for n in range(10, 20)]


def test_a_sheet_shows_what_was_found_missed_and_invented():
    picture, mask = np.zeros((64, 64)), np.zeros((64, 64), bool)
    found, reference = mask.copy(), mask.copy()
    found[10:30, 10:30] = True
    reference[20:40, 10:30] = True
    page = sheet("t", [Entry(name="a", dice=0.5, picture=picture, found=found, reference=reference)])
    colours = {tuple(colour) for colour in page[44 : 44 + 256, 256:512].reshape(-1, 3).tolist()}
    assert {(90, 90, 255), (32, 176, 255), (255, 208, 63)} <= colours
