"""Connected arteries are divided by the artery that feeds them."""

import numpy as np

from engines.anatomy.centerlines.skeleton import centerlines_from_labels
from engines.anatomy.centerlines.tree import Polyline, tree_from_polylines
from engines.anatomy.extraction.inflows import parted_by_inflow
from engines.anatomy.vessel_model import Branch, CenterlineTree, LabelVolume
from tests.engines.anatomy.shapes import tube_labels


def _line(start, end, radius_mm: float, vessel_class: str = "artery") -> Polyline:
    points_mm = np.linspace(start, end, 30)
    return Polyline(points_mm=points_mm, radius_mm=np.full(30, radius_mm), vessel_class=vessel_class)


def _side(x: float) -> list[Polyline]:
    top = (x, 0.0, 40.0)
    return [_line((x, 0, -40), top, 2.4), _line(top, (2 * x, 0, 60), 1.2), _line(top, (0.6 * x, 0, 70), 1.0)]


def _roots(tree: CenterlineTree) -> list[int]:
    return [index for index, branch in enumerate(tree.branches) if branch.parent < 0]


def _root_of(tree: CenterlineTree, index: int) -> int:
    while tree.branches[index].parent >= 0:
        index = tree.branches[index].parent
    return index


def test_two_carotids_joined_at_the_circle_of_willis_become_two_trees() -> None:
    bridge = _line((18, 0, 70), (-18, 0, 70), 0.6)
    tree = tree_from_polylines([*_side(30.0), *_side(-30.0), bridge], shared_trunks=False)
    assert len(_roots(tree)) == 1
    parted = parted_by_inflow(tree)
    assert len(_roots(parted)) == 2
    for root in _roots(parted):
        np.testing.assert_allclose(parted.branches[root].points_mm[0, 2], -40.0)
        own = [b for k, b in enumerate(parted.branches) if _root_of(parted, k) == root]
        outside = [np.sign(b.points_mm[:, 0]) != np.sign(parted.branches[root].points_mm[0, 0]) for b in own]
        assert sum(part.all() for part in outside) == 0  # at most the connecting branch reaches across
    assert len(parted.points_mm()) == len(tree.points_mm())


def test_one_inflow_and_veins_stay_as_they_were() -> None:
    vein = _line((60, 0, -40), (60, 0, 70), 3.0, "vein")
    tree = tree_from_polylines([*_side(30.0), vein], shared_trunks=False)
    assert parted_by_inflow(tree) is tree
    both = parted_by_inflow(tree_from_polylines([*_side(30.0), *_side(-30.0), _line((18, 0, 70), (-18, 0, 70), 0.6),
                                                 vein], shared_trunks=False))  # fmt: skip
    lengths_mm = [np.linalg.norm(np.ptp(b.points_mm, axis=0)) for b in both.branches if b.vessel_class == "vein"]
    np.testing.assert_allclose(sum(lengths_mm), 110.0)


def test_no_artery_springs_from_a_vein_that_it_touches() -> None:
    labels = tube_labels([((0, 0, -26), (0, 0, 26))], 5.0)
    vein = tube_labels([((0, 0, 5), (27, 0, 15))], 2.0).labels
    both = np.where(labels.labels > 0, 1, 2 * vein).astype(np.uint8)
    names = {1: "cerebral arteries", 2: "cerebral veins"}
    tree = centerlines_from_labels(LabelVolume(labels=both, lps_from_index=labels.lps_from_index, names=names))
    assert {tree.branches[k].vessel_class for k in _roots(tree)} == {"artery", "vein"}
    for index, branch in enumerate(tree.branches):
        assert branch.vessel_class == tree.branches[_root_of(tree, index)].vessel_class


def test_a_branch_that_springs_from_the_middle_of_an_artery_is_no_inflow() -> None:
    trunk = _line((30, 0, -40), (30, 0, 71), 2.4)
    springing = _line(trunk.points_mm[5], (60, 0, 40), 1.5)
    branches = tuple(
        Branch(points_mm=line.points_mm, radius_mm=line.radius_mm, vessel_class="artery", parent=parent)
        for line, parent in ((trunk, -1), (springing, 0))
    )
    tree = CenterlineTree(branches=branches)
    assert parted_by_inflow(tree) is tree


def test_a_carotid_that_branches_soon_after_it_enters_is_an_inflow() -> None:
    left = [_line((30, 0, -40), (30, 0, -36), 2.1), _line((30, 0, -36), (60, 0, 60), 1.2)]
    left.append(_line((30, 0, -36), (18, 0, 70), 1.2))
    bridge = _line((18, 0, 70), (-18, 0, 70), 0.6)
    tree = tree_from_polylines([*left, *_side(-30.0), bridge], shared_trunks=False)
    assert len(_roots(parted_by_inflow(tree))) == 2
