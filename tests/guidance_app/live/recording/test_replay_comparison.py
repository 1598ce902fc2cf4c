"""A replay says how far its poses are from those that were recorded."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calibration.pose import RigidPose
from engines.registration.registration import Registration
from guidance_app.live.guidance import GuidanceResult, Overlay, StageTimes
from guidance_app.live.recording.recorder import Recorder
from guidance_app.live.recording.replay_comparison import ReplayComparison
from guidance_app.sources.recording.recording_source import RecordedRun
from tests.guidance_app.live.recordings import frame_at
from tests.guidance_app.live.stand_ins import geometry, registration

_FRAMES = 4


def _answer(index: int) -> GuidanceResult:
    overlay = Overlay(frame_index=index, geometry=geometry(), centerlines=(), outline=(), halo_px=0.0, generation=0)
    return GuidanceResult(
        frame_index=index, state="accepted", reason="", overlay=overlay, vessel_outline=(), confidence=0.9,
        expected_error_mm=1.0, depth_sigma_mm=5.0, times=StageTimes(), generation=0,
    )  # fmt: skip


def _moved(shift_mm: tuple[float, float, float]) -> Registration:
    """The patient shifted against the isocentre; y is the beam of the frontal view."""
    matrix = np.eye(4)
    matrix[:3, 3] = shift_mm
    pose = RigidPose(matrix=matrix, target="isocentre", source="lps")
    found = registration(geometry())
    view = replace(found.views[0], projection=geometry().projection(pose))
    return replace(found, isocentre_from_lps=pose, views=(view,))


@pytest.fixture
def run(tmp_path: Path):
    recorder = Recorder(tmp_path / "a.mcap", {})
    recorder.begin(pytest.fail)
    for index in range(_FRAMES):
        # Two frames were lost before the first: what counts is the number, not the place.
        recorder.frame(replace(frame_at(index), index=index + 2))
        recorder.guided(_answer(index + 2), registration(geometry()), used=index > 0)
    recorder.end()
    opened = RecordedRun(tmp_path / "a.mcap")
    yield opened
    opened.close()


def test_same_poses_differ_by_nothing(run):
    comparison = ReplayComparison(run)
    for index in range(_FRAMES):
        comparison.guided(_answer(index), registration(geometry()), used=True)
    content = comparison.content()
    assert (content["recorded_poses"], content["replayed_poses"], content["compared"]) == (3, 4, 3)
    assert content["in_picture_mm"]["max"] == pytest.approx(0.0, abs=1e-9)
    assert content["in_space_mm"]["max"] == pytest.approx(0.0, abs=1e-9)


def test_shift_across_the_beam_shows_in_picture_and_space(run):
    comparison = ReplayComparison(run)
    comparison.guided(_answer(1), _moved((0.0, 0.0, 0.0)), used=True)
    comparison.guided(_answer(2), _moved((3.0, 0.0, 0.0)), used=True)
    content = comparison.content()
    assert content["in_space_mm"]["max"] == pytest.approx(3.0, abs=1e-6)
    # Nearer the source by up to 50 of 700 mm the picture shows a little more of it.
    assert 3.0 - 0.3 < content["in_picture_mm"]["max"] < 3.0 + 0.3
    assert "largest difference" in comparison.summary()


def test_shift_along_the_beam_hardly_shows_in_the_picture(run):
    comparison = ReplayComparison(run)
    comparison.guided(_answer(1), _moved((0.0, 6.0, 0.0)), used=True)
    content = comparison.content()
    assert content["in_space_mm"]["max"] == pytest.approx(6.0, abs=1e-6)
    assert 0.1 < content["in_picture_mm"]["max"] < 1.5


def test_nothing_is_compared_after_a_person_has_moved_about_in_the_recording(run):
    comparison = ReplayComparison(run)
    comparison.action("seek", 3)
    comparison.guided(_answer(1), registration(geometry()), used=True)
    assert comparison.content()["compared"] == 0
    assert "no frame has a pose both" in comparison.summary()


def test_unused_answers_and_other_states_are_no_poses(run):
    comparison = ReplayComparison(run)
    comparison.guided(_answer(1), registration(geometry()), used=False)
    comparison.guided(replace(_answer(2), state="stale"), registration(geometry()), used=True)
    assert comparison.content()["replayed_poses"] == 0
