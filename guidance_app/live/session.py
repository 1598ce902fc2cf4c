"""One live or replayed run, from its source to what the window draws; knows no Qt."""

from __future__ import annotations

from pathlib import Path

from engines.anatomy.case import Case
from engines.registration.registration import Registration
from guidance_app.live.guidance import ScreenState
from guidance_app.sources.source import FrameSource


class LiveSession:
    """Owns the source thread, the engine process and the logs of one run.

    The window calls `screen()` from its 16 ms timer and `painted()` once it has drawn that state; both return at once.
    Everything else may be called from any thread.
    """

    def start(self) -> None:
        """Open the logs, start the engine process and the source thread."""
        raise NotImplementedError

    def stop(self) -> None:
        """End in order, twice is harmless: source closed, processes and threads gone, files written."""
        raise NotImplementedError

    def screen(self) -> ScreenState:
        """What to draw now. The very same object comes back while nothing has changed."""
        raise NotImplementedError

    def painted(self, screen: ScreenState, painted_ns: int) -> None:
        """This state is on the screen since `painted_ns` (`time.monotonic_ns`)."""
        raise NotImplementedError

    @property
    def finished(self) -> bool:
        """The source has ended and its last frame has been painted."""
        raise NotImplementedError

    @property
    def registration(self) -> Registration | None:
        """The pose in use, whatever its state; what `registration.json` and the judging views show."""
        raise NotImplementedError

    # What a person does -------------------------------------------------------------------------------------------
    def request_registration(self) -> None:
        """Register anew on the next frame that shows enough vessel."""
        raise NotImplementedError

    def accept(self) -> None:
        """Accept a proposed registration; without one, nothing happens."""
        raise NotImplementedError

    def reject(self) -> None:
        """Take the registration away; a new one comes only when asked for."""
        raise NotImplementedError

    # Playback of a recording; a live source ignores them ---------------------------------------------------------
    def pause(self) -> None:
        raise NotImplementedError

    def resume(self) -> None:
        raise NotImplementedError

    def step(self, frames: int) -> None:
        raise NotImplementedError

    def seek(self, source_frame: int) -> None:
        raise NotImplementedError


def open_session(
    case: Case,
    source: FrameSource,
    *,
    out: Path | None = None,
    initial: Registration | None = None,
) -> LiveSession:
    """The session of a case on an open source, with the real engine."""
    raise NotImplementedError
