"""One path a vessel: rough walls and crescents give no branches, real branches stay."""

import numpy as np
import pytest

from calibration.errors import InputError
from engines.anatomy.centerlines.aortic_lines import aortic_lines
from engines.anatomy.centerlines.trunk_paths import TrunkLimits, trunk_lines
from engines.anatomy.vessel_model import LabelVolume
from tests.engines.anatomy.shapes import Segment, distance_mm, grid

SHAPE = (60, 50, 90)
SPACING_MM = (1.5, 1.5, 1.5)
TRUNK: Segment = ((0.0, 0.0, -60.0), (0.0, 0.0, 60.0))
BRANCH: Segment = ((0.0, 0.0, 30.0), (38.0, 0.0, 45.0))


def _rough_tube(segments: list[tuple[Segment, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Tubes whose walls are rough with bumps of three millimetres, as segmented from noise."""
    affine, rng = grid(SHAPE, SPACING_MM), np.random.default_rng(5)
    mask = np.zeros(SHAPE, dtype=bool)
    for segment, radius_mm in segments:
        mask |= distance_mm(SHAPE, affine, [segment]) < radius_mm
    around = distance_mm(SHAPE, affine, [TRUNK])
    return mask | ((around < 13.0) & (around > 9.0) & (rng.random(SHAPE) < 0.4)), affine


def test_a_rough_trunk_is_one_line_in_its_middle():
    mask, affine = _rough_tube([(TRUNK, 10.0)])
    lines = trunk_lines(mask, affine)
    assert len(lines) == 1
    assert lines[0].length_mm == pytest.approx(130.0, abs=12.0)
    inner = lines[0].points_mm[np.abs(lines[0].points_mm[:, 2]) < 45.0]
    assert np.hypot(inner[:, 0], inner[:, 1]).max() < 2.0


def test_a_branch_that_sticks_out_is_a_line_of_its_own():
    mask, affine = _rough_tube([(TRUNK, 10.0), (BRANCH, 4.0)])
    lines = trunk_lines(mask, affine)
    assert len(lines) == 2
    tip = lines[1].points_mm[-1]
    assert np.linalg.norm(tip - np.array(BRANCH[1])) < 8.0


def test_what_is_too_short_or_too_thin_is_left_out():
    mask, affine = _rough_tube([(TRUNK, 10.0), (BRANCH, 2.5)])
    assert len(trunk_lines(mask, affine, TrunkLimits(narrowest_mm=4.0))) == 1
    assert trunk_lines(mask, affine, TrunkLimits(shortest_mm=500.0)) == []
    assert trunk_lines(np.zeros(SHAPE, dtype=bool), affine) == []


def test_two_lumina_are_two_trees_of_one_line_each():
    affine = grid(SHAPE, SPACING_MM)
    far = distance_mm(SHAPE, affine, [TRUNK])
    side = np.indices(SHAPE)[1] > 25
    labels = np.where(far < 12.0, np.where(side, 1, 2), 0).astype(np.uint8)
    tree = aortic_lines(LabelVolume(labels=labels, lps_from_index=affine, names={1: "aorta", 2: "aorta false lumen"}))
    assert [branch.parent for branch in tree.branches] == [-1, -1]
    assert [branch.name for branch in tree.branches] == ["aorta", "aorta false lumen"]
    assert {branch.vessel_class for branch in tree.branches} == {"aorta"}


def test_crumbs_alone_are_no_aorta():
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[20:24, 20:24, 20:24] = 1
    with pytest.raises(InputError, match="no vessel of at least"):
        aortic_lines(LabelVolume(labels=labels, lps_from_index=grid(SHAPE, SPACING_MM), names={1: "aorta"}))
