"""Where X-rays come through, for what is done to a picture for the eye."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from engines.angiography.field_of_view import find_field_of_view
from engines.angiography.frame import Frame

_LOOKED_AT_EVERY = 15  # frames; looking costs 4 ms, and blades move seldom


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
            self._field = find_field_of_view(frame.pixels.astype(np.float32))
            self._of, self._looked_at = key, frame.index
        return self._field
