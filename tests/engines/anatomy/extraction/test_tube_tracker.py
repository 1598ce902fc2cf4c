"""A walk along analytic tubes: its path, its measured radius, its end."""

from itertools import pairwise

import numpy as np

from engines.anatomy.extraction.tube_tracker import inside_walk, walk_tube
from tests.engines.anatomy.shapes import Segment, distance_mm, grid, to_segment_mm

SHAPE = (70, 70, 60)
SPACING_MM = np.ones(3)


def _inside(segments: list[Segment], radius_mm: float) -> tuple[np.ndarray, np.ndarray]:
    lps_from_index = grid(SHAPE, (1.0, 1.0, 1.0))
    return distance_mm(SHAPE, lps_from_index, segments) <= radius_mm, lps_from_index[:3, 3]


def test_a_bent_tube_is_walked_from_end_to_end_and_measured() -> None:
    angle = np.linspace(0.0, np.pi, 40)
    course = np.column_stack([20 * np.cos(angle), np.zeros(40), 20 * np.sin(angle) - 10])
    segments: list[Segment] = [(tuple(a), tuple(b)) for a, b in pairwise(course)]
    inside, first_mm = _inside(segments, 6.0)
    walk = walk_tube(inside, SPACING_MM, course[20] - first_mm, np.array([1.0, 0.0, 0.0]), 6.0, narrowest_mm=3.0)
    away_mm = np.min([to_segment_mm(walk.points_mm + first_mm, part) for part in segments], axis=0)
    # In the last radius the cut end is the nearest wall.
    assert away_mm[2:-2].max() < 0.5
    assert np.abs(walk.radius_mm - 6.0)[2:-2].max() < 0.5
    assert walk.length_mm > 0.8 * 20 * np.pi


def test_what_the_rays_enclose_is_the_tube() -> None:
    segments: list[Segment] = [((0.0, 0.0, -40.0), (6.0, 3.0, 40.0))]
    inside, first_mm = _inside(segments, 7.0)
    walk = walk_tube(inside, SPACING_MM, -first_mm, np.array([0.0, 0.0, 1.0]), 7.0, narrowest_mm=3.0)
    index = np.argwhere(np.ones(SHAPE, dtype=bool))
    found = np.zeros(SHAPE, dtype=bool)
    found[tuple(index[inside_walk(walk, index * SPACING_MM, slack_mm=0.25)].T)] = True
    assert 2 * (found & inside).sum() / (found.sum() + inside.sum()) > 0.95


def test_the_walk_ends_where_the_wall_is_missing() -> None:
    inside, first_mm = _inside([((0.0, 0.0, -40.0), (0.0, 0.0, 40.0))], 6.0)
    inside[:, :, 45:] = True  # opens into a chamber without walls
    walk = walk_tube(inside, SPACING_MM, -first_mm, np.array([0.0, 0.0, 1.0]), 6.0, narrowest_mm=3.0)
    assert 40.0 < walk.points_mm[:, 2].max() < 50.0
    assert walk.radius_mm.max() < 8.0


def test_a_start_outside_every_tube_gives_an_empty_walk() -> None:
    inside, first_mm = _inside([((0.0, 0.0, -40.0), (0.0, 0.0, 40.0))], 6.0)
    walk = walk_tube(inside, SPACING_MM, -first_mm + [20, 20, 0], np.array([0.0, 0.0, 1.0]), 6.0, narrowest_mm=3.0)
    assert walk.length_mm == 0.0
