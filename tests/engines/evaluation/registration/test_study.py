from dataclasses import replace

import numpy as np
import pytest

from calibration.errors import InputError
from engines.evaluation.registration.cases import phantom_subjects
from engines.evaluation.registration.figures import summarise
from engines.evaluation.registration.metrics import projection_error_mm
from engines.evaluation.registration.protocols import starts_of
from engines.evaluation.registration.study import evaluate
from engines.evaluation.registration.subject import StartSpread, Subject, drawn_start
from engines.evaluation.registration.trial import run_trial
from engines.evaluation.statistics import median, percentile, share, share_over_groups
from tests.engines.evaluation.trials import OffBy, subject_of
from tests.engines.registration.vessel_bed import bed
from tests.real_data import real_data


def test_a_share_has_wilsons_interval():
    found = share(9, 10)
    assert (found.value, found.n) == (0.9, 10)
    assert found.low == pytest.approx(0.596, abs=1e-3)
    assert found.high == pytest.approx(0.982, abs=1e-3)
    assert share(0, 0).value is None


def test_a_median_leaves_out_what_is_not_finite():
    found = median(np.array([1.0, 2.0, 3.0, np.inf]))
    assert found.value == 2.0
    assert found.n == 3
    assert found.low <= 2.0 <= found.high


def test_patients_that_fail_as_a_whole_widen_the_interval():
    right = np.repeat([True, True, True, False], 25)
    groups = [f"case-{number}" for number in np.repeat(range(4), 25)]
    found, as_if_independent = share_over_groups(right, groups), share(75, 100)
    assert (found.value, found.n) == (0.75, 4)
    assert found.low < as_if_independent.low < as_if_independent.high < found.high
    assert share_over_groups(np.zeros(0, dtype=bool), []).value is None


def test_a_percentile_lies_in_its_interval():
    found = percentile(np.arange(101.0), 95.0)
    assert found.value == 95.0
    assert found.low < 95.0 < found.high


def test_no_spread_draws_the_truth_and_error_is_counted_in_the_isocentre_plane():
    scene = bed(1)
    still = StartSpread(rotation_deg=0.0, in_plane_mm=0.0, depth_mm=0.0)
    rng = np.random.default_rng(0)
    pivot = scene.model.centroid_mm()
    assert np.allclose(drawn_start(scene.pose, pivot, scene.geometry, still, rng).matrix, scene.pose.matrix)
    shift = np.eye(4)
    shift[:3, 3] = scene.geometry.camera_from_isocentre().rotation[0] * 3.0  # 3 mm along the picture's columns
    moved = type(scene.pose)(matrix=shift @ scene.pose.matrix, target="isocentre", source="lps")
    error = projection_error_mm(
        scene.geometry.projection(moved), scene.geometry.projection(scene.pose), pivot[None], scene.geometry
    )
    assert error == pytest.approx(3.0, rel=0.05)


def test_the_second_view_of_a_pair_is_measured_against_its_own_pose():
    scene = bed(1)
    moved = OffBy("table", scene, 4.0).pose  # the table moved by 4 mm before the second view
    subject = replace(subject_of(scene), second=scene.view, second_isocentre_from_lps=moved)
    start = starts_of(subject, 1, StartSpread(), np.random.default_rng(0))[0]
    found, _ = run_trial(subject, start, OffBy("off", scene, 1.0))
    assert found.error_mm == pytest.approx(1.0, rel=0.1)
    assert found.second_error_mm == pytest.approx(3.0, rel=0.1)
    assert found.second_vessel_distance_px is not None
    alone, _ = run_trial(subject_of(scene), start, OffBy("off", scene, 1.0))
    assert alone.second_error_mm is None
    summary = summarise([found, alone])
    assert (summary.second_error_mm.n, summary.second_within_3px_of_vessel.n) == (1, 1)


@pytest.mark.slow
def test_every_two_views_of_the_phantom_keep_the_poses_of_their_own():
    pairs = phantom_subjects(real_data("coronary_phantom"), biplane=True)
    assert [pair.run for pair in pairs] == ["IM1+IM2", "IM1+IM5", "IM1+IM6", "IM2+IM5", "IM2+IM6", "IM5+IM6"]
    for pair in pairs:
        assert pair.second is not None
        assert pair.second_isocentre_from_lps is not None
        points = pair.vessel_points_mm()
        moved = pair.true_isocentre_from_lps.apply(points) - pair.second_isocentre_from_lps.apply(points)
        assert 10.0 < np.linalg.norm(moved, axis=1).mean() < 60.0  # the table went elsewhere


def test_a_source_that_fails_is_noted_and_the_others_go_on():
    scene = bed(1)
    subject = Subject(case="a", run="run1", view=scene.view, model=scene.model, true_isocentre_from_lps=scene.pose)

    def broken():
        raise InputError("broken: no such case; give another")

    report = evaluate([("broken", broken), ("good", lambda: [subject])], starts=1, seed=0)
    assert report.failures == ["broken: broken: no such case; give another"]
    assert report.total["drawn"].success["2mm"].value == 1.0
    assert report.total["radiological"].trials == 1
    assert report.model_dump(by_alias=True)["schema"] == "guidance-app/evaluate-registration/1"
    again = evaluate([("broken", broken), ("good", lambda: [subject])], starts=1, seed=0)
    assert [t.start_error_mm for t in again.trials] == [t.start_error_mm for t in report.trials]
