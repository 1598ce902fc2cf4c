"""Chances that a vessel feeds a segment: sure where one lies near, shared half way."""

import numpy as np

from engines.cmr.coronaries.feeding_chance import SURE, FeedingChance, feeding_chance

_POINTS = np.random.default_rng(3).uniform(-30, 30, (600, 3))


def _chance(first_mm, second_mm, third_mm=np.inf):
    distance = np.stack([np.full(600, first_mm), np.full(600, second_mm), np.full(600, third_mm)])
    return feeding_chance(_POINTS, distance, np.full(600, 5))


def test_a_vessel_much_nearer_than_the_others_is_sure():
    chance = _chance(2.0, 70.0)
    assert chance.vessel(5) == 1
    assert chance.segments[5, 0] > 0.97
    assert not chance.shared(5)


def test_half_way_between_two_vessels_is_shared():
    chance = _chance(25.0, 25.0)
    assert abs(chance.segments[5, 0] - 0.5) < 0.12
    assert chance.segments[5, 2] == 0.0
    assert chance.shared(5)


def test_chances_grow_with_the_margin_and_add_up_to_one():
    rows = [_chance(20.0, 20.0 + margin).segments[5] for margin in (0.0, 6.0, 12.0, 24.0, 48.0)]
    assert (np.diff([row[0] for row in rows]) > 0).all()
    np.testing.assert_allclose([row.sum() for row in rows], 1.0)
    assert rows[0][0] < SURE < rows[-1][0]


def test_the_same_heart_has_the_same_chances_and_a_segment_without_wall_has_none():
    first, second = _chance(10.0, 22.0), _chance(10.0, 22.0)
    np.testing.assert_array_equal(first.segments, second.segments)
    assert first.vessel(6) == 0


def test_a_found_tree_leans_on_the_population_where_it_is_unsure() -> None:
    rows = np.zeros((18, 3))
    rows[1], rows[2], rows[3] = (0.4, 0.45, 0.15), (0.0, 1.0, 0.0), (0.97, 0.03, 0.0)
    weighed = FeedingChance(segments=rows).beside_default({1: 1, 2: 1, 3: 1, 4: 3})
    assert weighed.vessel(1) == 1, "almost even: the population decides"
    assert weighed.vessel(2) == 2, "a clear course stands"
    assert weighed.shared(2), "but is no longer called its own"
    assert not weighed.shared(3)
    assert weighed.vessel(4) == 0, "no wall, no vessel"
    np.testing.assert_allclose(weighed.segments[1:4].sum(axis=1), 1.0)
