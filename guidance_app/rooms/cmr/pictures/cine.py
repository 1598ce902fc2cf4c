"""A CMR slice at one beat, turned and scaled as the CT's short axis beside it. No Qt."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from engines.cmr.results.session_file import SessionSlice
from engines.cmr.series import PerfusionSlice
from guidance_app.rooms.cmr.opened import OpenedCmr
from guidance_app.rooms.cmr.pictures.section import HALF_MM, STEP_MM


class CineSlice:
    """Pictures of one slice in the heart's plane, septum left, anterior wall on top.

    The slice is a few degrees off that plane; what is shown is the slice itself, seen along the heart's axis.
    """

    def __init__(self, opened: OpenedCmr, part: SessionSlice, level: float) -> None:
        self.part, self.level = part, level
        side = np.arange(-HALF_MM, HALF_MM + 0.5 * STEP_MM, STEP_MM)
        frame = opened.frame
        points = (
            frame.apex_mm + level * frame.length_mm * frame.axis
            - side[None, :, None] * frame.right - side[:, None, None] * frame.anterior
        )  # fmt: skip
        cmr = points @ part.cmr_from_ct[:3, :3].T + part.cmr_from_ct[:3, 3]
        inverse = np.linalg.inv(part.lps_from_index)
        self._index = np.moveaxis(cmr @ inverse[:3, :3].T + inverse[:3, 3], -1, 0)[:2]
        self.window = (float(np.percentile(part.aligned, 2)), float(np.percentile(part.aligned, 99.3)))

    @property
    def frames(self) -> int:
        return len(self.part.times_ms)

    def picture(self, frame: int, *, corrected: bool) -> Float[np.ndarray, "r c"]:
        stack = self.part.aligned if corrected else self.part.frames
        return ndimage.map_coordinates(stack[..., frame], self._index, order=1, mode="constant")

    def mask(self, mask: Bool[np.ndarray, "c r"]) -> Bool[np.ndarray, "r c"]:
        return ndimage.map_coordinates(mask.astype(np.float32), self._index, order=1, mode="constant") > 0.5

    def whole_mask(self, mask: Bool[np.ndarray, "c r"], whole: PerfusionSlice) -> Bool[np.ndarray, "r c"]:
        """A mask on the whole slice's pixels, of which the session keeps a part about the heart."""
        corner = np.linalg.inv(whole.lps_from_index) @ self.part.lps_from_index[:, 3]
        c, r = np.rint(corner[:2]).astype(int)
        return self.mask(mask[c : c + self.part.wall.shape[0], r : r + self.part.wall.shape[1]])

    def pixel_under(self, x_mm: float, y_mm: float) -> int | None:
        """Which of the wall's pixels lies at a place of the picture; None away from them."""
        row, column = (round((value + HALF_MM) / STEP_MM) for value in (y_mm, x_mm))
        if not (0 <= row < self._index.shape[1] and 0 <= column < self._index.shape[2]) or not len(self.part.pixels):
            return None
        apart = np.linalg.norm(self.part.pixels - self._index[:, row, column], axis=1)
        nearest = int(np.argmin(apart))
        return nearest if apart[nearest] < 1.0 else None
