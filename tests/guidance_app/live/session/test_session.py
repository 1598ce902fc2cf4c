import json
import multiprocessing
import threading
import time
from pathlib import Path

import pytest

from guidance_app.live.engine.engine_process import EngineRecipe
from guidance_app.live.session.session import LiveSession
from guidance_app.sources.file_source import PacedFileSource, SaturatedFileSource
from guidance_app.sources.source import SourceClosed, SourceTimeout
from tests.guidance_app.live.stand_ins import FakeRun, fake_recipe, geometry, hurtful_at, numbered, refuse_to_start
from tests.guidance_app.live.window_stand_in import drive


def _lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _kinds(folder: Path) -> list[str]:
    return [event["kind"] for event in _lines(folder / "events.jsonl")]


def test_run_without_guidance_paints_every_frame_and_leaves_its_logs(tmp_path):
    with LiveSession(source=SaturatedFileSource(FakeRun(frame_count=6)), recipe=None, out=tmp_path) as session:
        drive(session)
    lines = _lines(tmp_path / "frames.jsonl")
    assert [line["index"] for line in lines] == list(range(6))
    assert {line["state"] for line in lines} == {"painted"}
    assert {line["overlay"] for line in lines} == {"hidden"}
    report = json.loads((tmp_path / "latency.json").read_text())
    assert (report["frames"], report["painted"], report["dropped"]) == (6, 6, 0)
    assert report["stages_ms"]["ingest_to_paint"]["p95"] < 500
    assert not [t for t in threading.enumerate() if t.name.startswith("guidance")]


def test_guided_run_ends_with_a_valid_overlay_and_no_process_left(tmp_path):
    source = SaturatedFileSource(FakeRun(frame_count=8))
    with LiveSession(source=source, recipe=fake_recipe(), out=tmp_path, spare_engine=False) as session:
        painted = drive(session)
        assert session.registration is not None
    lines = _lines(tmp_path / "frames.jsonl")
    assert [line["state"] for line in lines] == ["painted"] * 8
    assert [line["overlay"] for line in lines[1:]] == ["valid"] * 7
    assert all(line["overlay_geometry"] == line["geometry"] for line in lines if line["overlay"] == "valid")
    assert painted[-1].overlay is not None
    assert "registration_accepted" in _kinds(tmp_path)
    assert multiprocessing.active_children() == []


def test_changed_view_hides_the_overlay_until_it_is_checked(tmp_path):
    turned = {index: geometry(20.0) for index in range(4, 8)}
    source = SaturatedFileSource(FakeRun(frame_count=8, geometries=turned))
    with LiveSession(source=source, recipe=fake_recipe(step_s=0.06), out=tmp_path, spare_engine=False) as session:
        painted = drive(session)
    for screen in painted:
        if screen.overlay is not None:
            assert screen.frame is not None
            assert screen.overlay.geometry.same_view(screen.frame.geometry)
    (changed,) = (e for e in _lines(tmp_path / "events.jsonl") if e["kind"] == "geometry_changed")
    assert changed["text"] == "the view changed: LAO 0.0\u00b0 CRA 0.0\u00b0 to LAO 20.0\u00b0 CRA 0.0\u00b0"
    first_turned = next(screen for screen in painted if screen.frame is not None and screen.frame.index == 4)
    assert first_turned.overlay is None
    assert first_turned.guidance_state == "stale"


@pytest.mark.parametrize("missing", [0, 3])
def test_missing_geometry_hides_the_overlay_on_that_frame_with_the_reason(tmp_path, missing):
    source = SaturatedFileSource(FakeRun(frame_count=6, geometries={missing: None}))
    with LiveSession(source=source, recipe=fake_recipe(), out=tmp_path, spare_engine=False) as session:
        drive(session)
    line = _lines(tmp_path / "frames.jsonl")[missing]
    assert line["overlay"] == "hidden"
    assert line["geometry"] is None
    assert "DistanceSourceToDetector" in line["reason"]
    assert "geometry_missing" in _kinds(tmp_path)


