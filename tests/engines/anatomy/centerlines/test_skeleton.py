from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from calibration.errors import InputError
from engines.anatomy.centerlines.model_completion import with_radii_from_surface
from engines.anatomy.centerlines.skeleton import centerlines_from_labels, centerlines_from_surface
from engines.anatomy.vessel_model import Branch, CenterlineTree, LabelVolume
from tests.engines.anatomy.shapes import Segment, grid, to_segment_mm, tube_labels, tube_surface

TUBE: Segment = ((-17.0, -3.0, -15.0), (14.0, 4.0, 17.0))
TRUNK: Segment = ((0.0, 0.0, -24.0), (0.0, 0.0, 0.0))
LEFT: Segment = ((0.0, 0.0, 0.0), (14.0, 0.0, 20.0))
RIGHT: Segment = ((0.0, 0.0, 0.0), (-14.0, 3.0, 20.0))


def _length_mm(branch: Branch) -> float:
    return float(np.linalg.norm(np.diff(branch.points_mm, axis=0), axis=1).sum())


@pytest.mark.parametrize(
    ("radius_mm", "spacing_mm"),
    [(5.0, (1.0, 1.0, 1.0)), (2.0, (1.0, 1.0, 1.0)), (1.2, (0.6, 0.6, 0.6)), (2.5, (0.6, 0.6, 1.25))],
)
def test_a_tube_gives_its_axis_and_radius(radius_mm: float, spacing_mm: tuple[float, float, float]) -> None:
    shape = tuple(int(56 / step) for step in spacing_mm)
    tree = centerlines_from_labels(tube_labels([TUBE], radius_mm, shape, spacing_mm))
    assert len(tree.branches) == 1
    points_mm, radii_mm = tree.points_mm(), tree.radius_mm()
    start, end = np.array(TUBE[0]), np.array(TUBE[1])
    along = (points_mm - start) @ (end - start) / ((end - start) @ (end - start))
    between = (along > 0) & (along < 1)
    assert to_segment_mm(points_mm, TUBE)[between].max() < 0.5 * max(spacing_mm)
    assert np.abs(radii_mm - radius_mm).max() < 0.5 * max(spacing_mm)
    # The line reaches the end caps, not just the thinned voxels.
    length_mm = float(np.linalg.norm(end - start))
    assert length_mm - max(spacing_mm) < _length_mm(tree.branches[0]) < length_mm + 2 * radius_mm + max(spacing_mm)


def test_a_bifurcation_gives_three_branches_that_meet() -> None:
    tree = centerlines_from_labels(tube_labels([TRUNK, LEFT, RIGHT], 3.0, name="carotid"))
    assert [branch.parent for branch in tree.branches] == [-1, 0, 0]
    for daughter in tree.branches[1:]:
        np.testing.assert_allclose(daughter.points_mm[0], tree.branches[0].points_mm[-1], atol=1e-6)
    np.testing.assert_allclose(tree.branches[0].points_mm[-1], 0, atol=1.5)
    deviation = np.min([to_segment_mm(tree.points_mm(), part) for part in (TRUNK, LEFT, RIGHT)], axis=0)
    inside = np.linalg.norm(tree.points_mm(), axis=1) < 22
    assert np.median(deviation) < 0.25
    assert deviation[inside].max() < 1.0  # near the fork, the lumen is wider than a tube
    assert all(branch.name == "carotid" and branch.vessel_class == "artery" for branch in tree.branches)


def test_a_curved_vessel_is_followed() -> None:
    angle = np.linspace(0, 1.5 * np.pi, 60)
    course = np.column_stack([18 * np.cos(angle), 18 * np.sin(angle), 3 * angle])
    segments = [(tuple(a), tuple(b)) for a, b in pairwise(course)]
    tree = centerlines_from_labels(tube_labels(segments, 2.5))
    assert len(tree.branches) == 1
    deviation = np.min([to_segment_mm(tree.points_mm(), part) for part in segments], axis=0)
    from_ends_mm = np.min([np.linalg.norm(tree.points_mm() - end, axis=1) for end in (course[0], course[-1])], axis=0)
    assert deviation[from_ends_mm > 4].max() < 0.5


def test_touching_classes_stay_apart_and_branches_join_their_parent() -> None:
    labels = tube_labels([((0, 0, -26), (0, 0, 26))], 8.0, name="aorta")
    branch = tube_labels([((0, 0, 5), (27, 0, 15))], 2.0).labels
    both = np.where(labels.labels > 0, 1, 2 * branch).astype(np.uint8)
    tree = centerlines_from_labels(
        LabelVolume(labels=both, lps_from_index=labels.lps_from_index, names={1: "aorta", 2: "renal"})
    )
    found = [(branch.name, branch.vessel_class) for branch in tree.branches]
    assert ("aorta", "aorta") in found
    assert ("renal", "artery") in found
    renal = tree.branches[found.index(("renal", "artery"))]
    assert renal.parent >= 0
    assert np.linalg.norm(renal.points_mm[0, :2]) < 1.5  # begins on the aorta's axis


