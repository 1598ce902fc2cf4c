"""A mask for the eye: frames of one view are averaged and taken away from later ones, on the screen alone.

Nothing that computes reads such a picture; what registration subtracts is `engines.angiography.dsa`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32

from calibration.errors import InputError
from engines.angiography.frame import Frame
from engines.angiography.pixel_shift import estimate_shift_px, shifted

SUBTRACTED_MIDDLE = 32768  # of 16 bits: what has not changed
_LARGEST = 65535
_FEW_SHARE = 0.04  # of the brightest: below it so few X-rays came that their logarithm is noise
_SOFT_SHARE = 0.1  # of the brightest, added to all: from there downwards noise grows no more
_SHIFT_ROUNDS, _SHIFT_FOUND_PX = 3, 0.05
_THROUGH = 0.1  # log units above the darkest: X-rays came through
# At the moment it is set the mask is the very picture that it is taken from: their difference has no range of its own.
_LEAST_WIDTH = 0.3 * SUBTRACTED_MIDDLE


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Taken:
    """What is taken away from every frame, for these arguments of `EyeMask.subtracted`."""

    shift_px: tuple[float, float]
    anatomy: float
    logs: Float32[np.ndarray, "rows columns"]


class EyeMask:
    """The mean of some frames, and what is left of a later one when it is taken away.

    Args:
        frames: native ones of one view and size, at least one.

    Attributes:
        frames: as given.

    Raises:
        InputError: no frame, a subtracted one, or frames of different sizes.
    """

    def __init__(self, frames: Sequence[Frame]) -> None:
        self.frames = tuple(frames)
        if not self.frames:
            raise InputError("a mask of no frame; choose one at least")
        first = self.frames[0]
        if any(frame.kind == "dsa" for frame in self.frames):
            raise InputError(f"{first.source_id}: is subtracted already; a mask wants native frames")
        if len({frame.shape_px for frame in self.frames}) > 1:
            raise InputError(f"{first.source_id}: mask frames of different sizes; choose them from one view")
        brightest = float(np.mean([np.percentile(frame.pixels[::4, ::4], 99.0) for frame in self.frames]))
        self._floor = _FEW_SHARE * brightest
        self._table: tuple[int, Float32[np.ndarray, " n"]] | None = None
        logs = np.stack([self._logarithm(frame) for frame in self.frames])
        self._logs: Float32[np.ndarray, "rows columns"] = np.asarray(logs.mean(axis=0), dtype=np.float32)
        some = self._logs[::4, ::4]
        through = some[some > some.min() + _THROUGH]  # beside the blades
        self._usual = float(np.median(through if through.size else some))
        self._taken = _Taken(shift_px=(0.0, 0.0), anatomy=0.0, logs=self._logs)

    def fits(self, frame: Frame) -> bool:
        return mask_fits(self.frames[-1], frame)

    def subtracted(
        self,
        frame: Frame,
        field: Bool[np.ndarray, "rows columns"] | None = None,
        *,
        shift_px: tuple[float, float] = (0.0, 0.0),
        anatomy: float = 0.0,
    ) -> Frame:
        """`frame` minus the mask in logarithms, so that a vessel looks the same over bone and lung.

        What has not changed lies in the middle of 16 bits. Takes 1 to 2 ms at 512 x 512, more when the
        shift has changed.

        Args:
            field: where X-rays come through; outside nothing is subtracted. None: everywhere.
            shift_px: moves the mask, (rows, columns).
            anatomy: 0 to 1, how much of what the mask shows stays in the picture.
        """
        taken = self._taken_away(shift_px, anatomy)
        picture = self._logarithm(frame)
        picture -= taken
        picture *= SUBTRACTED_MIDDLE
        picture += SUBTRACTED_MIDDLE
        if field is not None:
            picture[~field] = SUBTRACTED_MIDDLE
        pixels = np.clip(picture, 0, _LARGEST, out=picture).astype(np.uint16)
        low, high = np.percentile(pixels[::8, ::8], (0.2, 99.8))
        # What has not changed is mid grey: white would flood a dark room.
        reach = float(max(SUBTRACTED_MIDDLE - low, high - SUBTRACTED_MIDDLE))
        return replace(
            frame, pixels=pixels, bits_stored=16, window_center=float(SUBTRACTED_MIDDLE),
            window_width=max(2.0 * reach, _LEAST_WIDTH),
        )  # fmt: skip

    def best_shift_px(self, frame: Frame, field: Bool[np.ndarray, "rows columns"] | None = None) -> tuple[float, float]:
        """Where the mask lies best under the frame, (rows, columns); takes 40 to 200 ms.

        The estimate ends short of a large shift. It is made again from where it ended, without the border, where a
        moved mask shows nothing; once there is a shift, every little that leaves less is taken.
        """
        live = self._logarithm(frame)
        shift_px = estimate_shift_px(self._logs, live, field)
        for _ in range(_SHIFT_ROUNDS if any(shift_px) else 0):
            inner = _within(live.shape, shift_px) if field is None else field & _within(live.shape, shift_px)
            more = estimate_shift_px(shifted(self._logs, shift_px), live, inner, least_gain=1.0)
            shift_px = shift_px[0] + more[0], shift_px[1] + more[1]
            if max(map(abs, more)) < _SHIFT_FOUND_PX:
                break
        return shift_px

    def _taken_away(self, shift_px: tuple[float, float], anatomy: float) -> Float32[np.ndarray, "rows columns"]:
        kept = self._taken
        if (kept.shift_px, kept.anatomy) != (shift_px, anatomy):
            moved = shifted(self._logs, shift_px)
            logs = np.float32(1.0 - anatomy) * moved + np.float32(anatomy * self._usual) if anatomy else moved
            self._taken = kept = _Taken(shift_px=shift_px, anatomy=anatomy, logs=logs)
        return kept.logs

    def _logarithm(self, frame: Frame) -> Float32[np.ndarray, "rows columns"]:
        """Values below the floor count as the floor: a logarithm would make their noise the loudest of all."""
        if self._table is None or self._table[0] != frame.bits_stored:
            values = np.arange(1 << (8 * frame.pixels.itemsize), dtype=np.float32)
            soft = self._floor * _SOFT_SHARE / _FEW_SHARE
            table = np.log((np.maximum(values, self._floor) + soft + 1.0) / float(1 << frame.bits_stored))
            self._table = frame.bits_stored, table.astype(np.float32)
        return self._table[1][frame.pixels]


def _within(shape: tuple[int, ...], shift_px: tuple[float, float]) -> Bool[np.ndarray, "rows columns"]:
    """Where a picture that was moved by `shift_px` still shows something."""
    down, right = (math.ceil(abs(part)) + 2 for part in shift_px)
    inner = np.zeros(shape, dtype=bool)
    inner[down:-down, right:-right] = True
    return inner


def mask_fits(mask: Frame, frame: Frame) -> bool:
    """Whether both are native, of one size, and not known to be of different views."""
    if "dsa" in (mask.kind, frame.kind) or frame.shape_px != mask.shape_px or frame.bits_stored != mask.bits_stored:
        return False
    if frame.geometry is None or mask.geometry is None:
        return True
    return frame.geometry.continues(mask.geometry)
