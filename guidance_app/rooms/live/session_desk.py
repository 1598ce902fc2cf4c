"""The actions of the keys and buttons, carried out on one session and the picture that shows it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from guidance_app.rooms.live.guided_session import GuidedSession
from guidance_app.views.language import tr
from guidance_app.views.live_view import OPACITY_STEP, LiveView
from guidance_app.views.overlay_painter import OVERLAY_MODES, OverlayMode

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)
_NO_RUN = "No run is open; choose a case first"


class Stops(Protocol):
    def stop(self) -> None: ...


class SessionDesk:
    """Carries out what keys and buttons ask for; every action returns a line for the status strip, "" where the
    picture says it all.

    Args:
        show_runs: told of `runs` and the one that is shown.

    Attributes:
        session: the one that is shown; None before the first.
        runs: names of the recordings to choose from; `run_index` is the one that plays.
        frozen: the picture stands still because a person wants it to.
        speed: of a recording, as many times its own pace.
        stretch: first and last frame that are repeated; the last one is None while a person marks it.
        on_pace_changed: told when `speed` or `stretch` has changed.
        on_taken: told when another session is shown.
    """

    def __init__(self, view: LiveView, *, show_runs: Callable[[tuple[str, ...], int], None]) -> None:
        self.session: GuidedSession | None = None
        self.runs: tuple[str, ...] = ()
        self.run_index = 0
        self.frozen = False
        self._every_frame: bool | None = None  # what a person chose
        self.speed = 1.0
        self.stretch: tuple[int, int | None] | None = None  # that is repeated; without its end while it is marked
        self.on_pace_changed: Callable[[], None] | None = None
        self.on_taken: Callable[[], None] | None = None
        self._open_run: Callable[[int], GuidedSession] | None = None
        self._show_runs = show_runs
        self._view = view
        self._leaving: list[threading.Thread] = []

    def take(
        self,
        session: GuidedSession,
        *,
        runs: tuple[str, ...],
        run_index: int = 0,
        open_run: Callable[[int], GuidedSession] | None = None,
    ) -> None:
        """Show this session from now on, and end the one before. `open_run` opens one on another of `runs`."""
        if self.session is not None:
            self.end_behind(self.session)
        self.session = session
        self.runs, self.run_index, self._open_run = runs, run_index, open_run
        self.frozen = self._view.frozen = False
        self.speed, self.stretch = 1.0, None
        self._show_runs(runs, run_index)
        if self.on_taken is not None:
            self.on_taken()
        if self._every_frame is not None:
            session.commands.play_every_frame(self._every_frame)

    def stop(self) -> None:
        """End the session, and wait for earlier ones that are still ending; twice is harmless."""
        if self.session is not None:
            self.session.stop()
        for thread in self._leaving:
            thread.join()
        self._leaving.clear()

    # Why something cannot be done now, "" where it can

    def no_run(self) -> str:
        return tr(_NO_RUN) if self.session is None else ""

    def no_picture(self) -> str:
        screen = self._view.screen_state
        return self.no_run() or (tr("No picture yet") if screen is None or screen.frame is None else "")

    def running(self) -> str:
        """What is to be done before the machine is free, as words; "" where it is."""
        if self.session is None or self.session.finished:
            return ""
        screen = self.session.screen()
        if screen.frames_total is None:
            return "end the live source first"
        return "" if screen.paused else "pause it there first (Space)"

    def no_playback(self) -> str:
        screen = self._view.screen_state
        if screen is None or screen.frames_total is None:
            return self.no_run() or tr("A live source does not play back; F freezes the picture")
        return ""

    def no_pace(self) -> str:
        screen = self._view.screen_state
        if screen is None or screen.every_frame is None:
            return self.no_run() or tr("A live source has the pace it has")
        return ""

    def nothing_to_accept(self) -> str:
        return "" if self._guidance_state() == "proposed" else tr("No proposed registration to accept")

    def nothing_to_reject(self) -> str:
        screen = self._view.screen_state
        rejectable = self._guidance_state() in ("proposed", "accepted", "stale")
        rejectable = rejectable or (screen is not None and screen.can_undo_reject)
        return "" if rejectable else tr("No registration to reject")

    # Playback

    def play_or_pause(self) -> str:
        if self.session is None:
            return tr(_NO_RUN)
        if refusal := self.no_playback():
            return refusal
        screen = self._view.screen_state
        if screen is not None and screen.paused:
            self.session.commands.resume()
            return tr("Playing")
        self.session.commands.pause()
        return tr("Paused")

    def step(self, frames: int) -> str:
        if self.session is None:
            return tr(_NO_RUN)
        if refusal := self.no_playback():
            return refusal
        self.session.commands.step(frames)
        return tr("Paused")

    def change_pace(self) -> str:
        """Every frame with its overlay, or as it was live."""
        screen = self._view.screen_state
        if self.session is None or screen is None or screen.every_frame is None:
            return self.no_pace()
        self._every_frame = not screen.every_frame
        self.session.commands.play_every_frame(self._every_frame)
        return tr("Every frame waits for its overlay" if self._every_frame else "Plays as it was live")

    def change_speed(self, by: int) -> str:
        """The next slower or faster of `SPEEDS`."""
        if self.session is None or self.no_playback():
            return self.no_playback()
        self.speed = SPEEDS[min(max(SPEEDS.index(self.speed) + by, 0), len(SPEEDS) - 1)]
        self.session.commands.play_at(self.speed)
        self._pace_changed()
        return tr("{speed} times its own pace").format(speed=f"{self.speed:g}")

    def mark_stretch(self) -> str:
        """First the beginning, then the end of a stretch that is repeated; then the whole run again."""
        screen = self._view.screen_state
        if self.session is None or screen is None or screen.frame is None or self.no_playback():
            return self.no_picture() or self.no_playback()
        at = screen.frame.source_frame
        if self.stretch is None:
            self.stretch, told = (at, None), tr("Repeats from frame {number}; the same key marks the end")
        elif self.stretch[1] is None:
            first, last = sorted((self.stretch[0], at))
            self.stretch, told = (first, last), tr("Repeats up to frame {number}; the same key ends it")
            self.session.commands.repeat((first, last))
        else:
            self.stretch, told = None, tr("Plays the whole run")
            self.session.commands.repeat(None)
        self._pace_changed()
        return told.format(number=at + 1)

    def scrub(self, frame: int) -> str:
        """To this frame, and stay there."""
        if self.session is None or self.no_playback():
            return self.no_playback()
        self.session.commands.pause()
        self.session.commands.seek(frame)
        return ""

    def to_first_frame(self) -> str:
        return self._seek(lambda _total: 0)

    def to_last_frame(self) -> str:
        return self._seek(lambda total: total - 1)

    def change_run(self, by: int) -> str:
        index = self.run_index + by
        if by == 0:
            return ""
        if self._open_run is None or not 0 <= index < len(self.runs):
            self._show_runs(self.runs, self.run_index)
            return (
                tr("There is no other run") if len(self.runs) < 2 or self._open_run is None else tr("No run further on")
            )
        session = self._open_run(index)
        self.take(session, runs=self.runs, run_index=index, open_run=self._open_run)
        session.start()
        return tr("Run {name}").format(name=self.runs[index])

    def freeze(self) -> str:
        if refusal := self.no_picture():
            return refusal
        self.frozen = self._view.frozen = not self.frozen
        self._view.update()
        return tr("Picture frozen; the source goes on") if self.frozen else tr("Picture follows the source")

    # The picture

    def zoom(self, factor: float) -> str:
        self._view.zoom(factor)
        return ""

    def reset_view(self) -> str:
        self._view.reset()
        return tr("Zoom and window reset")

    def invert(self) -> str:
        self._view.invert()
        return ""

    def show_raw(self) -> str:
        self._view.raw = not self._view.raw
        self._view.update()
        return tr("Raw image") if self._view.raw else tr("Overlay and annotations")

    # The overlay

    def hold_overlay(self, held: bool) -> str:
        screen = self._view.screen_state
        self._view.overlay_held = held
        self._view.update()
        return tr("No overlay to hide") if held and (screen is None or screen.overlay is None) else ""

    def change_opacity(self, steps: int) -> str:
        self._view.set_opacity(self._view.opacity + steps * OPACITY_STEP)
        return tr("Overlay at {share} %").format(share=round(100 * self._view.opacity))

    def next_mode(self) -> str:
        mode: OverlayMode = OVERLAY_MODES[(OVERLAY_MODES.index(self._view.mode) + 1) % len(OVERLAY_MODES)]
        self._view.set_mode(mode)
        return tr(f"Overlay as {mode}")

    def show_unseen(self) -> str:
        self._view.show_unseen = not self._view.show_unseen
        self._view.update()
        return tr(
            "Branches never seen filled: shown" if self._view.show_unseen else "Branches never seen filled: hidden"
        )

    # Registration

    def register(self) -> str:
        if self.session is None:
            return tr(_NO_RUN)
        self.session.commands.request_registration()
        return tr("Registers on the next frame that shows enough vessel")

    def accept(self) -> str:
        if self.session is None:
            return tr(_NO_RUN)
        if refusal := self.nothing_to_accept():
            return refusal
        self.session.commands.accept()
        return tr("Registration accepted")

    def reject(self) -> str:
        if self.session is None:
            return tr(_NO_RUN)
        screen = self._view.screen_state
        if screen is not None and screen.can_undo_reject:
            self.session.commands.undo_reject()
            return tr("Rejection taken back: check the registration and accept it")
        if refusal := self.nothing_to_reject():
            return refusal
        self.session.commands.reject()
        return tr("Registration rejected; the same key takes that back")

    def end_behind(self, ending: Stops) -> None:
        """Ending a session or an engine waits for processes; the next run must not."""
        thread = threading.Thread(target=ending.stop, name="guidance-run-ending")
        thread.start()
        self._leaving.append(thread)

    def _pace_changed(self) -> None:
        if self.on_pace_changed is not None:
            self.on_pace_changed()

    def _seek(self, to: Callable[[int], int]) -> str:
        if self.session is None:
            return tr(_NO_RUN)
        if refusal := self.no_playback():
            return refusal
        screen = self._view.screen_state
        self.session.commands.seek(to((screen.frames_total if screen else None) or 1))
        return ""

    def _guidance_state(self) -> str:
        return self._view.screen_state.guidance_state if self._view.screen_state else "unregistered"
