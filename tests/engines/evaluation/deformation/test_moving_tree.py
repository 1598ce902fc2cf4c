"""Figures of the overlay on a moving tree: which points count, and errors against the true points."""

from dataclasses import replace

import numpy as np
import pytest

from calibration.errors import InputError
from engines.evaluation.deformation.drawn_motion import drawn_run, smooth_motion, tubes
from engines.evaluation.deformation.moving_runs import MovingFrame, MovingRun, heart_runs
from engines.evaluation.deformation.moving_tree import FrameErrors, evaluate_runs, summarise, summary_line
from tests.engines.registration.vessel_bed import bed


def run_of(seed: int) -> MovingRun:
    scene = bed(seed, missing=0.0, false_curves=0)
    points = scene.model.centerlines.points_mm()
    true_px, _ = scene.geometry.projection(scene.pose).project(points)
    everything = np.ones(len(points), bool)
    frame = MovingFrame(view=scene.view, true_px=true_px, counted=everything, filled=everything, contraction=0.0)
    return MovingRun(
        case=f"bed-{seed}", run="run1", masks="true", model=scene.model, frames=(frame,), begin=0, start=scene.pose
    )


def errors(case: str, rigid_mm, deformed_mm, *, contraction: float = 0.0) -> FrameErrors:
    return FrameErrors(
        case=case,
        run="run1",
        masks="true",
        frame=0,
        contraction=contraction,
        rigid_mm=np.asarray(rigid_mm, float),
        deformed_mm=np.asarray(deformed_mm, float),
        filled=np.ones(len(rigid_mm), bool),
        motion_mm=1.0,
        rigid_ms=10.0,
        deform_ms=5.0,
    )


def test_a_drawn_motion_has_the_size_asked_for_and_its_true_points_lie_in_its_mask():
    run = run_of(3)
    still = run.frames[0]
    pose = run.start
    moved = drawn_run(run, pose, pose, np.random.default_rng(0), size_mm=2.0)
    frame = moved.frames[0]
    shift_mm = np.linalg.norm(frame.true_px - still.true_px, axis=1) * frame.view.geometry.isocentre_mm_per_px
    assert np.sqrt((shift_mm**2).mean()) == pytest.approx(2.0, rel=0.15)  # points off the isocentre plane are scaled
    column, row = np.rint(frame.true_px[frame.counted]).astype(int).T
    assert (frame.view.vessel[row, column] > 0).mean() > 0.98


def test_motion_is_smooth_in_space():
    points = np.random.default_rng(1).uniform(-50, 50, (200, 3))
    close = points + 0.1
    moved, near = (smooth_motion(np.random.default_rng(2), p) for p in (points, close))
    assert np.linalg.norm(moved - near, axis=1).max() < 0.1 * np.abs(moved).max()


def test_rigid_and_deformed_are_measured_on_the_same_registration_of_a_moved_tree():
    run = run_of(4)
    moved = drawn_run(run, run.start, run.start, np.random.default_rng(1), size_mm=2.0)
    report = evaluate_runs([moved], seed=0, data=["bed"])
    summary = report.groups["drawn"]
    assert summary.frames == 1
    assert summary.deformed_median_mm.value < 0.8
    assert summary.deformed_median_mm.value < summary.rigid_median_mm.value
    assert report.not_accepted == {"drawn": 0}
    assert report.frames[0].contraction is None


def test_points_are_pooled_and_cases_resampled():
    summary = summarise([errors("a", [1.0] * 9 + [5.0], [0.5] * 10), errors("b", [3.0] * 10, [1.0] * 10)], seed=0)
    assert (summary.cases, summary.frames, summary.points) == (2, 2, 20)
    assert summary.rigid_within_2mm.value == pytest.approx(0.45)
    assert summary.deformed_within_2mm.value == 1.0
    assert summary.rigid_within_2mm.low == pytest.approx(0.0)
    assert summary.rigid_within_2mm.high == pytest.approx(0.9)
    assert summary.frames_worse == 0.0
    assert "45 -> 100 %" in summary_line(summary)


def test_a_single_anatomy_has_no_interval_and_none_has_no_figure():
    one = summarise([errors("a", [1.0, 3.0], [0.5, 0.5])])
    assert one.rigid_median_mm.low is None
    assert summarise([]).rigid_median_mm.value is None
    assert summary_line(summarise([])) == "no accepted frame"


def test_contracted_frames_form_a_group_of_their_own():
    run = run_of(3)
    contracted = replace(run, frames=(replace(run.frames[0], contraction=0.9),))
    report = evaluate_runs([run, contracted], seed=0, data=["bed"])
    assert report.groups["true"].frames == 2
    assert report.groups["true, contracted"].frames == 1


def test_the_bundled_heart_is_known_in_every_frame():
    run = next(heart_runs("coronary", None))
    frame = run.frames[run.begin]
    assert frame.filled.sum() > 0.6 * frame.counted.sum()
    assert not (frame.filled & ~frame.counted).any()
    column, row = np.rint(frame.true_px[frame.filled]).astype(int).T
    assert (frame.view.vessel[row, column] > 0).all()
    assert max(f.contraction for f in run.frames) > 0.9


def test_a_case_without_every_points_truth_is_refused():
    with pytest.raises(InputError, match="no truth of every point"):
        next(heart_runs("evt", None))


def test_a_tree_behind_the_source_draws_nothing():
    scene = bed(3)
    turned = scene.pose.matrix.copy()
    axis = scene.geometry.camera_from_isocentre().rotation[2]
    turned[:3, 3] -= 2000.0 * axis
    projection = scene.geometry.projection(type(scene.pose)(matrix=turned, target="isocentre", source="lps"))
    assert not tubes(scene.model.centerlines, projection).any()
