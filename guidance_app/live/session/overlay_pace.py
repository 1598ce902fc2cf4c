"""Whether the machine keeps pace with the picture: told once and steadily, instead of by an overlay that flickers."""

from __future__ import annotations

from collections import deque

_OVER_S = 3.0
_FALLS_BEHIND, _KEEPS_UP = 0.5, 0.75  # overlays a picture; apart, so that the notice does not come and go


class OverlayPace:
    """Told of every screen; the session's lock guards it."""

    def __init__(self) -> None:
        self._frames: deque[tuple[int, int]] = deque()
        self._overlays: deque[tuple[int, int]] = deque()
        self._since_ns: int | None = None
        self._slow = False

    def shown(self, frame_index: int, overlay_index: int | None, now_ns: int, *, flowing: bool) -> float | None:
        """Overlays a second where they fall behind the pictures; None where they keep up, or nothing moves.

        Args:
            overlay_index: frame that the newest overlay was computed for.
            flowing: pictures come, an engine answers, and a registration is accepted.
        """
        if not flowing or (self._frames and frame_index < self._frames[-1][1]):
            self._frames.clear()
            self._overlays.clear()
            self._since_ns, self._slow = None, False
            return None
        self._since_ns = self._since_ns or now_ns
        for seen, index in ((self._frames, frame_index), (self._overlays, overlay_index)):
            if index is not None and (not seen or seen[-1][1] != index):
                seen.append((now_ns, index))
            while seen and now_ns - seen[0][0] > _OVER_S * 1e9:
                seen.popleft()
        if now_ns - self._since_ns < _OVER_S * 1e9 or not self._frames:
            return None
        share = len(self._overlays) / len(self._frames)
        self._slow = share < (_KEEPS_UP if self._slow else _FALLS_BEHIND)
        return len(self._overlays) / _OVER_S if self._slow else None
