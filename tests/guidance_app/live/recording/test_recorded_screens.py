"""What a recording says of each frame is what was painted with it, and never more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from engines.anatomy.vessel_model import Branch, CenterlineTree, VesselModel
from guidance_app.live.engine.model_projection import ProjectedModel
from guidance_app.live.recording.recorded_screens import RecordedScreens
from guidance_app.sources.recording.recording_source import RecordedRun
from guidance_app.views.overlay_look import look_of
from tests.guidance_app.live.stand_ins import FakeRun, geometry
from tests.guidance_app.rooms.replay.takes import FRAMES, record_take, write_take


def model() -> ProjectedModel:
    along = np.linspace(-20.0, 20.0, 21)
    points_mm = np.column_stack([along, np.zeros(21), np.zeros(21)])
    branch = Branch(name="vessel", points_mm=points_mm, radius_mm=np.full(21, 1.5), parent=None)
    return ProjectedModel(VesselModel(centerlines=CenterlineTree(branches=(branch,))))


def test_each_frame_has_the_states_and_the_words_that_were_painted_last_with_it(tmp_path: Path) -> None:
    moved = FakeRun(frame_count=FRAMES, geometries={5: geometry(40.0), 6: None})
    painted = record_take(tmp_path / "take.mcap", run=moved)
    last = {screen.frame.index: screen for screen in painted if screen.frame is not None}
    screens = RecordedScreens(RecordedRun(tmp_path / "take.mcap"), model())
    try:
        assert len(last) == FRAMES
        assert {screen.overlay_state for screen in last.values()} == {"valid", "hidden"}
        for place, then in last.items():
            now = screens.screen(place)
            assert (now.guidance_state, now.overlay_state, now.banner) == (
                then.guidance_state, then.overlay_state, then.banner,
            )  # fmt: skip
            assert (now.overlay is None) == (then.overlay is None)
            look, before = look_of(now), look_of(then)
            assert (look and look.line) == (before and before.line)
            sketch = screens.sketch(place)
            assert (sketch.overlay_state, sketch.guidance_state) == (now.overlay_state, now.guidance_state)
    finally:
        screens.close()


def test_an_overlay_without_its_pose_is_hidden_and_says_so(tmp_path: Path) -> None:
    write_take(tmp_path / "take.mcap", left_mm=0.0, first=2)
    screens = RecordedScreens(RecordedRun(tmp_path / "take.mcap"), model())
    try:
        assert screens.screen(4).overlay_state == "valid"
        del screens.poses[4]
        shown = screens.screen(4)
        assert (shown.overlay_state, shown.overlay) == ("hidden", None)
        assert "keeps no pose" in shown.banner
    finally:
        screens.close()


def test_what_nothing_spoke_for_is_never_valid(tmp_path: Path) -> None:
    """A recording of an earlier version says valid, and not why."""
    write_take(tmp_path / "take.mcap", left_mm=0.0, first=2)
    screens = RecordedScreens(RecordedRun(tmp_path / "take.mcap"), model())
    try:
        screens.poses[4] = replace(screens.poses[4], evidence=None)
        shown = screens.screen(4)
        assert shown.overlay_state == "stale"
        look = look_of(shown)
        assert look is not None
        assert look.line != "solid"
    finally:
        screens.close()


def test_a_recording_that_was_cut_short_shows_what_is_there(tmp_path: Path) -> None:
    write_take(tmp_path / "take.mcap", left_mm=0.0, first=2)
    whole = (tmp_path / "take.mcap").read_bytes()
    (tmp_path / "cut.mcap").write_bytes(whole[: int(0.6 * len(whole))])
    run = RecordedRun(tmp_path / "cut.mcap")
    screens = RecordedScreens(run, model())
    try:
        assert 0 < run.frame_count <= FRAMES
        for place in range(run.frame_count):
            shown = screens.screen(place)
            assert shown.overlay_state in ("valid", "hidden")
    finally:
        screens.close()


def test_pictures_that_were_never_shown_say_so(tmp_path: Path) -> None:
    from tests.guidance_app.live.recordings import frame_at, record

    record(tmp_path / "bare.mcap", (frame_at(index) for index in range(3)))
    screens = RecordedScreens(RecordedRun(tmp_path / "bare.mcap"), model())
    try:
        assert not screens.guided
        assert screens.screen(1).banner == "never shown when it was recorded"
        assert screens.screen(1).overlay is None
    finally:
        screens.close()
