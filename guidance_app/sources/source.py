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
    """One frame could not be decoded; the next call goes on after it. The text says which and why.

    It counts as an arrival: `index` is its running number, as in `Frame.index`.
    """

    def __init__(self, text: str, *, index: int, source_frame: int, sop_instance_uid: str = "") -> None:
        super().__init__(text)
        self.index = index
        self.source_frame = source_frame
        self.sop_instance_uid = sop_instance_uid


@runtime_checkable
class FrameSource(Protocol):
    """Delivers frames in order to one reading thread; `close` may be called from any thread, twice.

    Every arrival (a frame, or a CorruptFrame) takes the next running `index`, from 0.
    """

    source_id: str

    def next_frame(self, timeout_s: float) -> Frame:
        """Block for the next frame. Raises SourceTimeout, SourceClosed or CorruptFrame.

        Any other GuidanceError says why no frame can ever come, and ends the run with an error.
        """
        ...

    def close(self) -> None: ...


@runtime_checkable
class Recorded(Protocol):
    """A source that plays a recording of known length."""

    frame_count: int


@runtime_checkable
class Playback(Recorded, Protocol):
    """A recording under a person's control; every method may be called from any thread and returns at once."""

    @property
    def paused(self) -> bool: ...

    @property
    def position(self) -> int:
        """The recording's frame that was delivered last, -1 before the first."""
        ...

    def pause(self) -> None: ...

    def resume(self) -> None:
        """Go on; at the end of the recording, from its first frame."""
        ...

    def step(self, frames: int) -> None:
        """Pause, and deliver the frame `frames` after (or before) the one delivered last; stops at both ends."""
        ...

    def seek(self, source_frame: int) -> None:
        """Deliver this frame next (0 is Home, `frame_count - 1` is End); playing goes on from there, a pause stays."""
        ...


@runtime_checkable
class Acknowledged(Protocol):
    """A source without a clock of its own, which waits for each frame to be shown before it delivers the next."""

    def acknowledge(self, index: int) -> None:
        """The frame with this running number has been shown."""
        ...
