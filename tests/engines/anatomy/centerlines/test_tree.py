from itertools import pairwise

import numpy as np
import pytest

from engines.anatomy.centerlines.tree import Polyline, tree_from_polylines
from engines.anatomy.vessel_model import CenterlineTree


def _line(start: tuple[float, float, float], end: tuple[float, float, float], radius_mm: float = np.nan) -> Polyline:
    count = int(np.linalg.norm(np.subtract(end, start)) / 0.5) + 2
    return Polyline(points_mm=np.linspace(start, end, count), radius_mm=np.full(count, radius_mm))


def _length_mm(tree: CenterlineTree) -> float:
    return sum(float(np.linalg.norm(np.diff(b.points_mm, axis=0), axis=1).sum()) for b in tree.branches)


def test_no_lines_make_an_empty_tree() -> None:
    assert tree_from_polylines([]).branches == ()
    point = Polyline(points_mm=np.ones((4, 3)), radius_mm=np.ones(4))
    assert tree_from_polylines([point]).branches == ()


def test_a_line_that_ends_on_another_cuts_it() -> None:
    tree = tree_from_polylines([_line((0, 0, 0), (0, 0, 60)), _line((0, 0, 30), (25, 0, 45))])
    assert [branch.parent for branch in tree.branches] == [-1, 0, 0]
    np.testing.assert_allclose(tree.branches[0].points_mm[-1], (0, 0, 30), atol=0.3)
    assert _length_mm(tree) == pytest.approx(60 + np.hypot(25, 15), abs=0.5)


def test_gaps_at_a_bifurcation_are_bridged() -> None:
    tree = tree_from_polylines(
        [_line((0, 0, 0), (0, 0, 30)), _line((2, 0, 33), (20, 0, 60)), _line((-2, 0, 33), (-20, 0, 60))]
    )
    assert [branch.parent for branch in tree.branches] == [-1, 0, 0]
    for daughter in tree.branches[1:]:
        np.testing.assert_allclose(daughter.points_mm[0], tree.branches[0].points_mm[-1])
        np.testing.assert_allclose(daughter.points_mm[0], (0, 0, 31), atol=2.5)


def test_separate_trees_stay_separate() -> None:
    tree = tree_from_polylines([_line((0, 0, 0), (0, 0, 30)), _line((40, 0, 0), (40, 0, 30))])
    assert [branch.parent for branch in tree.branches] == [-1, -1]


def test_lines_from_one_origin_share_their_trunk() -> None:
    lines = []
    for end in ((20.0, 0.0, 60.0), (-20.0, 0.0, 60.0), (0.0, 22.0, 70.0)):
        trunk, branch = _line((0, 0, 0), (0, 0, 40), 2.0), _line((0, 0, 40), end, 1.0)
        lines.append(
            Polyline(
                points_mm=np.vstack([trunk.points_mm, branch.points_mm[1:]]),
                radius_mm=np.concatenate([trunk.radius_mm, branch.radius_mm[1:]]),
            )
        )
    tree = tree_from_polylines(lines)
    assert _length_mm(tree) == pytest.approx(40 + 2 * np.hypot(20, 20) + np.hypot(22, 30), abs=2.0)
    assert tree.branches[0].parent == -1
    assert all(branch.parent >= 0 for branch in tree.branches[1:])


def test_the_root_is_the_widest_end_whatever_the_stored_order() -> None:
    trunk = _line((0, 0, 0), (0, 0, 40), 4.0)
    stored_backwards = Polyline(points_mm=trunk.points_mm[::-1], radius_mm=trunk.radius_mm)
    tree = tree_from_polylines(
        [_line((20, 0, 60), (0, 0, 40), 1.0), stored_backwards, _line((0, 0, 40), (-9, 0, 60), 2.0)]
    )
    np.testing.assert_allclose(tree.branches[0].points_mm[0], (0, 0, 0))
    assert [branch.parent for branch in tree.branches] == [-1, 0, 0]
    for daughter in tree.branches[1:]:
        np.testing.assert_allclose(daughter.points_mm[0], tree.branches[0].points_mm[-1])
        np.testing.assert_allclose(daughter.points_mm[0], (0, 0, 40), atol=0.6)


def test_a_loop_keeps_all_its_pieces() -> None:
    square = [(0, 0, 0), (30, 0, 0), (30, 30, 0), (0, 30, 0), (0, 0, 0)]
    lines = [_line(a, b) for a, b in pairwise(square)]
    tree = tree_from_polylines(lines)
    assert _length_mm(tree) == pytest.approx(120, abs=0.1)
    assert [branch.parent for branch in tree.branches].count(-1) == 2  # the loop is opened at one node


def test_a_tip_that_passes_near_its_own_tree_is_not_joined_to_it() -> None:
    lines = [_line((0, 0, 0), (0, 0, 60)), _line((0, 0, 20), (25, 0, 40)), _line((25, 0, 40), (2, 0, 50))]
    tree = tree_from_polylines(lines)
    np.testing.assert_allclose(tree.branches[-1].points_mm[-1], (2, 0, 50))
