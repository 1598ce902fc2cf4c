"""A given line that turns into a side branch: the vessel that goes straight on is found, where there is one."""

import numpy as np
import pytest

from engines.anatomy.vessel_model import CtVolume
from engines.ivus.geometry.straight_on import straight_on
from engines.ivus.geometry.vessel_course import vessel_course

BLOOD_HU, AROUND_HU, SPACING_MM = 400.0, -80.0, 0.5
FORK_MM, LENGTH_MM = 20.0, 55.0
OUT = np.array([0.0, np.sin(np.deg2rad(50.0)), np.cos(np.deg2rad(50.0))])


def main_line(to_mm=LENGTH_MM):
    along = np.arange(0.0, to_mm, 0.5)
    return np.column_stack([0.0 * along, 0.0 * along, along])


def side_line(length_mm=14.0):
    return np.array([0.0, 0.0, FORK_MM]) + np.arange(0.5, length_mm, 0.5)[:, None] * OUT


def turned_line():
    return np.concatenate([main_line(FORK_MM), side_line()])


def painted(*tubes, gap_mm=None):
    """A CT of bright tubes (line, radius); the first one's contrast may be missing from z to z."""
    shape, first = (36, 60, 124), np.array([-9.0, -12.0, -3.0])
    where = np.stack(np.meshgrid(*[np.arange(n) * SPACING_MM for n in shape], indexing="ij"), -1) + first
    hu = np.full(shape, AROUND_HU)
    for line, radius in tubes:
        distance = np.full(shape, 99.0)
        for point in line:
            distance = np.minimum(distance, np.linalg.norm(where - point, axis=-1))
        hu = np.maximum(hu, AROUND_HU + (BLOOD_HU - AROUND_HU) * np.clip((radius - distance) / SPACING_MM + 0.5, 0, 1))
    if gap_mm is not None:
        hu[:, :, (where[0, 0, :, 2] > gap_mm[0]) & (where[0, 0, :, 2] < gap_mm[1])] = AROUND_HU
    rng = np.random.default_rng(3)
    lps_from_index = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
    lps_from_index[:3, 3] = first
    noisy = hu + rng.normal(0.0, 15.0, shape)
    return CtVolume(voxels_hu=np.rint(noisy).astype(np.int16), lps_from_index=lps_from_index)


def test_the_vessel_is_followed_on_where_the_line_turns_into_a_side_branch():
    ct = painted((main_line(), 1.5), (side_line(), 1.1))
    (other,) = straight_on(ct, vessel_course(ct, turned_line()))
    assert other.left_mm == pytest.approx(FORK_MM, abs=3.0)
    assert other.given_mm == other.left_mm
    points = other.frame.points_mm
    assert points[-1, 2] > LENGTH_MM - 2.0
    assert np.linalg.norm(points[other.frame.arc_mm > other.left_mm][:, :2], axis=1).max() < 0.6


def test_places_before_the_turn_are_measured_as_along_the_given_line():
    ct = painted((main_line(), 1.5), (side_line(), 1.1))
    given = vessel_course(ct, turned_line())
    (other,) = straight_on(ct, given)
    assert other.left_mm is not None
    arcs = np.arange(1.0, other.left_mm - 4.0, 1.0)
    apart = np.linalg.norm(given.frame.at(arcs).points_mm - other.frame.at(arcs).points_mm, axis=1)
    assert apart.max() < 0.3


def test_a_line_that_follows_the_vessel_past_its_branches_has_no_other_course():
    ct = painted((main_line(), 1.5), (side_line(), 1.1))
    assert straight_on(ct, vessel_course(ct, main_line())) == ()


def test_a_bend_without_a_branch_has_no_other_course():
    ct = painted((turned_line(), 1.5))
    assert straight_on(ct, vessel_course(ct, turned_line())) == ()


@pytest.mark.parametrize(("gap_mm", "reached"), [((34.0, 36.0), True), ((34.0, 42.0), False)])
def test_a_short_narrowing_is_passed_and_an_end_is_not(gap_mm, reached):
    ct = painted((main_line(), 1.5), gap_mm=gap_mm)
    course = vessel_course(ct, main_line(28.0))
    assert (course.frame.points_mm[-1, 2] > 50.0) == reached
    assert reached or course.frame.points_mm[-1, 2] < 35.5
