import json

import numpy as np
import pytest

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from engines.angiography.files.xa_writer import XaRecord, write_xa
from engines.segmentation.scenes import SCENES
from engines.training.segmentation.export import in_short
from engines.training.segmentation.simulated_cases import load_simulated

_GEOMETRY = CArmGeometry(
    primary_rad=0.0, secondary_rad=0.0, sid_mm=1000.0, sod_mm=700.0, column_spacing_mm=0.5, row_spacing_mm=0.5,
    shape_px=(128, 128), principal_point_px=(63.5, 63.5),
)  # fmt: skip


def _write_case(folder, name: str, before: int = 0) -> None:
    """An aorta as a wide dark band, crossed by a wire that is labelled before it; after so many frames without."""
    random = np.random.default_rng(0)
    label = np.zeros((4 + before, 128, 128), np.uint8)
    label[before:, 50:80] = 3
    label[:, :, 60:62] = 4
    pixels = 150 + random.normal(0, 3, label.shape) - 50 * (label == 3) - 90 * (label == 4)
    case = folder / name
    (case / "xa").mkdir(parents=True)
    (case / "truth").mkdir()
    (case / "case.json").write_text(json.dumps({"kind": "tavi"}))
    record = XaRecord(pixels=pixels.astype(np.uint8), geometry=_GEOMETRY, frame_time_ms=66.0, uid_seed=name)
    write_xa(case / "xa" / "run1.dcm", record)
    np.savez_compressed(case / "truth" / "run1_labels.npz", labels=label)


def test_labels_follow_the_picture_and_repeat(tmp_path):
    _write_case(tmp_path, "tavi-100")
    frames = load_simulated(tmp_path, SCENES["aortic-upper"])
    assert frames.cases == ("tavi-100",)
    first, again = frames.sample(1, 0, 192), frames.sample(1, 0, 192)
    assert np.array_equal(first.channels, again.channels)
    aorta, device = first.masks > 0.5
    assert first.picture[aorta & ~device].mean() < first.picture[~aorta & ~device].mean()
    # The wire inside the aorta belongs to both.
    assert (aorta & device).sum() > 0.1 * device.sum()


def test_what_came_with_the_contrast_is_a_third_channel_that_follows_the_picture(tmp_path):
    _write_case(tmp_path, "tavi-100", before=2)
    frames = load_simulated(tmp_path, SCENES["aortic-upper"])
    assert all(arrived is not None for arrived in frames.arrived)
    drawn = [frames.sample(1, index, 192, arrival=True) for index in range(12)]
    samples = [sample for sample in drawn if sample is not None]
    assert {sample.channels.shape for sample in samples} == {(3, 192, 192)}
    known = [sample for sample in samples if sample.channels[2].any()]
    assert 0 < len(known) < len(samples)
    for sample in known:
        aorta = sample.masks[0] > 0.5
        if aorta.any():
            assert sample.channels[2][aorta].mean() > np.median(sample.channels[2][~aorta]) + 0.2
    assert frames.sample(1, 0, 192).channels.shape[0] == 2


def test_a_run_with_contrast_throughout_tells_nothing_of_its_arrival(tmp_path):
    _write_case(tmp_path, "tavi-100")
    assert load_simulated(tmp_path, SCENES["aortic-upper"]).arrived == [None, None]


@pytest.mark.parametrize("name", ["tavi-7", "tavi-1000", "tavi"])
def test_cases_kept_for_evaluation_are_refused(tmp_path, name):
    _write_case(tmp_path, name)
    with pytest.raises(InputError, match="100 to 999"):
        load_simulated(tmp_path, SCENES["aortic-upper"])


def test_a_folder_without_fitting_cases_says_how_to_make_some(tmp_path):
    _write_case(tmp_path, "tavi-100")
    with pytest.raises(InputError, match="guidance-app simulate"):
        load_simulated(tmp_path, SCENES["coronary"])


def test_the_list_of_training_cases_is_short_and_complete():
    names = ["coronary-100", "coronary-101", "coronary-102", "coronary-105", "evt-106"]
    assert in_short(names) == "coronary-100 to coronary-102, coronary-105, evt-106"
