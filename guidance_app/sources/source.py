"""The contract of every live or recorded source of frames."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from calibration.errors import GuidanceError
from engines.angiography.frame import Frame


class SourceTimeout(GuidanceError):
    """No frame came in time; the source is still open."""


class SourceClosed(GuidanceError):
    """No frame will ever come: end of file, or closed."""


class CorruptFrame(GuidanceError):
    """One frame could not be decoded; the next call goes on after it. The text says which and why."""


@runtime_checkable
class FrameSource(Protocol):
    """Delivers frames in order to one reading thread; `close` may be called from any thread, twice."""

    source_id: str

    def next_frame(self, timeout_s: float) -> Frame:
        """Block for the next frame. Raises SourceTimeout, SourceClosed or CorruptFrame."""
        ...

    def close(self) -> None: ...