def test_damaged_frame_is_logged_in_its_place_and_the_run_goes_on(tmp_path):
    source = SaturatedFileSource(FakeRun(frame_count=5, damaged=frozenset({2})))
    with LiveSession(source=source, recipe=None, out=tmp_path) as session:
        drive(session)
    lines = _lines(tmp_path / "frames.jsonl")
    assert [line["state"] for line in lines] == ["painted", "painted", "corrupt", "painted", "painted"]
    assert [line["index"] for line in lines] == list(range(5))
    assert "frame 2" in lines[2]["reason"]


def _is_back(session: LiveSession):
    def back(screen) -> bool:
        kinds = [event.kind for event in session.events]
        return "worker_restarted" in kinds and screen.overlay_state == "valid"

    return back


def test_killed_engine_costs_the_overlay_but_never_the_picture(tmp_path):
    source = PacedFileSource(hurtful_at(FakeRun(frame_count=400), 20, 250), fps=20)
    with LiveSession(source=source, recipe=fake_recipe(), out=tmp_path, spare_engine=False) as session:
        painted = drive(session, until=_is_back(session))
    down = [screen for screen in painted if not screen.engine_up and screen.frame and screen.frame.index >= 20]
    assert len({screen.frame.index for screen in down if screen.frame}) > 1, "pictures went on without the engine"
    assert all(screen.overlay is None and screen.banner for screen in down)
    lines = _lines(tmp_path / "frames.jsonl")
    # A busy test machine may skip a picture; standing still without the engine would show here.
    assert sum(line["state"] == "painted" for line in lines) > 0.7 * len(lines)
    kinds = _kinds(tmp_path)
    assert kinds.index("worker_died") < kinds.index("worker_restarted")
    assert "overlay_hidden" in kinds


def test_hanging_engine_is_replaced_by_the_spare_within_three_seconds(tmp_path):
    source = PacedFileSource(hurtful_at(FakeRun(frame_count=400), 40, 251), fps=20)
    with LiveSession(source=source, recipe=fake_recipe(), out=tmp_path) as session:
        painted = drive(session, until=_is_back(session))
    first_after = next(screen for screen in painted if screen.frame and screen.frame.index > 40)
    back = next(event for event in session.events if event.kind == "worker_restarted")
    assert painted[-1].frame is not None
    assert first_after.frame is not None
    assert painted[-1].frame.received_ns - first_after.frame.received_ns < 3e9
    assert back.frame is not None
    assert any(screen.overlay is None for screen in painted if screen.frame and screen.frame.index > 40)


def test_engine_that_cannot_be_made_leaves_the_picture_and_says_why(tmp_path):
    recipe = EngineRecipe(make=refuse_to_start, arguments={})
    source = SaturatedFileSource(FakeRun(frame_count=5))
    with LiveSession(source=source, recipe=recipe, out=tmp_path) as session:
        painted = drive(session)
    assert "guidance is off" in painted[-1].banner
    assert "no such model" in painted[-1].banner
    assert [line["state"] for line in _lines(tmp_path / "frames.jsonl")] == ["painted"] * 5


def test_engine_that_dies_on_every_frame_is_given_up(tmp_path):
    run = FakeRun(frame_count=2000)
    plain = run.frame

    def frame(index: int):
        made = plain(index)
        made.pixels[...] = 250
        return made

    run.frame = frame  # type: ignore[method-assign]
    with LiveSession(source=PacedFileSource(run, fps=20), recipe=fake_recipe(), out=tmp_path) as session:
        drive(session, until=lambda screen: "guidance is off" in screen.banner, limit_s=60.0)
    assert 1 < _kinds(tmp_path).count("worker_died") <= 5
    assert multiprocessing.active_children() == []


def test_exception_in_a_step_is_shown_and_the_engine_lives_on(tmp_path):
    run = hurtful_at(FakeRun(frame_count=6), 3, 252)
    source = SaturatedFileSource(run)
    with LiveSession(source=source, recipe=fake_recipe(), out=tmp_path, spare_engine=False) as session:
        painted = drive(session)
    assert any("a bad frame" in screen.banner for screen in painted)
    assert "worker_died" not in _kinds(tmp_path)
    assert painted[-1].overlay_state == "valid"


