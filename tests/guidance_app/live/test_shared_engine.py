"""One engine serves the runs of a case one after the other, and no answer of one run reaches the next."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator

import pytest

from guidance_app.live import guidance_state
from guidance_app.live.guidance import ScreenState
from guidance_app.live.guidance_state import Situation
from guidance_app.live.session.session import LiveSession
from guidance_app.live.supervision.shared_engine import SharedEngine
from guidance_app.live.supervision.supervisor import EngineUp
from guidance_app.sources.file_source import PacedFileSource
from tests.guidance_app.live.stand_ins import FakeRun, fake_recipe, geometry, registration
from tests.guidance_app.live.window_stand_in import drive


@pytest.fixture
def engine() -> Iterator[SharedEngine]:
    engine = SharedEngine(fake_recipe(step_s=0.02), spare=False)
    yield engine
    engine.stop()
    assert multiprocessing.active_children() == []


def session_on(
    engine: SharedEngine, run: FakeRun, before: Situation | None = None, *, first_at_once: bool = True
) -> LiveSession:
    source = PacedFileSource(run, hold_at_end=True)  # type: ignore[arg-type]
    initial = None if before is None else guidance_state.carried_on(before)
    return LiveSession(source=source, recipe=None, engine=engine, initial=initial, first_at_once=first_at_once)


def drawn(screen: ScreenState) -> bool:
    return screen.overlay is not None


def test_the_next_run_has_the_engine_at_once_and_the_pose_of_the_run_before_to_check(engine: SharedEngine) -> None:
    with session_on(engine, FakeRun(source_id="run1", frame_count=40)) as first:
        drive(first, until=drawn)
        pid = first.engine_pid
        before = first.situation
        assert before.state == "accepted"
        second = session_on(engine, FakeRun(source_id="run2", frame_count=40), before)
        assert second.situation.state == "stale"
        assert second.situation.registration is before.registration
    with second:
        assert second.screen().engine_up, "the engine is not loaded anew"
        states = [screen.guidance_state for screen in drive(second, until=drawn)]
        assert second.engine_pid == pid
    assert set(states) == {"stale", "accepted"}, "checked, and never searched for from scratch"


def test_a_session_that_has_ended_is_told_nothing_more_and_takes_no_engine_along(engine: SharedEngine) -> None:
    with session_on(engine, FakeRun(source_id="run1", frame_count=100)) as first:
        drive(first, until=drawn)
        second = session_on(engine, FakeRun(source_id="run2", frame_count=100), first.situation)
        second.start()
        situation = first.situation
    drive(second, until=drawn)
    second.stop()
    assert first.situation is situation
    assert len(multiprocessing.active_children()) == 1


def test_an_answer_to_a_frame_of_the_run_before_is_dropped() -> None:
    told: dict[str, list[object]] = {"first": [], "second": []}
    engine = SharedEngine(fake_recipe(), spare=False)
    first = engine.lease(tell=told["first"].append, situation=lambda: Situation(generation=1))
    second = engine.lease(tell=told["second"].append, situation=lambda: Situation(generation=2))
    engine._started = True  # its processes are played by this test
    up = EngineUp(pid=1, description="", restarted=False)
    from guidance_app.live.engine.engine_process import StepFailed

    first.start()
    engine._heard(up)
    assert engine._situation().generation == 1
    second.start()
    engine._heard(StepFailed(frame_index=3, text="of the first"))
    assert told == {"first": [up], "second": [up]}
    assert engine._situation().generation == 2
    of_second = StepFailed(frame_index=3, text="of the second")
    engine._heard(of_second)
    assert told == {"first": [up], "second": [up, of_second]}
    engine.stop()


@pytest.mark.parametrize("state", ["unregistered", "rejected"])
def test_without_a_pose_the_next_run_searches_but_generations_go_on(state: str) -> None:
    before = Situation(state=state, generation=4, revision=9)  # type: ignore[arg-type]
    after = guidance_state.carried_on(before)
    assert (after.state, after.registration, after.wanted) == ("unregistered", None, True)
    assert (after.generation, after.revision) == (5, 10)


@pytest.mark.parametrize(("state", "unconfirmed"), [("accepted", False), ("proposed", True)])
def test_a_carried_pose_is_drawn_nowhere_before_a_check_and_a_proposal_stays_one(state: str, unconfirmed: bool) -> None:
    view = geometry()
    before = Situation(
        state=state, registration=registration(view), checked_geometry=view, geometry=view, pose_geometry=view
    )  # type: ignore[arg-type]
    after = guidance_state.carried_on(before)
    assert (after.state, after.checked_geometry, after.unconfirmed) == ("stale", None, unconfirmed)
    checked = guidance_state.checked(guidance_state.saw_geometry(after, view), registration(view), view)
    assert checked.state == state
