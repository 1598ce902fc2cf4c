"""Pictures of a run's late phase: the veins are filled, and judging arteries by them would doubt the true pose."""

from __future__ import annotations

import pytest

from engines.evaluation.registration.judged_views import JudgedView, views_of_case
from engines.registration.residuals.branch_residuals import middle_mm
from engines.registration.residuals.class_residuals import ClassedModel, SeenVessels


@pytest.fixture(scope="module")
def late() -> list[JudgedView]:
    return list(views_of_case("evt", "late"))


def test_the_late_phase_lies_after_the_fullest_frame_and_reaches_the_end(late: list[JudgedView]) -> None:
    full = {view.subject.run: view.subject.view.frame for view in views_of_case("evt", "full")}
    assert sorted(full) == ["run1", "run2"]
    for run, fullest in full.items():
        frames = [view.subject.view.frame for view in late if view.subject.run == run]
        assert len(frames) == 3
        assert all(frame > fullest for frame in frames)
        assert max(frames) == 23


def test_at_the_true_pose_the_last_frames_look_right_only_where_veins_are_told_from_arteries(
    late: list[JudgedView],
) -> None:
    last = [view for view in late if view.subject.view.frame == 23]
    assert len(last) == 2
    for view in last:
        subject, seen = view.subject, view.seen
        assert seen.venous is not None
        assert seen.venous.sum() > 20 * seen.arterial.sum()
        model = ClassedModel(subject.model)
        by_class = middle_mm(model.residuals(subject.true_isocentre_from_lps, subject.view.geometry, seen))
        assert by_class is not None
        assert by_class <= 0.5
        together = SeenVessels(arterial=seen.arterial | seen.venous)
        mixed = middle_mm(model.residuals(subject.true_isocentre_from_lps, subject.view.geometry, together))
        assert mixed is not None
        assert mixed > 3.0