class LiveStandIn:
    """A live source that plays a script: a frame's number, "silence" until told to go on, or an error."""

    source_id = "live"

    def __init__(self, script: list[object]) -> None:
        self._script = list(script)
        self._run = FakeRun(frame_count=100)
        self._index = 0
        self._go_on = threading.Event()

    def go_on(self) -> None:
        self._go_on.set()

    def next_frame(self, timeout_s: float):
        what = self._script[0] if self._script else None
        if what is None:
            raise SourceClosed("end")
        if what == "silence":
            if self._go_on.wait(timeout_s):
                self._script.pop(0)
            raise SourceTimeout("nothing")
        self._script.pop(0)
        if isinstance(what, Exception):
            raise what
        assert isinstance(what, int)
        frame = numbered(self._run.frame(what), self._index, time.monotonic_ns())
        self._index += 1
        return frame

    def close(self) -> None:
        self._script.clear()


def test_silent_source_is_told_within_a_second_and_the_picture_says_so(tmp_path):
    source = LiveStandIn([0, 1, "silence", 2])
    with LiveSession(source=source, recipe=None, out=tmp_path) as session:
        painted = drive(session, until=lambda screen: screen.frame is not None and screen.source_state == "no_signal")
        frame = painted[-1].frame
        assert frame is not None
        assert time.monotonic_ns() - frame.received_ns < 1e9
        source.go_on()
        drive(session)
    kinds = _kinds(tmp_path)
    assert kinds.index("source_stalled") < kinds.index("source_resumed")


def test_source_that_breaks_ends_the_run_with_its_error_and_all_logs(tmp_path):
    source = LiveStandIn([0, OSError("the cable is out")])
    with LiveSession(source=source, recipe=None, out=tmp_path) as session:
        painted = drive(session)
    assert "the cable is out" in session.source_error
    assert "the cable is out" in painted[-1].banner
    assert len(_lines(tmp_path / "frames.jsonl")) == 1
    assert (tmp_path / "latency.json").exists()


def test_loop_without_one_readable_frame_ends_soon_and_leaves_short_logs(tmp_path):
    run = FakeRun(frame_count=3, damaged=frozenset({0, 1, 2}))
    with LiveSession(source=SaturatedFileSource(run, loop=True), recipe=None, out=tmp_path) as session:
        drive(session)
    assert session.source_error == "run.dcm: not one of its 3 frames can be decoded; export it again"
    assert len(_lines(tmp_path / "frames.jsonl")) == 3


def test_person_rejects_and_asks_again(tmp_path):
    source = PacedFileSource(FakeRun(frame_count=20), fps=50, hold_at_end=True)
    with LiveSession(source=source, recipe=fake_recipe(), out=tmp_path, spare_engine=False) as session:
        drive(session, until=lambda screen: screen.overlay_state == "valid")
        session.commands.reject()
        rejected = session.screen()
        assert (rejected.overlay, rejected.guidance_state) == (None, "rejected")
        assert session.registration is None
        session.commands.request_registration()
        drive(session, until=lambda screen: screen.overlay_state == "valid")
    assert _kinds(tmp_path).count("registration_accepted") == 2


def test_proposed_pose_is_drawn_marked_until_a_person_accepts_it(tmp_path):
    source = PacedFileSource(FakeRun(frame_count=4), fps=50, hold_at_end=True)
    recipe = fake_recipe(status="caution")
    with LiveSession(source=source, recipe=recipe, out=tmp_path, spare_engine=False) as session:
        painted = drive(session, until=lambda screen: screen.overlay is not None)
        assert painted[-1].overlay_state == "stale"
        session.commands.accept()
        drive(session, until=lambda screen: screen.overlay_state == "valid")


def test_stop_without_start_leaves_nothing_running(tmp_path):
    session = LiveSession(source=PacedFileSource(FakeRun()), recipe=fake_recipe(), out=tmp_path)
    session.stop()
    session.stop()
    assert multiprocessing.active_children() == []


def test_same_state_is_the_same_object_until_something_changes():
    source = PacedFileSource(FakeRun(frame_count=2), fps=50, hold_at_end=True)
    with LiveSession(source=source, recipe=None) as session:
        drive(session, until=lambda screen: screen.paused)
        assert session.screen() is session.screen()
        session.commands.step(-1)
        painted = drive(session, until=lambda screen: screen.frame is not None and screen.frame.source_frame == 0)
        assert painted[-1].paused
