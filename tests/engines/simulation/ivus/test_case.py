"""Simulated CCTA-IVUS cases: repeatable, and their truth is consistent with their pictures."""

import json

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from calibration.errors import InputError
from engines.simulation.ivus.case import simulate_ivus
from engines.simulation.ivus.physics import draw_physics, split_generator
from tests.engines.ivus.small_case import rich_case


def test_splits_draw_different_cases_and_the_same_again():
    first = [draw_physics(split_generator(split, 3), split) for split in ("train", "validation", "test", "shift")]
    again = [draw_physics(split_generator(split, 3), split) for split in ("train", "validation", "test", "shift")]
    assert first == again
    assert len(set(first)) == 4


@pytest.mark.parametrize(("split", "seed"), [("holiday", 1), ("test", -1)])
def test_unknown_splits_and_seeds_are_refused(split, seed):
    with pytest.raises(InputError):
        split_generator(split, seed)


def test_the_catheter_lies_in_contrast_and_within_the_lumen():
    case = rich_case()
    index = (case.pullback.points_mm - case.ct.lps_from_index[:3, 3]) / np.diag(case.ct.lps_from_index)[:3]
    hu = map_coordinates(case.ct.voxels_hu.astype(float), index.T, order=1)
    assert np.median(hu) > 200.0
    assert case.shapes.main_mm[:, :, 0].max() < 0.0  # the middle of every frame is inside the artery


def test_axes_handedness_and_direction_agree():
    pull = rich_case().pullback
    forwards = np.gradient(pull.points_mm, axis=0)
    sign = np.sign((np.cross(pull.u, pull.v) * forwards).sum(axis=1))
    assert np.median(sign) == pull.handedness
    assert (pull.arc_mm[-1] < pull.arc_mm[0]) == pull.distal_to_proximal
    assert (np.diff(pull.nominal_mm) > 0).all()
    assert 0.9 < abs(pull.arc_mm[-1] - pull.arc_mm[0]) / pull.nominal_mm[-1] < 1.1


def test_frames_show_what_the_truth_says():
    """Blood is darker than the adventitia just outside the wall."""
    case = rich_case()
    middle = case.frames.shape[1] // 2
    angle = np.arange(96) * 2 * np.pi / 96
    dark, bright = [], []
    for frame in range(0, len(case.frames), 10):
        for a in range(0, 96, 4):
            border = int(np.argmax(case.shapes.wall_mm[frame, a] > 0))
            for radius, into in ((0.6, dark), (0.05 * border + 0.3, bright)):
                if radius < 4.0 and border:
                    column, row = (round(middle + radius / 0.03 * f(angle[a])) for f in (np.cos, np.sin))
                    into.append(int(case.frames[frame, row, column]))
    assert np.median(bright) > np.median(dark) + 30


@pytest.mark.slow
def test_a_case_is_written_whole(tmp_path):
    folder = simulate_ivus("test", 5, tmp_path / "case")
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"cta.nii.gz", "centerline.csv", "truth.json", "pullback/pullback.json", "contours/lumen.csv"} <= names
    truth = json.loads((folder / "truth.json").read_text())
    assert truth["schema"] == "guidance-app/ivus-truth/1"
    assert len(truth["frames"]) == len(
        json.loads((folder / "pullback/pullback.json").read_text())["frame_positions_mm"]
    )
