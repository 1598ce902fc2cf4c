import time

import numpy as np
import pytest

from engines.anatomy.centerlines.polyline import Polyline, is_cut_into_pieces, welded
from engines.anatomy.centerlines.tree import tree_from_polylines


def _line(*points: tuple[float, float, float], name: str = "", radius_mm: float = 3.0) -> Polyline:
    return Polyline(points_mm=np.array(points, dtype=float), radius_mm=np.full(len(points), radius_mm), name=name)


def _branches() -> list[np.ndarray]:
    """A trunk and two daughters that meet in one point; 250 points each."""
    t = np.linspace(0, 1, 250)[:, None]
    trunk = np.array([[0.0, 0, 60]]) * (1 - t)
    return [trunk, np.array([[30.0, 5, -40]]) * t, np.array([[-30.0, -5, -40]]) * t]


def _pieces(size: int, rng: np.random.Generator | None = None) -> list[Polyline]:
    """Cells of so many points; with a generator in any order and direction."""
    cells = [
        Polyline(points_mm=points[start : start + size], radius_mm=np.full(len(points[start : start + size]), 3.0))
        for points in _branches()
        for start in range(0, len(points) - 1, size - 1)
    ]
    if rng is not None:
        turned = rng.random(len(cells)) < 0.5
        cells = [
            Polyline(points_mm=c.points_mm[::-1], radius_mm=c.radius_mm) if turn else c
            for c, turn in zip(cells, turned, strict=True)
        ]
        cells = [cells[i] for i in rng.permutation(len(cells))]
    return cells


@pytest.mark.parametrize("size", [2, 3, 7])
@pytest.mark.parametrize("shuffled", [False, True])
def test_a_tree_cut_into_cells_is_three_branches_in_moments(size: int, shuffled: bool) -> None:
    began = time.perf_counter()
    tree = tree_from_polylines(_pieces(size, np.random.default_rng(5) if shuffled else None))
    assert time.perf_counter() - began < 10.0
    assert len(tree.branches) == 3
    assert [branch.parent for branch in tree.branches].count(-1) == 1
    length_mm = sum(float(np.linalg.norm(np.diff(b.points_mm, axis=0), axis=1).sum()) for b in tree.branches)
    # Within the trunk, daughters are counted as trunk: a few tenths of a millimetre.
    assert length_mm == pytest.approx(60 + 2 * np.sqrt(30**2 + 5**2 + 40**2), abs=0.4)


def test_cells_that_are_stored_twice_count_once() -> None:
    cells = _pieces(2)
    assert len(tree_from_polylines([*cells, *cells[::-1]]).branches) == 3


def test_lines_of_two_names_are_not_welded() -> None:
    lines = [_line((0, 0, 0), (0, 0, 10), name="LM"), _line((0, 0, 10), (0, 0, 30), name="LAD")]
    assert len(welded(lines)) == 2
    assert len(welded([_line((0, 0, 0), (0, 0, 10)), _line((0, 0, 30), (0, 0, 10))])) == 1


def test_where_another_line_passes_ends_stay_apart() -> None:
    passing = _line((-5, 0, 10), (0, 0, 10), (5, 0, 10))
    assert len(welded([_line((0, 0, 0), (0, 0, 10)), _line((0, 0, 10), (0, 0, 30)), passing])) == 3


def test_a_ring_stays_whole_and_a_known_radius_is_kept() -> None:
    ring = [_line((0, 0, 0), (9, 0, 0)), _line((9, 0, 0), (9, 9, 0)), _line((9, 9, 0), (0, 0, 0))]
    (line,) = welded(ring)
    assert line.length_mm == pytest.approx(18 + np.hypot(9, 9))
    first, second = _line((0, 0, 0), (0, 0, 9), radius_mm=float("nan")), _line((0, 0, 9), (0, 0, 20), radius_mm=2.0)
    assert welded([first, second])[0].radius_mm[1:].tolist() == [2.0, 2.0]


def test_whole_branches_are_not_taken_for_pieces() -> None:
    assert not is_cut_into_pieces([_line((0, 0, 10 * k), (0, 0, 10 * k + 10)) for k in range(20)])
    assert is_cut_into_pieces(_pieces(2))
    assert not is_cut_into_pieces([])
