"""A vessel that was missed comes with one click, with its line; bone, tissue and what has no way there do not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import KDTree

from calibration.errors import InputError
from engines.anatomy.centerlines.polyline import Polyline
from engines.anatomy.correcting.edits import AddVessel, Brush
from engines.anatomy.correcting.history import History
from engines.anatomy.correcting.tree_changes import tree_with
from engines.anatomy.vessel_model import Branch, CenterlineTree, CtVolume, LabelVolume
from tests.engines.anatomy.correcting.phantom import (
    AFFINE,
    BRANCH,
    SHAPE,
    TRUNK,
    ct_of,
    dice,
    labels_of,
    model_of,
    tube,
)
from tests.engines.anatomy.shapes import to_segment_mm

TRUNK_ALONE = labels_of(tube([TRUNK], 4.0))
MISSED = tube([BRANCH], 1.6) & ~tube([TRUNK], 4.0)
BOTH = ct_of(tube([TRUNK], 4.0) | tube([BRANCH], 1.6))
MIDDLE = (6.0, 0.0, 4.2)


def added(ct: CtVolume, seed_mm: tuple[float, float, float], *, said: str = "", labels: LabelVolume = TRUNK_ALONE):
    return History(model=model_of(labels)).did(AddVessel(seed_mm=seed_mm, said=said), lambda: ct).model


def test_one_click_in_the_middle_brings_the_vessel_from_the_model_to_its_tip() -> None:
    model = added(BOTH, MIDDLE)
    assert model.labels is not None
    assert model.centerlines is not None
    new = (model.labels.labels > 0) & (TRUNK_ALONE.labels == 0)
    assert dice(new, MISSED) > 0.85
    line = model.centerlines.branches[-1]
    assert to_segment_mm(line.points_mm[2:-2], BRANCH).max() < 1.0
    assert np.linalg.norm(line.points_mm[-1] - BRANCH[1]) < 2.5
    assert np.median(line.radius_mm) == pytest.approx(1.6, abs=0.5)


def test_the_branch_springs_from_the_trunk_which_is_cut_there() -> None:
    before, tree = model_of(TRUNK_ALONE).centerlines, added(BOTH, MIDDLE).centerlines
    assert before is not None
    assert tree is not None
    assert len(before.branches) == 1
    assert len(tree.branches) == 3
    line = tree.branches[-1]
    mother = tree.branches[line.parent]
    assert np.allclose(mother.points_mm[-1], line.points_mm[0])
    assert abs(line.points_mm[0][2]) < 3.0  # where the branch leaves, not at an end of the trunk
    assert [branch.parent for branch in tree.branches].count(-1) == 1
    assert KDTree(tree.points_mm()).query(before.points_mm())[0].max() < 1e-6


def test_a_tight_stenosis_is_passed_a_dark_gap_is_not() -> None:
    along = np.indices(SHAPE)[0] + AFFINE[0, 3]
    short, long = (tube([BRANCH], 1.6) & ((along < 0) | (along > reach)) for reach in (2.0, 11.0))
    assert added(ct_of(tube([TRUNK], 4.0) | short), (14.0, 0.0, 6.4)).centerlines is not None
    with pytest.raises(InputError, match="no bright way"):
        added(ct_of(tube([TRUNK], 4.0) | long), (16.0, 0.0, 6.9))


def test_bone_is_refused_and_bone_beside_the_vessel_is_not_taken_in() -> None:
    bone = tube([((-2, 6, -20), (24, 6, 26))], 3.0)
    ct = ct_of(tube([TRUNK], 4.0) | tube([BRANCH], 1.6), bone)
    with pytest.raises(InputError, match="bone or calcium"):
        added(ct, (11.0, 6.0, 3.0))
    model = added(ct, MIDDLE)
    assert model.labels is not None
    assert not ((model.labels.labels > 0) & bone).any()


@pytest.mark.parametrize(
    ("seed_mm", "why"),
    [
        ((-10.0, 0.0, 5.0), "in the model already"),
        ((15.0, -20.0, -15.0), "no contrast there"),
        ((15.0, 0.0, 90.0), "outside of the volume"),
    ],
)
def test_a_click_that_can_bring_nothing_says_why(seed_mm: tuple[float, float, float], why: str) -> None:
    with pytest.raises(InputError, match=why):
        added(BOTH, seed_mm)


def test_the_class_is_that_of_the_trunk_unless_said_and_a_thin_branch_of_an_aorta_is_an_artery() -> None:
    def class_of(labels: LabelVolume, said: str = "") -> str:
        tree = added(BOTH, MIDDLE, said=said, labels=labels).centerlines
        assert tree is not None
        return tree.branches[-1].vessel_class

    trunk = tube([TRUNK], 4.0)
    assert class_of(labels_of(trunk, names=["vein"])) == "vein"
    assert class_of(labels_of(trunk, names=["aorta"])) == "artery"
    with pytest.raises(InputError, match="no vessel of that class"):
        class_of(labels_of(trunk, names=["vein"]), said="artery")


def test_a_gap_between_two_parts_is_closed_and_they_are_one_tree() -> None:
    whole = tube([TRUNK], 3.0)
    along = np.indices(SHAPE)[2] + AFFINE[2, 3]
    parted = labels_of(whole & (np.abs(along - 8.0) > 5.0))
    before = model_of(parted)
    assert before.centerlines is not None
    assert sum(branch.parent < 0 for branch in before.centerlines.branches) == 2
    model = added(ct_of(whole), (-10.0, 0.0, 8.0), labels=parted)
    assert model.labels is not None
    assert model.centerlines is not None
    assert dice(model.labels.labels > 0, whole) > 0.95
    assert sum(branch.parent < 0 for branch in model.centerlines.branches) == 1
    assert all(branch.parent < number for number, branch in enumerate(model.centerlines.branches))


def test_what_was_erased_comes_back_with_a_click_in_a_ct_of_another_grid() -> None:
    """The labels lie on voxels twice as coarse as the CT's, as an aorta's do."""
    blood = tube([TRUNK], 4.0) | tube([BRANCH], 2.4)
    coarse = blood[::2, ::2, ::2]
    affine = AFFINE @ np.diag([2.0, 2.0, 2.0, 1.0])
    history = History(
        model=model_of(LabelVolume(labels=coarse.astype(np.uint8), lps_from_index=affine, names={1: "artery"}))
    )
    points = tuple((x, 0.0, 2.667 + 0.2667 * x) for x in np.arange(-3.0, 21.0, 1.0).tolist())
    erased = history.did(Brush(centres_mm=points, radius_mm=4.5), lambda: None)
    assert erased.model.labels is not None
    lost = coarse & (erased.model.labels.labels == 0)
    assert lost.sum() > 40
    back = erased.did(AddVessel(seed_mm=(10.0, 0.0, 5.3)), lambda: ct_of(blood)).model
    assert back.labels is not None
    assert dice((back.labels.labels > 0) & (erased.model.labels.labels == 0), lost) > 0.7


def test_without_a_ct_nothing_can_be_found() -> None:
    with pytest.raises(InputError, match="no CT"):
        History(model=model_of(TRUNK_ALONE)).did(AddVessel(seed_mm=MIDDLE), lambda: None)


@pytest.mark.parametrize(("radius_mm", "turned"), [(1.5, False), (6.0, True)])
def test_a_thin_branch_at_a_root_leaves_the_flow_as_it_was_a_wide_one_is_where_it_comes_from(
    radius_mm: float, turned: bool
) -> None:
    trunk = Branch(points_mm=np.linspace((0, 0, 0), (0, 0, 60), 61), radius_mm=np.full(61, 5.0))
    tree = CenterlineTree(branches=(trunk,))
    line = Polyline(points_mm=np.linspace((0, -3, 0.2), (0, -30, -6), 28), radius_mm=np.full(28, radius_mm))
    found = tree_with(tree, line)
    same = next(branch for branch in found.branches if np.allclose(branch.points_mm[-1], trunk.points_mm[-1]))
    assert np.linalg.norm(same.points_mm[0] - trunk.points_mm[0]) < 3.5  # where the line begins at its wall
    assert (same.parent >= 0) == turned
    assert len(found.branches) == 2
