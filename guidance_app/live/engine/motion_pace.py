"""On which frames the motion of the heart is fitted: where it pays, and where the machine keeps pace with it."""

from __future__ import annotations

BUDGET_MS = 30.0  # of a frame's 67 at 15 a second; network and tracking need the rest on two cores
REFUSALS = 3  # in a row, of fits that may not be shown
REST_FRAMES = 15  # a beat or so: then the heart is looked at again
_LONGEST_REST_FRAMES = 120


class MotionPace:
    """Decides anew all the time: a machine that is busy now may be idle in a moment.

    Args:
        budget_ms: that one fit may take.
    """

    def __init__(self, budget_ms: float = BUDGET_MS) -> None:
        self._budget_ms = budget_ms
        self._rest = 0
        self._refusals = 0
        self._slow_rest = REST_FRAMES

    def due(self) -> bool:
        """Whether the motion is to be fitted on this frame; call once a frame."""
        if self._rest > 0:
            self._rest -= 1
            return False
        return True

    def fitted(self, took_ms: float, *, shown: bool) -> None:
        """What the fit cost, and whether it may be shown.

        A slow fit is followed by a rest that doubles as long as fits stay slow; three refusals in a row by a short one.
        """
        if took_ms > self._budget_ms:
            self._rest, self._refusals = self._slow_rest, 0
            self._slow_rest = min(2 * self._slow_rest, _LONGEST_REST_FRAMES)
            return
        self._slow_rest = REST_FRAMES
        self._refusals = 0 if shown else self._refusals + 1
        if self._refusals >= REFUSALS:
            self._rest, self._refusals = REST_FRAMES, 0
