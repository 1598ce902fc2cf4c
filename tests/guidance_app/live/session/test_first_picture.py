"""A recorded run shows its first picture before the engine is up, stands still until then, and is then guided."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from guidance_app.live.guidance import ScreenState
from guidance_app.live.session.session import LiveSession
from guidance_app.live.supervision.supervisor import EngineLoads, EngineUp
from guidance_app.sources.file_source import PacedFileSource
from tests.guidance_app.live.stand_ins import FakeRun, fake_recipe
from tests.guidance_app.live.window_stand_in import drive


def session_of(frames: int, *, recipe: bool = True) -> LiveSession:
    source = PacedFileSource(FakeRun(frame_count=frames), hold_at_end=True)  # type: ignore[arg-type]
    return LiveSession(source=source, recipe=fake_recipe() if recipe else None, spare_engine=False, first_at_once=True)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveSession]:
    """A session whose engine is still being loaded, for as long as the test likes."""
    session = session_of(5)
    monkeypatch.setattr(session._guidance._supervisor, "start", lambda: None)
    with session:
        yield session


def has_picture(screen: ScreenState) -> bool:
    return screen.frame is not None


def test_the_first_picture_stands_still_and_says_how_far_the_engine_is(held: LiveSession) -> None:
    screen = drive(held, until=has_picture)[-1]
    assert screen.frame is not None
    assert screen.frame.source_frame == 0
    assert screen.paused
    assert screen.banner == "the run plays once the engine is ready; guidance engine is loading: 1 of 3, its process"
    held._heard(EngineLoads(text="2 of 3, network and model"))
    assert held.screen().banner.endswith("guidance engine is loading: 2 of 3, network and model")
    assert not held.finished


def test_it_plays_by_itself_once_the_engine_is_ready(held: LiveSession) -> None:
    drive(held, until=has_picture)
    held._heard(EngineUp(pid=1, description="", restarted=False))
    shown = drive(held, until=lambda screen: screen.frame is not None and screen.frame.source_frame == 2)
    assert not shown[-1].paused


def test_a_person_who_plays_or_steps_does_not_wait_for_the_engine(held: LiveSession) -> None:
    drive(held, until=has_picture)
    held.commands.step(1)
    screen = drive(held, until=lambda screen: screen.frame is not None and screen.frame.source_frame == 1)[-1]
    assert screen.paused
    held.commands.resume()
    drive(held, until=lambda screen: screen.frame is not None and screen.frame.source_frame == 3)


def test_a_run_of_one_picture_is_registered_though_it_came_before_the_engine() -> None:
    with session_of(1) as session:
        shown = drive(session, until=lambda screen: screen.overlay is not None)
    assert shown[-1].guidance_state == "accepted"


def test_without_guidance_nothing_is_waited_for() -> None:
    with session_of(3, recipe=False) as session:
        drive(session, until=lambda screen: screen.frame is not None and screen.frame.source_frame == 2)


def test_a_standing_picture_is_no_lost_signal(held: LiveSession, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = drive(held, until=has_picture)[-1]
    assert screen.frame is not None
    later_ns = screen.frame.received_ns + 10_000_000_000
    monkeypatch.setattr("guidance_app.live.session.session.time.monotonic_ns", lambda: later_ns)
    assert held.screen().source_state == "replay"


def test_every_frame_is_seen_with_its_own_overlay_on_a_slow_machine() -> None:
    source = PacedFileSource(FakeRun(frame_count=6), fps=100.0, hold_at_end=True, every_frame=True)  # type: ignore[arg-type]
    session = LiveSession(source=source, recipe=fake_recipe(step_s=0.05), spare_engine=False, first_at_once=True)
    with session:
        shown = drive(session, until=lambda screen: screen.paused and screen.frame is not None and _own(screen) == 5)
    assert {_own(screen) for screen in shown} >= set(range(1, 6))
    assert {screen.every_frame for screen in shown} == {True}
    assert all(screen.overlays_per_s is None for screen in shown)


def test_a_person_may_have_it_as_it_was_live() -> None:
    source = PacedFileSource(FakeRun(frame_count=30), fps=200.0, hold_at_end=True, every_frame=True)  # type: ignore[arg-type]
    session = LiveSession(source=source, recipe=fake_recipe(step_s=0.1), spare_engine=False, first_at_once=True)
    session.commands.play_every_frame(False)
    with session:
        shown = drive(session, until=lambda screen: screen.frame is not None and screen.frame.source_frame == 29)
    assert {screen.every_frame for screen in shown} == {False}
    assert len({_own(screen) for screen in shown} - {None}) < 15


def _own(screen: ScreenState) -> int | None:
    """The recording's frame, where its own overlay is drawn on it."""
    frame, overlay = screen.frame, screen.overlay
    return frame.source_frame if frame and overlay and overlay.frame_index == frame.index else None
