"""What the window does to a session, without a window: ask, paint, tell; every 16 ms."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from guidance_app.live.guidance import ScreenState
from guidance_app.live.session.session import LiveSession

TICK_S = 0.016


def drive(
    session: LiveSession,
    *,
    until: Callable[[ScreenState], bool] | None = None,
    limit_s: float = 20.0,
) -> list[ScreenState]:
    """Repaint on change until the session has finished, or `until` says so; returns every state that was painted."""
    painted: list[ScreenState] = []
    tick = threading.Event()
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        screen = session.screen()
        if not painted or screen is not painted[-1]:
            painted.append(screen)
            session.painted(screen, time.monotonic_ns())
        if session.finished or (until is not None and until(screen)):
            return painted
        tick.wait(TICK_S)
    raise AssertionError(f"nothing came of it within {limit_s} s; the screen says {painted[-1].banner!r}")
