"""Which of two courses a pullback was taken in."""

import numpy as np
import pytest

from engines.ivus.features.landmark_maps import ANGLES
from engines.ivus.search.which_way import shares_of_ways

FRAMES, STEP_MM = 40, 0.3


def course_evidence(places, *, matched_to, level=0.0):
    """Frame k fits place k at angle 0 as far as the course shows what the frames saw."""
    table = np.full((2, FRAMES, places, ANGLES), level, dtype=np.float32)
    for frame in range(matched_to):
        table[0, frame, frame, 0] += 6.0
    return table


def shares(*tables, penalties=None):
    return shares_of_ways(tables, np.arange(FRAMES) * STEP_MM, penalties or [0.0] * len(tables))


def test_the_given_line_alone_is_sure():
    assert shares(course_evidence(60, matched_to=10)).tolist() == [1.0]


def test_the_course_that_shows_what_the_frames_saw_is_taken():
    given, other = course_evidence(60, matched_to=15), course_evidence(60, matched_to=FRAMES)
    assert shares(given, other)[1] > 0.99
    assert shares(other, given)[0] > 0.99


def test_where_both_show_the_same_the_given_line_is_kept():
    given, other = course_evidence(60, matched_to=FRAMES), course_evidence(60, matched_to=FRAMES)
    assert shares(given, other)[0] == pytest.approx(0.8, abs=0.01)


def test_a_course_that_fits_worse_everywhere_is_not_favoured_for_it():
    given = course_evidence(60, matched_to=FRAMES)
    other = course_evidence(60, matched_to=FRAMES, level=-3.0)
    assert shares(given, other)[0] > 0.99


def test_a_size_offset_that_is_hard_to_believe_counts_against_a_course():
    given, other = course_evidence(60, matched_to=FRAMES), course_evidence(60, matched_to=FRAMES)
    assert shares(given, other, penalties=[-8.0, 0.0])[1] > 0.9
