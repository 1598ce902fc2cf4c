"""The exact search finds the way that the evidence was made of, under every hypothesis."""

import numpy as np
import pytest

from engines.ivus.search.candidates import distinct_answers, mass_behind
from engines.ivus.search.path_search import search

ANGLES, STEP_MM = 48, 0.3


def made_evidence(*, along, handedness, scale, offset_mm, turn_deg, drift_deg=20.0, frames=60, places=220, peak=3.0):
    z = 0.43 * np.arange(frames)
    place = offset_mm + along * scale * z
    angle = np.deg2rad(turn_deg) + np.deg2rad(drift_deg) * np.linspace(0, 1, frames)
    row = place / STEP_MM
    column = angle / (2 * np.pi) * ANGLES
    grid = np.arange(places)[:, None] - row[:, None, None]
    about = (np.arange(ANGLES) - column[:, None, None] + ANGLES / 2) % ANGLES - ANGLES / 2
    evidence = np.zeros((2, frames, places, ANGLES), np.float32)
    evidence[0 if handedness > 0 else 1] = peak * np.exp(-0.5 * (grid**2 / 9.0 + about**2 / 4.0))
    evidence -= np.log(np.exp(evidence).mean(axis=(0, 2, 3), keepdims=True))
    return evidence, z, STEP_MM * np.arange(places), place, angle


@pytest.mark.parametrize("along", [1, -1])
@pytest.mark.parametrize("handedness", [1, -1])
def test_direction_handedness_place_and_angle_are_found(along, handedness):
    offset = 15.0 if along > 0 else 50.0
    evidence, z, course, place, angle = made_evidence(
        along=along, handedness=handedness, scale=1.04, offset_mm=offset, turn_deg=100.0
    )
    found = search(evidence, z, course)
    best = found[0]
    assert (best.hypothesis.along, best.hypothesis.handedness) == (along, handedness)
    assert np.abs(best.place_mm - place).max() < 0.6
    turned = np.angle(np.exp(1j * (best.angle_rad - angle)))
    assert np.rad2deg(np.abs(turned)).max() < 8.0
    assert mass_behind(found) > 0.99
    first = distinct_answers(found)[0]
    assert first.offset_mm == pytest.approx(offset, abs=0.6)
    assert first.rotation_deg == pytest.approx(100.0, abs=8.0)
    assert first.distal_to_proximal == (along < 0)


def test_without_evidence_nothing_is_sure():
    evidence, z, course, *_ = made_evidence(
        along=1, handedness=1, scale=1.0, offset_mm=10.0, turn_deg=0.0, frames=30, places=150, peak=0.0
    )
    found = search(evidence, z, course)
    assert mass_behind(found) < 0.2
    assert np.isfinite(found[0].place_mm).all()


def test_two_places_that_fit_alike_are_both_candidates():
    one, z, course, *_ = made_evidence(along=1, handedness=1, scale=1.0, offset_mm=8.0, turn_deg=0.0, drift_deg=0.0)
    other, *_ = made_evidence(along=1, handedness=1, scale=1.0, offset_mm=28.0, turn_deg=180.0, drift_deg=0.0)
    answers = distinct_answers(search(np.logaddexp(one, other), z, course))
    assert len(answers) >= 2
    assert sorted(round(answer.offset_mm) for answer in answers[:2]) == [8, 28]
    assert answers[1].probability > 0.2


def test_a_pullback_longer_than_the_vessel_still_gets_finite_places():
    evidence, z, course, *_ = made_evidence(
        along=1, handedness=1, scale=1.0, offset_mm=0.0, turn_deg=0.0, frames=80, places=40
    )
    best = search(evidence, z, course)[0]
    assert np.isfinite(best.place_mm).all()
    assert len(best.place_mm) == 80
