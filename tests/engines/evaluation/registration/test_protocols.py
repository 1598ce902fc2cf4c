"""Named starts, the wrong-anatomy arm, the reliability diagram, and the same trials wherever they are computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration.errors import InputError
from engines.evaluation.cohort import Workplace
from engines.evaluation.confidence.reliability_diagram import write_reliability_diagram
from engines.evaluation.registration.metrics import box_corners_mm, projection_error_mm
from engines.evaluation.registration.protocols import PAPER_MM_PER_PX, protocol_named, starts_of
from engines.evaluation.registration.study import evaluate
from engines.evaluation.registration.subject import Subject
from engines.registration.methods.method_recipe import recipe_named
from tests.engines.evaluation.trials import OffBy, ready, subject_of
from tests.engines.registration.vessel_bed import bed


def _subjects(seed: int, model_seed: int = 0) -> Sequence[Subject]:
    scene = bed(seed)
    subject = subject_of(scene)
    if not model_seed:
        return [subject]
    other = bed(model_seed)
    return [replace(subject, model=other.model, true_isocentre_from_lps=other.pose, model_of="b")]


def test_messy_starts_stay_within_their_limits():
    subject, spread = subject_of(bed(1)), protocol_named("messy")
    starts = starts_of(subject, 200, spread, np.random.default_rng(0), header=False)
    true, pivot = subject.true_isocentre_from_lps, subject.model.centroid_mm()
    camera = subject.view.geometry.camera_from_isocentre().rotation
    moves = []
    for start in starts:
        pose = start.init.isocentre_from_lps
        assert pose is not None
        moves.append(camera @ (pose.apply(pivot[None])[0] - true.apply(pivot[None])[0]))
        angle = np.rad2deg(np.arccos(np.clip(0.5 * (np.trace(pose.rotation @ true.rotation.T) - 1), -1, 1)))
        assert angle <= 10 * np.sqrt(3) + 1e-6
    largest = np.abs(np.array(moves)).max(axis=0)
    assert np.all(largest <= [10, 10, 20])
    assert np.all(largest > [9, 9, 18])


def test_the_papers_starts_are_as_far_off_as_it_says():
    subject = subject_of(bed(1))
    starts = starts_of(subject, 200, protocol_named("paper001"), np.random.default_rng(0), header=False)
    geometry = subject.view.geometry
    true = geometry.projection(subject.true_isocentre_from_lps)
    corners = box_corners_mm(subject.vessel_points_mm())
    poses = [start.init.isocentre_from_lps for start in starts]
    off_px = [
        projection_error_mm(geometry.projection(pose), true, corners, geometry) / PAPER_MM_PER_PX
        for pose in poses
        if pose is not None
    ]
    assert np.mean(off_px) == pytest.approx(26.0, abs=2.5)
    assert np.percentile(off_px, 95) == pytest.approx(55.0, abs=6.0)


def test_an_unknown_protocol_is_named():
    with pytest.raises(InputError, match="did you mean messy"):
        protocol_named("mesy")


def test_a_wrong_model_counts_verdicts_and_no_errors(tmp_path: Path):
    sources = [("a", partial(_subjects, 1)), ("a with the model of b", partial(_subjects, 1, 2))]
    report = evaluate(sources, starts=2, seed=0, methods=[recipe_named("ours")], pictures=tmp_path)
    foreign = report.wrong_anatomy["ours"]
    assert foreign.trials == sum(foreign.status.values()) == 3
    assert foreign.rejected.n == 3
    assert sum(summary.trials for summary in report.methods["ours"].values()) == 3
    assert all(trial.error_mm is None for trial in report.trials if trial.model_of)


def test_the_reliability_diagram_shows_points_of_methods_that_judge_themselves(tmp_path: Path):
    scene = bed(1)
    judged = evaluate([("a", partial(_subjects, 1))], starts=3, seed=0, methods=[recipe_named("ours")])
    assert write_reliability_diagram(tmp_path / "r.png", judged.methods)
    picture = cv2.imread(str(tmp_path / "r.png")).astype(int)
    blue = (picture[..., 0] > 150) & (picture[..., 2] < 60)
    assert blue.sum() > 40
    unjudged = evaluate([("a", lambda: [subject_of(scene)])], starts=1, seed=0, methods=[ready(OffBy("x", scene, 1))])
    assert not write_reliability_diagram(tmp_path / "none.png", unjudged.methods)
    assert not (tmp_path / "none.png").exists()


@pytest.mark.slow
def test_trials_are_the_same_wherever_they_are_computed(tmp_path: Path):
    sources = [("a", partial(_subjects, 1)), ("b", partial(_subjects, 2)), ("c", partial(_subjects, 3))]
    methods = [recipe_named("dicom"), recipe_named("ours")]
    here = evaluate(sources, starts=2, seed=5, methods=methods)
    there = evaluate(sources, starts=2, seed=5, methods=methods, place=Workplace(workers=2), report=tmp_path / "r.json")
    assert [t.key for t in there.trials] == [t.key for t in here.trials]
    assert [t.error_mm for t in there.trials] == pytest.approx([t.error_mm for t in here.trials], abs=1e-6)
    assert len((tmp_path / "r.json.trials.jsonl").read_text().splitlines()) == 1 + len(here.trials)
