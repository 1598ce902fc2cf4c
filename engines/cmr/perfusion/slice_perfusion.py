"""One slice from pictures to perfusion: motion, wall, pool curve, and the map of relative upslope."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from calibration.errors import InputError
from engines.cmr.arms import DEFAULT
from engines.cmr.perfusion.magnitude import channel_noise, true_mean
from engines.cmr.perfusion.shading import pool_level, wall_baseline
from engines.cmr.perfusion.tissue_curve import TissueModel, tissue_model
from engines.cmr.perfusion.upslope import (
    PoolCurve,
    denoised,
    late_frame,
    pool_curve,
    wall_curves,
    wall_interior,
)
from engines.cmr.series import PerfusionSlice
from engines.cmr.wall.motion import Motion, estimate_motion, heart_centre, no_motion
from engines.cmr.wall.slice_wall import SliceWall, wall_from_masks
from engines.cmr.wall.wall_detection import find_wall

_SMOOTH_PX = 0.9
_FEWEST_RIGHT = 12  # pixels


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SlicePerfusion:
    """What one slice tells.

    Args:
        part: the slice as read.
        reference: frame in whose place wall and maps lie.
        aligned: frames brought to it.
        interior: pixels whose curve is the wall's alone.
        curves: (n, time) their baseline-normalised curves, not smoothed in the plane.
        pixel_curves: (n, time) the same, smoothed for the map.
        depth: (columns, rows) share of the wall's thickness.
        upslope_per_s: (n,) of the pixel curves; divide by the pool's.
        dark_rim: a thin inner ring darkens as the pool brightens.
        tissue: takes curves of this slice apart into uptake and leaking blood.
        channel: noise of a channel.
    """

    part: PerfusionSlice
    reference: int
    motion: Motion
    wall: SliceWall
    pool: PoolCurve
    aligned: Float[np.ndarray, "columns rows time"]
    interior: np.ndarray
    curves: Float[np.ndarray, "n time"]
    pixel_curves: Float[np.ndarray, "n time"]
    depth: Float[np.ndarray, "columns rows"]
    upslope_per_s: Float[np.ndarray, " n"]
    dark_rim: bool
    tissue: TissueModel
    channel: float

    def window(self) -> tuple[int, int]:
        """Frames between which an upslope of the wall may lie."""
        return self.pool.onset - 1, late_frame(self.part.times_ms, self.pool)

    def spread(self, values: Float[np.ndarray, " n"]) -> Float[np.ndarray, "columns rows"]:
        """Values of the interior's pixels as a picture; every other pixel takes its nearest one."""
        picture = np.full(self.interior.shape, np.nan, dtype=np.float64)
        picture[self.interior] = values
        near = ndimage.distance_transform_edt(~self.interior, sampling=self.part.pixel_mm, return_indices=True)
        return picture[tuple(near[1])]  # pyright: ignore[reportIndexIssue, reportOptionalSubscript]


def measure_slice(part: PerfusionSlice, *, wall: str = DEFAULT.wall, still: bool = False) -> SlicePerfusion:
    """Measure one slice.

    Args:
        wall: how borders are found where none are given, "paths" or "network".
        still: leave breathing in, to show what its correction is worth.

    Raises:
        InputError: no first pass in it, or no left ventricle.
    """
    centre, reference = _start(part)
    motion = no_motion(part.frames) if still else estimate_motion(part.frames, part.pixel_mm, centre, reference)
    aligned = motion.corrected(part.frames)
    return _of_wall(part, reference, motion, aligned, _wall(part, aligned, centre, wall))


def with_wall(slice_: SlicePerfusion, wall: np.ndarray, pool: np.ndarray) -> SlicePerfusion:
    """The slice measured again with a wall and pool that a person drew; its motion stays.

    Raises:
        InputError: the pool does not brighten.
    """
    drawn = wall_from_masks(wall, pool, slice_.wall.right_pool & ~wall, slice_.part.pixel_mm)
    return _of_wall(slice_.part, slice_.reference, slice_.motion, slice_.aligned, drawn)


def _of_wall(
    part: PerfusionSlice, reference: int, motion: Motion, aligned: np.ndarray, found: SliceWall
) -> SlicePerfusion:
    rough = pool_curve(aligned, part.times_ms, found, part.name, motion.excluded)
    # Moving a picture averages neighbours: what counts is the noise of the pictures that are measured.
    channel = channel_noise(aligned[..., rough.baseline_frames + 2 :])
    pool = pool_curve(aligned, part.times_ms, found, part.name, motion.excluded, channel)
    interior, depth = wall_interior(found, part.pixel_mm)
    last = late_frame(part.times_ms, pool)
    kept = np.setdiff1d(np.arange(pool.baseline_frames), motion.excluded)
    baseline = wall_baseline(
        aligned, found, interior, part.pixel_mm, kept if len(kept) else np.arange(pool.baseline_frames), channel
    )
    curves = wall_curves(aligned, interior, baseline, motion.excluded, channel, 0.0)
    pixel_curves = denoised(wall_curves(aligned, interior, baseline, motion.excluded, channel, _SMOOTH_PX), last)
    tissue = tissue_model(
        part.times_ms, pool.signal, right_curve(aligned, found, channel), pool.baseline_frames, (pool.onset - 1, last)
    )
    return SlicePerfusion(
        part=part,
        reference=reference,
        motion=motion,
        wall=found,
        pool=pool,
        aligned=aligned,
        interior=interior,
        curves=curves,
        pixel_curves=pixel_curves,
        depth=depth,
        upslope_per_s=tissue.upslopes(pixel_curves),
        dark_rim=_dark_rim(curves, depth[interior], pool),
        tissue=tissue,
        channel=channel,
    )


