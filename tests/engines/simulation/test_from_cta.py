"""Simulation from a given CTA: its lumen fills, and contrast appears where the truth says."""

import json
from pathlib import Path

import numpy as np
import pytest

from calibration.errors import InputError
from engines.anatomy.cases.case import load_case
from engines.anatomy.vessel_model import CtVolume, LabelVolume
from engines.simulation.from_cta import simulate_from_cta
from tests.engines.anatomy.shapes import Segment, distance_mm, grid

SHAPE = (60, 60, 50)
COURSE: list[Segment] = [((-20.0, 0.0, -40.0), (-20.0, 0.0, 20.0)), ((-20.0, 0.0, 20.0), (20.0, 6.0, 25.0)),
                         ((20.0, 6.0, 25.0), (24.0, 10.0, -40.0))]  # fmt: skip


def _anatomy() -> tuple[CtVolume, LabelVolume]:
    lps_from_index = grid(SHAPE, (2.0, 2.0, 2.0))
    lumen = distance_mm(SHAPE, lps_from_index, COURSE) <= 9.0
    hu = np.where(lumen, 380.0, 40.0) + np.random.default_rng(3).normal(0, 15, SHAPE)
    labels = LabelVolume(labels=lumen.astype(np.uint8), lps_from_index=lps_from_index, names={1: "aorta"})
    return CtVolume(voxels_hu=hu.astype(np.int16), lps_from_index=lps_from_index), labels


def test_contrast_is_seen_where_the_true_pose_projects_the_lumen(tmp_path: Path) -> None:
    ct, labels = _anatomy()
    folder = simulate_from_cta(ct, labels, 3, tmp_path / "case", runs=1, frames=6)
    case = load_case(folder)
    assert [recording.path.name for recording in case.recordings] == ["run1.dcm"]
    masks = np.load(folder / "truth" / "run1_labels.npz")["labels"]
    filled = int((masks > 0).sum(axis=(1, 2)).argmax())
    assert (masks[filled] > 0).any()
    views = json.loads((folder / "truth" / "run1.json").read_text())["views"]
    matrix = np.array(views[filled]["projection_px_from_lps_mm"])
    tree = case.vessel_model().centerlines
    assert tree is not None
    points = np.column_stack([tree.points_mm(), np.ones(len(tree.points_mm()))]) @ matrix.T
    px = np.rint(points[:, :2] / points[:, 2:3]).astype(int)
    seen = ((px >= 10) & (px < 502)).all(axis=1)
    assert (masks[filled] > 0)[px[seen, 1], px[seen, 0]].mean() > 0.7


def test_labels_on_another_grid_are_one_clear_line(tmp_path: Path) -> None:
    ct, labels = _anatomy()
    cut = LabelVolume(labels=labels.labels[1:], lps_from_index=labels.lps_from_index, names=labels.names)
    with pytest.raises(InputError, match="another grid"):
        simulate_from_cta(ct, cut, 3, tmp_path / "case")
    assert not (tmp_path / "case").exists()
