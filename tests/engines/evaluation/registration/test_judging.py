"""Overlays are off by what was wanted, areas are Mann-Whitney's, and intervals resample whole views."""

from __future__ import annotations

import numpy as np
import pytest

from engines.evaluation.registration.judged_views import JudgedView
from engines.evaluation.registration.judging import (
    RIGHT_MM,
    WRONG_MM,
    area_under_curve,
    area_with_interval,
    areas,
    judged_overlays,
    pose_off_by,
    share_of,
)
from engines.evaluation.registration.subject import Subject
from engines.registration.residuals.class_residuals import SeenVessels
from tests.engines.registration.vessel_bed import bed


@pytest.fixture(scope="module")
def subject() -> Subject:
    scene = bed(3, missing=0.0, false_curves=0)
    return Subject(case="bed", run="run1", view=scene.view, model=scene.model, true_isocentre_from_lps=scene.pose)


def test_an_overlay_is_off_by_what_was_wanted(subject: Subject) -> None:
    scene = bed(3, missing=0.0, false_curves=0)
    for wanted_mm in (0.5, 3.0, 8.0):
        pose = pose_off_by(subject, wanted_mm, np.random.default_rng(1))
        assert scene.error_mm(pose) == pytest.approx(wanted_mm, abs=0.05)


def test_right_and_wrong_overlays_lie_in_their_ranges_and_residuals_tell_them_apart(subject: Subject) -> None:
    view = JudgedView(subject=subject, seen=SeenVessels(arterial=subject.view.vessel > 0.5))
    rows = judged_overlays([view], each=4, seed=0, confidence=False)
    assert [row.right for row in rows] == [True] * 4 + [False] * 4
    for row in rows:
        low, high = RIGHT_MM if row.right else WRONG_MM
        assert low - 0.05 <= row.error_mm <= high + 0.05
    found = areas(rows)
    assert found["middle branch"].value == 1.0
    assert "own confidence" not in found


def test_the_area_counts_pairs_and_halves_ties() -> None:
    right = np.array([True, True, False, False])
    assert area_under_curve(np.array([0.1, 0.2, 0.3, 0.4]), right) == 1.0
    assert area_under_curve(np.array([0.3, 0.4, 0.1, 0.2]), right) == 0.0
    assert area_under_curve(np.array([1.0, 1.0, 1.0, 1.0]), right) == 0.5
    assert np.isnan(area_under_curve(np.array([1.0, 2.0]), np.array([True, True])))


def test_views_that_disagree_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    right = np.tile([True, False], 20)
    good = rng.normal(0.0, 1.0, 40) + 4.0 * ~right
    groups = [f"view {number // 10}" for number in range(40)]
    alike = area_with_interval(good, right, groups)
    upside_down = np.where(np.arange(40) < 10, -good, good)
    apart = area_with_interval(upside_down, right, groups)
    assert alike.value is not None
    assert alike.value > 0.95
    assert apart.low is not None
    assert alike.low is not None
    assert apart.low < alike.low - 0.2


def test_overlays_are_spread_over_all_views() -> None:
    assert sum(share_of(40, 12, number) for number in range(12)) == 40
    assert {share_of(40, 12, number) for number in range(12)} == {3, 4}
