"""A first-pass perfusion series as a value: slices of pictures over time, each placed in space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PerfusionSlice:
    """One short-axis slice over time.

    Args:
        name: the file or series that it came from.
        frames: (columns, rows, time) signal as stored.
        times_ms: (time,) increasing.
        lps_from_index: index (column, row, 0) of a pixel's centre to LPS mm; the third column is the slice thickness.
        mask_frame: frame in whose place the masks lie; None for the frame of peak LV enhancement.
        masks: `lv_wall`, `lv_pool`, `rv_pool`, each (columns, rows); any may be absent.
    """

    name: str
    frames: Float[np.ndarray, "columns rows time"]
    times_ms: Float[np.ndarray, " time"]
    lps_from_index: Float[np.ndarray, "4 4"]
    mask_frame: int | None = None
    masks: Mapping[str, Bool[np.ndarray, "columns rows"]] = field(default_factory=dict)

    @property
    def pixel_mm(self) -> Float[np.ndarray, " 2"]:
        """Width of a column and height of a row."""
        return np.linalg.norm(self.lps_from_index[:3, :2], axis=0)

    @property
    def thickness_mm(self) -> float:
        return float(np.linalg.norm(self.lps_from_index[:3, 2]))

    @property
    def normal(self) -> Float[np.ndarray, " 3"]:
        """Unit normal of the plane, LPS."""
        normal = np.cross(self.lps_from_index[:3, 0], self.lps_from_index[:3, 1])
        return normal / np.linalg.norm(normal)

    def points_mm(self) -> Float[np.ndarray, "columns rows 3"]:
        """LPS of every pixel's centre."""
        columns, rows = np.meshgrid(*(np.arange(n) for n in self.frames.shape[:2]), indexing="ij")
        return (
            columns[..., None] * self.lps_from_index[:3, 0]
            + rows[..., None] * self.lps_from_index[:3, 1]
            + self.lps_from_index[:3, 3]
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PerfusionSeries:
    """Stress and, where it was taken, rest.

    Args:
        flags: what the reader already found doubtful.
        saturation_time_ms: of the saturation-recovery sequence; None where unknown.
        frame_of_reference_uid: "" where the files have none.
    """

    stress: tuple[PerfusionSlice, ...]
    rest: tuple[PerfusionSlice, ...] = ()
    flags: tuple[str, ...] = ()
    saturation_time_ms: float | None = None
    frame_of_reference_uid: str = ""

    def without_masks(self) -> PerfusionSeries:
        """The same pictures as if nobody had drawn in them."""
        return PerfusionSeries(
            stress=tuple(_bare(part) for part in self.stress),
            rest=tuple(_bare(part) for part in self.rest),
            flags=self.flags,
            saturation_time_ms=self.saturation_time_ms,
            frame_of_reference_uid=self.frame_of_reference_uid,
        )


def _bare(part: PerfusionSlice) -> PerfusionSlice:
    return PerfusionSlice(
        name=part.name, frames=part.frames, times_ms=part.times_ms, lps_from_index=part.lps_from_index
    )
