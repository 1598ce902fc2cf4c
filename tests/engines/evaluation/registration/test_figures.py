"""Figures over trials: capture range, calibration, intervals, and what counts as a failure."""

from __future__ import annotations

import numpy as np
import pytest

from engines.evaluation.registration.figures import calibration_of, capture_range, summarise
from engines.evaluation.registration.metrics import box_corners_mm, projection_error_mm, target_error_mm
from tests.engines.evaluation.trials import OffBy, trial
from tests.engines.registration.vessel_bed import bed


def test_the_capture_range_ends_before_the_first_bin_that_fails_and_passes_over_empty_ones():
    near = [trial(begin_mm=2.0, error_mm=0.5) for _ in range(20)]
    one_lost = [trial(begin_mm=12.0, error_mm=0.5) for _ in range(19)] + [trial(begin_mm=12.0, error_mm=9.0)]
    far = [trial(begin_mm=22.0, error_mm=30.0), trial(begin_mm=27.0, error_mm=0.5)]
    found = capture_range([*near, *one_lost, *far])
    assert found.mm == 15.0  # [5, 10) is empty, [10, 15) holds 95 %, [20, 25) none
    assert found.px == 30.0  # 0.5 mm a pixel: bins of 10 px
    assert [b.success.n for b in found.bins_mm] == [20, 0, 20, 0, 1, 1]
    assert found.bins_mm[2].success.value == 0.95


def test_no_success_is_no_capture_range():
    found = capture_range([trial(begin_mm=1.0, error_mm=20.0), trial(begin_mm=1.0, error_mm=None, status="error")])
    assert (found.mm, found.px, found.median_px) == (None, None, None)
    assert capture_range([]).bins_mm == []


def test_the_median_capture_range_bins_by_equal_counts():
    trials = [trial(begin_mm=float(i), error_mm=0.5 if i < 50 else 40.0) for i in range(100)]
    assert capture_range(trials).median_px == pytest.approx(49 / 0.5)


def test_a_calibrated_confidence_has_no_calibration_error():
    honest = [trial(confidence=0.75, error_mm=1.0 if i % 4 else 30.0) for i in range(40)]
    found = calibration_of(honest)
    assert found.expected_calibration_error == pytest.approx(0.0, abs=1e-9)
    assert found.brier == pytest.approx(0.75 * 0.25)
    assert [b.within_5mm.n for b in found.bins] == [0, 0, 0, 0, 0, 0, 0, 40, 0, 0]
    boastful = calibration_of([trial(confidence=1.0, error_mm=30.0)])
    assert (boastful.brier, boastful.expected_calibration_error) == (1.0, 1.0)


def test_a_method_without_a_confidence_is_not_judged_by_one():
    found = summarise([trial(status="unjudged", confidence=None, error_mm=30.0) for _ in range(3)])
    assert found.calibration.brier is None
    assert found.accepted_and_wrong.n == 0
    assert found.success["10mm"].value == 0.0


def test_a_refused_start_counts_as_a_failure_and_space_errors_need_two_views():
    found = summarise([trial(error_mm=0.5), trial(error_mm=None, status="error", confidence=0.0)])
    assert found.success["1mm"].value == 0.5
    assert (found.failed, found.error_mm.n, found.mtre_mm.n) == (1, 1, 0)
    assert summarise([trial(views=2, error_mm=0.5)]).mtre_mm.value == 0.5
    nothing = summarise([])
    assert nothing.error_p95_mm is None
    assert nothing.success["2mm"].value is None


def test_a_shift_is_the_same_in_space_and_on_the_corners_of_the_box():
    scene = bed(1)
    moved = OffBy("off", scene, 3.0).pose
    points = scene.model.centerlines.points_mm()
    corners = box_corners_mm(points)
    assert corners.shape == (8, 3)
    assert np.allclose(corners.min(axis=0), points.min(axis=0))
    assert np.allclose(corners.max(axis=0), points.max(axis=0))
    assert target_error_mm(moved, scene.pose, points) == pytest.approx(3.0)
    here, there = scene.geometry.projection(moved), scene.geometry.projection(scene.pose)
    assert projection_error_mm(here, there, corners, scene.geometry) == pytest.approx(3.0, rel=0.05)
