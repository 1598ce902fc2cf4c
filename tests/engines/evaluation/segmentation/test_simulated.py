import numpy as np
import pytest

from calibration.errors import InputError
from engines.angiography.frame import Frame
from engines.evaluation.segmentation.confusion import report_lines, total_as_json
from engines.evaluation.segmentation.simulated import TruthFrame, class_mask, score_frame, truth_frames
from engines.segmentation.segmentation import Segmentation

_SHAPE = (128, 128)


def _truth() -> TruthFrame:
    """A vessel with a wire along its middle that continues outside the vessel."""
    labels = np.zeros(_SHAPE, np.uint8)
    labels[50:60, 10:80] = 1
    labels[54:56, 10:120] = 4
    return TruthFrame(
        run="run1.dcm", index=0, frame=Frame(pixels=np.zeros(_SHAPE, np.uint8), kind="fluoro"), labels=labels
    )


def _said(vessel: np.ndarray, device: np.ndarray) -> Segmentation:
    return Segmentation(
        probabilities=np.stack([vessel, device]).astype(np.float32),
        classes=("vessel", "device"),
        model="m",
        backend="b",
    )


def test_a_wire_inside_a_lumen_is_also_lumen():
    labels = _truth().labels
    vessel = class_mask(labels, "vessel")
    assert vessel[54:56, 20:70].all()
    assert not vessel[54:56, 90:].any()


def test_the_device_class_takes_devices_out_of_the_vessels():
    truth = _truth()
    lumen = class_mask(truth.labels, "vessel")
    device = truth.labels == 4
    score = score_frame(_said(0.8 * (lumen | device), 0.9 * (device & ~lumen)), truth, 0.5)
    assert score.device_as_vessel[0] > 0
    assert score.device_as_vessel[1] == score.device_as_vessel[0]
    assert score.device_as_vessel[2] == 0
    assert score.vessels.dice < 1
    assert score.vessels_without_device.dice == 1
    total = total_as_json([score], ("vessel", "device"))
    assert total["device_as_vessel"]["called_vessel_share"] == 1
    assert total["device_as_vessel"]["called_vessel_share_with_device_class"] == 0
    assert sum(total["confusion"]["truth"]["device"].values()) == device.sum()
    assert any("with the device class 0.0%" in line for line in report_lines(total))


def test_frames_without_a_class_do_not_pull_its_dice_down_but_are_counted():
    truth = _truth()
    empty = TruthFrame(run="run1.dcm", index=1, frame=truth.frame, labels=np.zeros(_SHAPE, np.uint8))
    lumen = class_mask(truth.labels, "vessel")
    scores = [score_frame(_said(lumen, truth.labels == 4), frame, 0.5) for frame in (truth, empty)]
    vessel = total_as_json(scores, ("vessel", "device"))["classes"]["vessel"]
    assert vessel["dice"]["count"] == 1
    assert vessel["dice"]["median"] == 1
    assert (vessel["frames_without"], vessel["false_frames"]) == (1, 1)


def test_a_folder_without_labels_says_how_to_make_them(tmp_path):
    with pytest.raises(InputError, match="guidance-app simulate"):
        list(truth_frames(tmp_path, subtracted=False))
