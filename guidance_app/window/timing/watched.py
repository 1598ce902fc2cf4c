"""The real window on a case, with a watch beside it that presses keys and writes down when their effect was painted.

Runs in a process of its own, which `window_bench` starts and which begins as the program itself begins.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guidance_app.live.guidance import ScreenState
    from guidance_app.views.live_view import LiveView
    from guidance_app.window.window import GuidanceWindow

_LOOK_MS = 2
_LIMIT_S = 60.0  # for one effect; the first overlay waits for the engine
_REST_NS = 150_000_000  # between two keys, as a hand leaves it
_CHANGES = 4
Wait = Callable[[], int | None]  # when it happened, by the monotonic clock; None while it has not
Steps = Generator[Wait, int | None, None]


def watch(case: str, presses: int, out: str) -> None:
    """Open the window as `gui` does, measure, write the moments to `out`, and close it."""
    from guidance_app.window.run import run_house

    marks: dict[str, Any] = {"cpu_s": {}, "keys": {}, "changes": []}
    run_house(case=case, opened=lambda window: _Watch(window, marks, presses, Path(out)).begin())


class _Watch:
    def __init__(self, window: GuidanceWindow, marks: dict[str, Any], presses: int, out: Path) -> None:
        self._window, self._marks, self._presses, self._out = window, marks, presses, out
        self._steps = self._measure()
        self._wait: Wait | None = None
        self._give_up_s = 0.0

    def begin(self) -> None:
        from PyQt6.QtCore import QTimer

        then = self._window.on_first_paint

        def first_paint() -> None:
            self._mark("window_ns")
            if then is not None:
                then()

        self._window.on_first_paint = first_paint
        self._timer = QTimer(self._window)
        self._timer.timeout.connect(self._look)
        self._timer.start(_LOOK_MS)

    def _look(self) -> None:
        """Go on with the measurement as soon as what it waits for has happened."""
        if self._wait is None:
            self._go_on(None)
            return
        happened_ns = self._wait()
        if happened_ns is not None or time.monotonic() > self._give_up_s:
            self._go_on(happened_ns)

    def _go_on(self, happened_ns: int | None) -> None:
        try:
            self._wait = self._steps.send(happened_ns)
            self._give_up_s = time.monotonic() + _LIMIT_S
        except StopIteration:
            self._timer.stop()
            self._out.write_text(json.dumps(self._marks), encoding="utf-8")
            self._window.close()

    def _mark(self, name: str, at_ns: int | None = None) -> None:
        self._marks[name] = at_ns or time.monotonic_ns()
        self._marks["cpu_s"][name] = _cpu_s()

    def _measure(self) -> Steps:
        self._mark("picture_ns", (yield self._painted(lambda screen: screen.frame is not None)))
        self._mark("overlay_ns", (yield self._painted(_is_checked)))
        view = self._view
        yield from self._pressed("Space", lambda: view.painted_screen is not None and view.painted_screen.paused)
        for name, key in (("hide", "O"), ("invert", "I"), ("fainter", "["), ("stronger", "]")):
            for _ in range(self._presses):
                yield from self._key(name, key)
        for number in range(self._presses):
            yield from self._step("Right" if number % 2 else "Left")
        for number in range(_CHANGES):
            yield from self._change("Up" if number % 2 else "Down")

    def _key(self, name: str, key: str) -> Steps:
        """From a key to the end of the next painting, which follows from it: nothing else moves on a paused picture."""
        yield self._rest()
        began_ns = self._press(key)
        done_ns = yield lambda: self._view.painted_ns if self._view.painted_ns > began_ns else None
        self._note(name, began_ns, done_ns)
        self._release(key)

    def _step(self, key: str) -> Steps:
        yield self._rest()
        before = self._view.painted_screen
        began_ns = self._press(key)
        self._note("step", began_ns, (yield self._painted(lambda screen: _other_frame(screen, before))))
        overlay_ns = yield self._painted(lambda screen: _other_frame(screen, before) and _is_own(screen))
        self._note("step_overlay", began_ns, overlay_ns)

    def _change(self, key: str) -> Steps:
        yield self._rest()
        before = self._view.painted_screen
        source = before.frame.source_id if before is not None and before.frame is not None else ""
        cpu_s, began_ns = _cpu_s(), self._press(key)

        def other(screen: ScreenState) -> bool:
            return screen.frame is not None and screen.frame.source_id != source

        picture_ns = yield self._painted(other)
        overlay_ns = yield self._painted(lambda screen: other(screen) and _is_checked(screen))
        frame = None if self._view.painted_screen is None else self._view.painted_screen.frame
        self._marks["changes"].append(
            {
                "picture_ms": _ms(began_ns, picture_ns),
                "overlay_ms": _ms(began_ns, overlay_ns),
                "overlay_on_frame": None if frame is None else frame.source_frame,
                "own_time_ms": None if frame is None else frame.source_frame * (frame.frame_time_ms or 0.0),
                "cpu_s": _cpu_s() - cpu_s,
            }
        )

    @property
    def _view(self) -> LiveView:
        return self._window.live.widget.view

    def _painted(self, fits: Callable[[ScreenState], bool]) -> Wait:
        def look() -> int | None:
            view = self._view
            return view.painted_ns if view.painted_screen is not None and fits(view.painted_screen) else None

        return look

    def _pressed(self, key: str, done: Callable[[], bool]) -> Steps:
        self._press(key)
        yield lambda: time.monotonic_ns() if done() else None
        self._release(key)

    def _rest(self) -> Wait:
        until_ns = time.monotonic_ns() + _REST_NS
        return lambda: until_ns if time.monotonic_ns() > until_ns else None

    def _press(self, key: str) -> int:
        from PyQt6.QtCore import QEvent

        return self._send(key, QEvent.Type.KeyPress)

    def _release(self, key: str) -> None:
        from PyQt6.QtCore import QEvent

        self._send(key, QEvent.Type.KeyRelease)

    def _send(self, key: str, kind: Any) -> int:
        """Through Qt's own queue, as the window system's events come; returns the moment before."""
        from PyQt6.QtCore import QCoreApplication
        from PyQt6.QtGui import QKeyEvent, QKeySequence

        chord = QKeySequence(key)[0]
        now_ns = time.monotonic_ns()
        QCoreApplication.postEvent(self._window, QKeyEvent(kind, chord.key(), chord.keyboardModifiers()))
        return now_ns

    def _note(self, name: str, began_ns: int, done_ns: int | None) -> None:
        self._marks["keys"].setdefault(name, []).append(_ms(began_ns, done_ns))


def _is_checked(screen: ScreenState) -> bool:
    return screen.overlay_state == "valid" and screen.guidance_state == "accepted"


def _is_own(screen: ScreenState) -> bool:
    frame, overlay = screen.frame, screen.overlay
    return frame is not None and overlay is not None and overlay.frame_index == frame.index


def _other_frame(screen: ScreenState, before: ScreenState | None) -> bool:
    if screen.frame is None or before is None or before.frame is None:
        return False
    return screen.frame.index != before.frame.index


def _ms(began_ns: int, done_ns: int | None) -> float | None:
    return None if done_ns is None else (done_ns - began_ns) / 1e6


def _cpu_s() -> float:
    """Of this process and of all that it started, whether they still run or not."""
    import psutil

    own = psutil.Process()
    ended = own.cpu_times()
    total = ended.children_user + ended.children_system
    for process in (own, *own.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total