def _wall(part: PerfusionSlice, aligned: np.ndarray, centre: np.ndarray, how: str) -> SliceWall:
    if "lv_wall" in part.masks:
        return wall_from_masks(
            part.masks["lv_wall"], part.masks.get("lv_pool"), part.masks.get("rv_pool"), part.pixel_mm
        )
    if how == "network":
        from engines.cmr.wall.learned_wall import find_wall_by_network

        return _with_drawn(find_wall_by_network(aligned, part.pixel_mm, centre, part.name), part)
    return _with_drawn(find_wall(aligned, part.pixel_mm, centre, part.name), part)


def right_curve(aligned: np.ndarray, wall: SliceWall, channel: float) -> np.ndarray | None:
    """The right pool's rise over its own baseline; None where the slice hardly sees it."""
    core = np.asarray(ndimage.binary_erosion(wall.right_pool, iterations=2))
    if core.sum() < _FEWEST_RIGHT:
        return None
    pixels = aligned.reshape(-1, aligned.shape[-1]).compress(core.ravel().astype(bool), axis=0)
    return true_mean(pixels.mean(axis=0), channel) / max(pool_level(pixels, np.arange(3), channel), 1e-9)


def measure_slices(
    parts: Sequence[PerfusionSlice],
    say: Callable[[PerfusionSlice], None],
    *,
    wall: str = DEFAULT.wall,
    still: bool = False,
) -> tuple[tuple[SlicePerfusion, ...], tuple[str, ...]]:
    """Measure every slice that can be measured, and the reasons of the others.

    Raises:
        InputError: none can be.
    """
    found: list[SlicePerfusion] = []
    reasons: list[str] = []
    for part in parts:
        say(part)
        try:
            found.append(measure_slice(part, wall=wall, still=still))
        except InputError as error:
            reasons.append(str(error))
    if parts and not found:
        raise InputError(reasons[0])
    return tuple(found), tuple(reasons)


def _start(part: PerfusionSlice) -> tuple[np.ndarray, int]:
    """Middle of the heart and the reference frame: where the masks lie, else the peak of the LV pool."""
    if "lv_pool" in part.masks or "lv_wall" in part.masks:
        pool = part.masks.get("lv_pool")
        pool = pool if pool is not None else part.masks["lv_wall"]
        centre = np.array(ndimage.center_of_mass(pool))
        if part.mask_frame is not None:
            return centre, part.mask_frame
        return centre, int(np.argmax(ndimage.gaussian_filter1d(part.frames[pool].mean(axis=0), 1.0)))
    centre = heart_centre(part.frames, part.pixel_mm)
    # Without a pool: the left one peaks last among what brightens most.
    c, r = np.indices(part.frames.shape[:2])
    near = np.hypot((c - centre[0]) * part.pixel_mm[0], (r - centre[1]) * part.pixel_mm[1]) < 60.0
    curves = ndimage.gaussian_filter(part.frames, (1.0, 1.0, 1.0))[near]
    rise = curves.max(axis=1) - curves[:, :3].mean(axis=1)
    bright = curves[rise > 0.6 * np.percentile(rise, 99)]
    peaks = np.argmax(bright, axis=1)
    late = bright[peaks >= np.median(peaks)]
    return centre, int(np.argmax(late.mean(axis=0)))


def _with_drawn(wall: SliceWall, part: PerfusionSlice) -> SliceWall:
    return replace(wall, right_pool=part.masks["rv_pool"] & ~wall.wall) if "rv_pool" in part.masks else wall


def _dark_rim(curves: np.ndarray, depth: np.ndarray, pool: PoolCurve) -> bool:
    """The innermost third falls below its baseline while the pool brightens: an edge of k-space, not ischaemia."""
    inner = curves[depth < 0.38]
    outer = curves[depth > 0.55]
    if len(inner) < 6 or len(outer) < 6:
        return False
    window = slice(pool.onset, pool.peak + 2)
    dip = inner[:, window].mean(axis=0) - 1.0
    other = outer[:, window].mean(axis=0) - 1.0
    return bool((dip < -0.12).sum() >= 2 and (other > dip + 0.1).any())
