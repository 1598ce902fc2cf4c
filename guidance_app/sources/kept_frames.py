"""A run that is played again and again, or that a person goes back over, is decoded once."""

from __future__ import annotations

from engines.angiography.frame import Frame
from engines.angiography.run import Run

_MOST_BYTES = 128 * 2**20  # of pixels: a run of 500 frames of 512x512


class KeptFrames:
    """Frames of one run, decoded and subtracted at their first showing alone; for one thread.

    The first ones are kept, up to the limit: to drop the oldest would drop each shortly before it comes again.
    """

    def __init__(self, run: Run, *, most_bytes: int = _MOST_BYTES) -> None:
        self._run = run
        self._free_bytes = most_bytes
        self._frames: dict[int, Frame] = {}

    def frame(self, index: int) -> Frame:
        """Raises FrameDecodeError as `Run.frame`; a damaged frame is tried again each time."""
        kept = self._frames.get(index)
        if kept is not None:
            return kept
        frame = self._run.frame(index)
        if frame.pixels.nbytes <= self._free_bytes:
            self._free_bytes -= frame.pixels.nbytes
            self._frames[index] = frame
        return frame
