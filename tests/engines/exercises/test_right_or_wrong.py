"""Wrong overlays are as wrong as is said, and the score counts them as a reader study does."""

from itertools import pairwise

import pytest

from engines.anatomy.cases.case import load_case
from engines.exercises.reference import reference_pictures
from engines.exercises.right_or_wrong import SURE, UNSURE, Answer, judging_score, overlay_items


@pytest.fixture(scope="module")
def pictures():
    return reference_pictures(load_case("coronary"))


@pytest.fixture(scope="module")
def items(pictures):
    return overlay_items(pictures, 10, 3)


def said(wrong, confidence=SURE):
    return Answer(called_wrong=wrong, confidence=confidence, seconds=2.0)


def test_half_are_wrong_by_three_to_eight_millimetres_and_half_right_within_one(items):
    assert sum(item.wrong for item in items) == 5
    assert all(3.0 <= item.score.mean_mm <= 8.0 for item in items if item.wrong)
    assert all(item.score.mean_mm <= 1.0 + 1e-6 for item in items if not item.wrong)


def test_a_seed_gives_the_same_overlays_again_and_another_seed_others(pictures, items):
    same, other = overlay_items(pictures, 10, 3), overlay_items(pictures, 10, 4)
    assert [one.score for one in same] == [one.score for one in items]
    assert [one.wrong for one in other] != [one.wrong for one in items]


def test_no_picture_comes_twice_in_a_row(items):
    places = [(item.picture.run, item.picture.frame) for item in items]
    assert all(one != after for one, after in pairwise(places))


def test_one_picture_alone_is_enough(pictures):
    assert len(overlay_items(pictures[:1], 4, 1)) == 4


def test_all_told_apart(items):
    score = judging_score(items, [said(item.wrong) for item in items])
    assert (score.hits, score.misses, score.false_alarms) == (5, 0, 0)
    assert (score.sensitivity, score.specificity, score.ordered, score.sure_and_right) == (1.0, 1.0, 1.0, 1.0)
    assert score.seconds == 20.0


def test_always_saying_wrong_finds_all_and_tells_nothing_apart(items):
    score = judging_score(items, [said(True) for _ in items])
    assert (score.sensitivity, score.specificity, score.ordered) == (1.0, 0.0, 0.5)
    assert score.false_alarms == 5


def test_an_unsure_miss_costs_less_than_a_sure_one(items):
    first = next(number for number, item in enumerate(items) if item.wrong)
    ordered = []
    for confidence in (UNSURE, SURE):
        answers = [said(item.wrong) for item in items]
        answers[first] = said(False, confidence)
        score = judging_score(items, answers)
        assert (score.hits, score.misses) == (4, 1)
        ordered.append(score.ordered)
    assert ordered == pytest.approx([1.0, 0.9])  # unsure: still above every sure "right"; sure: level with them


def test_somebody_who_is_never_sure_has_no_figure_for_it(items):
    score = judging_score(items, [said(item.wrong, UNSURE) for item in items])
    assert score.sure == 0
    assert score.sure_and_right is None