def test_noise_on_the_wall_grows_no_branches() -> None:
    labels = tube_labels([((0, 0, -26), (0, 0, 26))], 9.0)
    rough = labels.labels.astype(bool)
    rng = np.random.default_rng(3)
    rim = np.asarray(ndimage.binary_dilation(rough)) & ~rough
    rough |= rim & (rng.random(rough.shape) < 0.3)
    tree = centerlines_from_labels(
        LabelVolume(labels=rough.astype(np.uint8), lps_from_index=labels.lps_from_index, names={1: "a"})
    )
    assert len(tree.branches) == 1


def test_a_ring_is_kept() -> None:
    angle = np.linspace(0, 2 * np.pi, 50)
    course = np.column_stack([18 * np.cos(angle), 18 * np.sin(angle), 0 * angle])
    segments = [(tuple(a), tuple(b)) for a, b in pairwise(course)]
    tree = centerlines_from_labels(tube_labels([*segments, ((18, 0, 0), (26, 0, 0))], 2.0))
    assert sum(map(_length_mm, tree.branches)) > 0.9 * 2 * np.pi * 18


def test_empty_labels_are_refused() -> None:
    empty = LabelVolume(labels=np.zeros((9, 9, 9), np.uint8), lps_from_index=np.eye(4))
    with pytest.raises(InputError, match="empty"):
        centerlines_from_labels(empty)


def test_a_speck_is_no_vessel() -> None:
    speck = np.zeros((9, 9, 9), np.uint8)
    speck[4, 4, 4] = 1
    with pytest.raises(InputError, match="no vessel"):
        centerlines_from_labels(LabelVolume(labels=speck, lps_from_index=np.eye(4), names={1: "a"}))


@pytest.mark.parametrize("closed", [True, False])
def test_a_bare_surface_gives_its_axis(closed: bool) -> None:
    tree = centerlines_from_surface(tube_surface(3.0, 50.0, closed=closed))
    assert len(tree.branches) == 1
    middle = np.abs(tree.points_mm()[:, 2]) < 22
    assert np.linalg.norm(tree.points_mm()[middle, :2], axis=1).max() < 0.2
    assert np.abs(tree.radius_mm() - 3.0).max() < 0.35


def test_a_sheet_encloses_nothing() -> None:
    sheet = tube_surface(3.0, 50.0)
    flat = type(sheet)(vertices_mm=sheet.vertices_mm * (1, 0, 1), triangles=sheet.triangles)
    with pytest.raises(InputError, match=r"encloses no volume|no vessel"):
        centerlines_from_surface(flat)


def test_unknown_radii_are_read_off_the_surface_and_known_ones_stay() -> None:
    points_mm = np.linspace((0.0, 0, -20), (0.0, 0, 20), 30)
    radius_mm = np.where(np.arange(30) < 15, np.nan, 1.5)
    tree = with_radii_from_surface(
        CenterlineTree(branches=(Branch(points_mm=points_mm, radius_mm=radius_mm),)), tube_surface(3.0, 50.0)
    )
    np.testing.assert_allclose(tree.radius_mm()[:15], 3.0, atol=0.1)
    np.testing.assert_array_equal(tree.radius_mm()[15:], 1.5)


def test_radii_of_a_bent_tapering_vessel_are_right_to_half_a_voxel() -> None:
    angle = np.linspace(0, np.pi, 60)
    course = np.column_stack([18 * np.cos(angle), np.zeros(60), 18 * np.sin(angle) - 8])
    radius_mm = np.linspace(4.0, 2.0, 60)
    spacing = (0.8, 0.8, 0.8)
    shape = (72, 40, 60)
    lps_from_index = grid(shape, spacing)
    index = np.indices(shape).reshape(3, -1).T
    points = index @ lps_from_index[:3, :3].T + lps_from_index[:3, 3]
    inside = np.zeros(len(points), dtype=bool)
    for centre, radius in zip(course, radius_mm, strict=True):
        inside |= np.linalg.norm(points - centre, axis=1) <= radius
    labels = LabelVolume(labels=inside.reshape(shape).astype(np.uint8), lps_from_index=lps_from_index, names={1: "a"})
    tree = centerlines_from_labels(labels)
    assert len(tree.branches) == 1
    nearest = np.linalg.norm(tree.points_mm()[:, None] - course, axis=2).argmin(axis=1)
    between = (nearest > 6) & (nearest < 53)
    error_mm = np.abs(tree.radius_mm() - radius_mm[nearest])[between]
    assert np.median(error_mm) < 0.2
    assert error_mm.max() < 0.4
