"""The actions of the keys and buttons, carried out on one session and the window that shows it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from guidance_app.views.live_view import LiveView
from guidance_app.views.overlay_painter import OVERLAY_MODES, OverlayMode
from guidance_app.window.guided_session import GuidedSession
from guidance_app.window.key_help import KeyHelp


class SessionDesk:
    """The window's `Desk`. Every action returns a line for the status strip, "" where the picture says it all.

    Args:
        runs: names of the recordings to choose from.
        open_run: opens a session on another of them; None where there is only this source.
        show_runs: told of `runs` and the one that is shown.

    Attributes:
        session: the one that the window shows; another one after `change_run`.
        frozen: the picture stands still because a person wants it to.
    """

    def __init__(
        self,
        session: GuidedSession,
        view: LiveView,
        keys: KeyHelp,
        *,
        runs: tuple[str, ...],
        run_index: int,
        open_run: Callable[[int], GuidedSession] | None,
        show_runs: Callable[[tuple[str, ...], int], None],
    ) -> None:
        self.session = session
        self.runs, self.run_index = runs, run_index
        self.frozen = False
        self._open_run = open_run
        self._show_runs = show_runs
        self._view = view
        self._keys = keys
        self._leaving: list[threading.Thread] = []

    def stop(self) -> None:
        """End the session, and wait for earlier ones that are still ending; twice is harmless."""
        self.session.stop()
        for thread in self._leaving:
            thread.join()
        self._leaving.clear()

    def play_or_pause(self) -> str:
        if (refusal := self._no_playback()) is not None:
            return refusal
        screen = self._view.screen_state
        if screen is not None and screen.paused:
            self.session.commands.resume()
            return "Playing"
        self.session.commands.pause()
        return "Paused"

    def step(self, frames: int) -> str:
        if (refusal := self._no_playback()) is not None:
            return refusal
        self.session.commands.step(frames)
        return "Paused"

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
            return "There is no other run" if len(self.runs) < 2 or self._open_run is None else "No run further on"
        session = self._open_run(index)
        # Ending a session waits for its engine; the next run must not.
        thread = threading.Thread(target=self.session.stop, name="guidance-run-ending")
        thread.start()
        self._leaving.append(thread)
        session.start()
        self.session, self.run_index = session, index
        self.frozen = self._view.frozen = False
        self._view.set_mask(None)
        self._show_runs(self.runs, index)
        return f"Run {self.runs[index]}"

    def zoom(self, factor: float) -> str:
        self._view.zoom(factor)
        return ""

    def reset_view(self) -> str:
        self._view.reset()
        return "Zoom and window reset"

    def invert(self) -> str:
        self._view.invert()
        return ""

    def hold_overlay(self, held: bool) -> str:
        screen = self._view.screen_state
        self._view.overlay_held = held
        self._view.update()
        return "No overlay to hide" if held and (screen is None or screen.overlay is None) else ""

    def set_mask(self) -> str:
        screen = self._view.screen_state
        if self._view.mask_frame is not None:
            self._view.set_mask(None)
            return "Mask off"
        if screen is None or screen.frame is None:
            return "No picture to take as a mask"
        if screen.frame.kind == "dsa":
            return "This run is subtracted already"
        self._view.set_mask(screen.frame)
        return f"Mask: frame {screen.frame.source_frame + 1}. Shown subtracted; guidance reads the frames as they came"

    def freeze(self) -> str:
        if self._view.screen_state is None or self._view.screen_state.frame is None:
            return "No picture to freeze"
        self.frozen = self._view.frozen = not self.frozen
        self._view.update()
        return "Picture frozen; the source goes on" if self.frozen else "Picture follows the source"

    def show_raw(self) -> str:
        if not self._keys.isHidden():
            self._keys.toggle()
            return ""
        self._view.raw = not self._view.raw
        self._view.update()
        return "Raw image" if self._view.raw else "Overlay and annotations"

    def next_mode(self) -> str:
        mode: OverlayMode = OVERLAY_MODES[(OVERLAY_MODES.index(self._view.mode) + 1) % len(OVERLAY_MODES)]
        self._view.set_mode(mode)
        return f"Overlay as {mode}"

    def show_unseen(self) -> str:
        self._view.show_unseen = not self._view.show_unseen
        self._view.update()
        return "Branches never seen filled: " + ("shown" if self._view.show_unseen else "hidden")

    def show_keys(self) -> str:
        self._keys.toggle()
        return ""

    def register(self) -> str:
        self.session.commands.request_registration()
        return "Registers on the next frame that shows enough vessel"

    def accept(self) -> str:
        if self._guidance_state() != "proposed":
            return "No proposed registration to accept"
        self.session.commands.accept()
        return "Registration accepted"

    def reject(self) -> str:
        screen = self._view.screen_state
        if screen is not None and screen.can_undo_reject:
            self.session.commands.undo_reject()
            return "Rejection taken back: check the registration and accept it"
        if self._guidance_state() not in ("proposed", "accepted", "stale"):
            return "No registration to reject"
        self.session.commands.reject()
        return "Registration rejected; the same key takes that back"

    def _seek(self, to: Callable[[int], int]) -> str:
        if (refusal := self._no_playback()) is not None:
            return refusal
        screen = self._view.screen_state
        self.session.commands.seek(to((screen.frames_total if screen else None) or 1))
        return ""

    def _no_playback(self) -> str | None:
        screen = self._view.screen_state
        if screen is None or screen.frames_total is None:
            return "A live source does not play back; F freezes the picture"
        return None

    def _guidance_state(self) -> str:
        return self._view.screen_state.guidance_state if self._view.screen_state else "unregistered"
