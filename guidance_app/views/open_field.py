"""Where X-rays come through, for what is done to a picture for the eye."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Shaped

from engines.angiography.field_of_view import find_field_of_view
from engines.angiography.frame import Frame

_LOOKED_AT_EVERY = 15  # frames; looking costs 4 ms, and blades move seldom
_STRIP_SHARE = 0.03  # of the picture's side: blades as narrow as this are sought line by line
_STRIP_DARK = 0.4  # of what lies within


class OpenField:
    """Remembers the opening of the newest view, and looks again from time to time."""

    def __init__(self) -> None:
        self._of: tuple[object, ...] = ()
        self._looked_at = 0
        self._field: Bool[np.ndarray, "rows columns"] | None = None

    def of(self, frame: Frame) -> Bool[np.ndarray, "rows columns"] | None:
        """None where no blade is visible."""
        key = (frame.source_id, frame.kind, frame.shape_px)
        old = abs(frame.index - self._looked_at) >= _LOOKED_AT_EVERY
        if key != self._of or old:
            self._field = _without_strips(frame.pixels, find_field_of_view(frame.pixels.astype(np.float32)))
            self._of, self._looked_at = key, frame.index
        return self._field


def _without_strips(
    pixels: Shaped[np.ndarray, "rows columns"], field: Bool[np.ndarray, "rows columns"] | None
) -> Bool[np.ndarray, "rows columns"] | None:
    """Closed also along borders where blades reach in by a few pixels, too narrow for the search of the opening."""
    seen = np.ones(pixels.shape, dtype=bool) if field is None else field.copy()
    closed = False
    for turned, open_ in (
        (pixels, seen),
        (pixels[::-1], seen[::-1]),
        (pixels.T, seen.T),
        (pixels.T[::-1], seen.T[::-1]),
    ):
        most = max(1, round(_STRIP_SHARE * len(turned)))
        within = float(np.median(turned[2 * most : 4 * most]))
        dark = np.percentile(turned[:most], 90.0, axis=1) < _STRIP_DARK * within
        wide = most if dark.all() else int(dark.argmin())
        open_[:wide] = False
        closed = closed or wide > 0
    return seen if closed or field is not None else None
