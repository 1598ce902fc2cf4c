"""The contract of every live or recorded source of frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

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


class SkippedFrame(GuidanceError):
    """One frame was given up unread because newer ones had come; the next call goes on after it.

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

    Every arrival (a frame, a CorruptFrame or a SkippedFrame) takes the next running `index`, from 0.
    """

    source_id: str

    def next_frame(self, timeout_s: float) -> Frame:
        """Block for the next frame. Raises SourceTimeout, SourceClosed, CorruptFrame or SkippedFrame.

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

    def play_at(self, speed: float) -> None:
        """As many times the recording's own pace, from the next frame on."""
        ...

    def repeat(self, stretch: tuple[int, int] | None) -> None:
        """Play from the first to the last of these frames again and again; None plays on to the end."""
        ...


@runtime_checkable
class ReceivesRuns(Protocol):
    """A live source of whole runs: that nothing comes after one is how it should be."""

    receives_runs: bool


@runtime_checkable
class Acknowledged(Protocol):
    """A source without a clock of its own, which waits for each frame to be shown before it delivers the next."""

    def acknowledge(self, index: int) -> None:
        """The frame with this running number has been shown."""
        ...


@runtime_checkable
class WaitsForOverlay(Protocol):
    """A recording that plays every frame with its overlay, or as it was live; which one may change at any time."""

    every_frame: bool

    def answered(self, index: int) -> None:
        """All that guidance says of the frame with this running number is on the screen."""
        ...


NoticeKind = Literal["client_refused", "source_connected", "source_disconnected", "message_ignored", "geometry_changed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something beside the frames that a person may want to know; `text` carries no patient text."""

    kind: NoticeKind
    text: str


@runtime_checkable
class Notifies(Protocol):
    """A source with peers of its own, of which it has news."""

    def on_notice(self, tell: Callable[[Notice], None]) -> None:
        """Tell all news from now on and those unheard so far; `tell` is called from the source's threads."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GuidanceNews:
    """Where guidance stands, for a peer that follows along.

    Args:
        state: guidance state.
        reason: why it is not accepted, for a person; "" when it is.
        camera_from_lps_mm: of the accepted registration on the newest frame; None without one.
    """

    state: str
    reason: str
    camera_from_lps_mm: Float[np.ndarray, "4 4"] | None


@runtime_checkable
class Publishes(Protocol):
    """A source whose peers want to follow guidance."""

    def publish(self, news: GuidanceNews) -> None:
        """Send on to the peers; the newest news replace older ones that could not be sent. Returns at once."""
        ...
