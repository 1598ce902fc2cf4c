"""Foreshortening and overlap of tubes whose answers are known without a program."""

import numpy as np
import pytest

from engines.anatomy.cases.case import load_case
from engines.anatomy.vessel_model import Branch
from engines.exercises.reference import shown_branches
from engines.planning.angles import angle_words
from engines.planning.segment_views import angle_map, seen_from, segments_of


def tube(start, end, name, *, radius=1.5, parent=-1):
    points = np.linspace(start, end, 41)
    return Branch(points_mm=points, radius_mm=np.full(41, radius), name=name, parent=parent)


def only(branches, name):
    return next(segment for segment in segments_of(branches) if segment.name == name)


@pytest.fixture
def upright():
    """A vessel from feet to head, and another 30 mm in front of it, joined far below."""
    return (
        tube((0, 0, -60), (0, 0, -20), "trunk"),
        tube((0, 0, -20), (0, 0, 20), "target", parent=0),
        tube((0, 0, -60), (0, -30, -30), "bend", parent=0),
        tube((0, -30, -30), (0, -30, 40), "cover", parent=2),
    )


@pytest.mark.parametrize("secondary_deg", [-40.0, -20.0, 0.0, 30.0])
def test_a_vessel_along_the_body_is_foreshortened_by_the_cranial_angle_alone(upright, secondary_deg):
    target = only(upright, "target")
    for primary_deg in (-50.0, 0.0, 25.0):
        seen = seen_from(target, primary_deg, secondary_deg)
        assert seen.foreshortening == pytest.approx(1.0 - np.cos(np.deg2rad(secondary_deg)), abs=1e-9)


def test_a_vessel_in_front_covers_from_the_front_and_not_from_the_side(upright):
    target = only(upright, "target")
    assert seen_from(target, 0.0, 0.0).overlap == 1.0
    assert seen_from(target, 45.0, 0.0).overlap == 0.0


def test_the_best_angles_are_free_and_not_foreshortened(upright):
    found = angle_map(only(upright, "target"))
    assert found.best.lost == pytest.approx(0.0, abs=1e-6)
    assert found.lost.min() == found.best.lost
    assert found.lost.shape == (len(found.secondary_deg), len(found.primary_deg))


def test_a_daughter_does_not_cover_the_place_it_springs_from():
    branches = (tube((0, 0, 0), (0, 0, 40), "mother"), tube((0, 0, 20), (30, -20, 20), "daughter", parent=0))
    assert seen_from(only(branches, "mother"), 0.0, 0.0).overlap == 0.0


def test_a_vessel_without_others_is_never_covered():
    assert seen_from(only((tube((0, 0, 0), (0, 0, 40), "alone"),), "alone"), 0.0, 0.0).overlap == 0.0


def test_pieces_of_one_name_are_one_segment():
    branches = (tube((0, 0, 0), (0, 0, 20), "LAD"), tube((0, 0, 20), (0, 0, 45), "LAD", parent=0))
    assert only(branches, "LAD").length_mm == pytest.approx(45.0, abs=0.2)


def test_the_bundled_coronary_case_offers_its_main_vessels():
    segments = segments_of(shown_branches(load_case("coronary").vessel_model()))
    assert {"LM", "LAD", "LCx"} <= {segment.name for segment in segments}


@pytest.mark.parametrize(
    ("angles", "words"), [((30.0, 20.0), "LAO 30 CRA 20"), ((-10.0, -25.0), "RAO 10 CAU 25"), ((0, 0), "LAO 0 CRA 0")]
)
def test_angles_are_said_as_in_a_cath_lab(angles, words):
    assert angle_words(*angles) == words
