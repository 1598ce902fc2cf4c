"""Earlier pictures of the same view: what was as dark before the bolus is no vessel."""

from __future__ import annotations

import threading

from engines.angiography.contrast_gate import Background, background_of
from engines.angiography.frame import Frame
from engines.angiography.frame_run import FrameRun
from guidance_app.live.engine.step.door import ViewKey

_MOST_FRAMES = 24


class ContrastMemory:
    """Remembers the pictures of one view, and what they tell of it; a changed view forgets both.

    A view's background is used for that view's frames alone. Subtracted pictures neither need a background nor make
    one. `see`, `past` and `background` are called by the thread that steps, `learn` and `keep` by whoever finds a
    background.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards all that follows: the view may change while a search is at work
        self._key: ViewKey | None = None
        self._frames: list[Frame] = []
        self._every = 1
        self._seen = 0
        self._background: Background | None = None

    def see(self, frame: Frame, key: ViewKey | None) -> None:
        """Keep the frame, or every second, fourth ... one of a long view."""
        if key is None or frame.kind == "dsa":
            return
        with self._lock:
            if key is not self._key:
                self._key = key
                self._frames, self._every, self._seen, self._background = [], 1, 0, None
            if self._seen % self._every == 0:
                self._frames.append(frame)
            self._seen += 1
            if len(self._frames) >= _MOST_FRAMES:
                self._frames, self._every = self._frames[::2], 2 * self._every

    def past(self, key: ViewKey) -> tuple[Frame, ...]:
        """Pictures of this view so far, oldest first."""
        with self._lock:
            return tuple(self._frames) if key is self._key else ()

    def background(self, frame: Frame, key: ViewKey) -> Background | None:
        """None while nothing is known about this frame's view before contrast."""
        if frame.kind == "dsa":
            return None
        with self._lock:
            return self._background if key is self._key else None

    def learn(self, past: tuple[Frame, ...], like: Frame, key: ViewKey) -> Background | None:
        """`learnt`, and kept for later frames if the view is still the same by then."""
        background = learnt(past, like)
        if background is not None:
            self.keep(background, key)
        return background

    def keep(self, background: Background, key: ViewKey) -> None:
        """For later frames of the view `key`, if that is still the view."""
        with self._lock:
            if key is self._key:
                self._background = background


def learnt(past: tuple[Frame, ...], like: Frame) -> Background | None:
    """Find the background of a view in its pictures; takes some hundred milliseconds.

    Args:
        like: a frame with contrast, whose noise the background must share.
    """
    if len(past) < 2 or like.kind == "dsa":
        return None
    return background_of(FrameRun(past), like)
