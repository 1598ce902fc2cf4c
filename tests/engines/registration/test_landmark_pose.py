"""Pairs give a pose with its residuals; too few, collinear and contradictory ones are refused in one line."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.errors import InputError
from engines.registration.landmark_pose import pose_from_landmarks
from tests.engines.registration.vessel_bed import Bed, bed


@pytest.fixture(scope="module")
def scene() -> Bed:
    return bed(3)


def _pairs(scene: Bed, count: int, *, seed: int = 0, noise_mm: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    points = scene.model.centerlines.points_mm()
    # Far apart, as a person is told to set them.
    chosen = [int(np.linalg.norm(points - points.mean(axis=0), axis=1).argmax())]
    while len(chosen) < count:
        away = np.min([np.linalg.norm(points - points[at], axis=1) for at in chosen], axis=0)
        chosen.append(int(away.argmax()))
    places = scene.geometry.projection(scene.pose).project(points[chosen])[0]
    noise = np.random.default_rng(seed).normal(0.0, noise_mm / scene.geometry.isocentre_mm_per_px, places.shape)
    return points[chosen], places + noise


@pytest.mark.parametrize("count", [3, 4, 6])
def test_exact_pairs_bring_the_model_home(scene: Bed, count: int) -> None:
    start = scene.moved(7, deg=4.0, mm=12.0, depth_mm=10.0)
    assert scene.error_mm(start) > 4.0
    found = pose_from_landmarks(*_pairs(scene, count), scene.geometry, start)
    assert scene.error_mm(found.isocentre_from_lps) < 1.0
    assert found.residuals_mm.shape == (count,)
    assert found.residuals_mm.max() < 0.5


def test_clicks_that_are_off_by_a_millimetre_still_help(scene: Bed) -> None:
    start = scene.moved(7, deg=4.0, mm=12.0, depth_mm=10.0)
    found = pose_from_landmarks(*_pairs(scene, 6, noise_mm=0.7), scene.geometry, start)
    assert scene.error_mm(found.isocentre_from_lps) < 2.0
    assert found.residuals_mm.max() > 0.1


def test_fewer_than_three_are_refused(scene: Bed) -> None:
    with pytest.raises(InputError, match=r"2 landmark pairs: a pose needs 3"):
        pose_from_landmarks(*_pairs(scene, 2), scene.geometry, scene.pose)


def test_pairs_on_one_line_are_refused(scene: Bed) -> None:
    line = np.linspace([0.0, 0.0, 0.0], [40.0, 10.0, 5.0], 4) + scene.model.centroid_mm()
    places = scene.geometry.projection(scene.pose).project(line)[0]
    with pytest.raises(InputError, match="nearly on one line"):
        pose_from_landmarks(line, places, scene.geometry, scene.pose)


def test_a_mistaken_pair_is_named(scene: Bed) -> None:
    points, places = _pairs(scene, 6)
    places[3] += 25.0 / scene.geometry.isocentre_mm_per_px
    with pytest.raises(InputError, match=r"pair 4 is \d+\.\d mm off"):
        pose_from_landmarks(points, places, scene.geometry, scene.moved(7, deg=2.0, mm=5.0, depth_mm=5.0))


def test_pairs_that_swap_ends_are_refused(scene: Bed) -> None:
    points, places = _pairs(scene, 4)
    with pytest.raises(InputError, match=r"disagree|turn the model"):
        pose_from_landmarks(points, places[::-1].copy(), scene.geometry, scene.pose)
