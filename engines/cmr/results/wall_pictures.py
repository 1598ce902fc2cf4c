"""Short-axis pictures of CT and CMR at the same level and turn, with both walls, and the perfusion map."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from scipy import ndimage
from skimage.measure import find_contours

from engines.cmr.fusion.elastic import SliceLink, carried_wall
from engines.cmr.fusion_result import Fusion
from engines.cmr.perfusion.slice_perfusion import SlicePerfusion
from engines.cmr.results.drawing import CMR_LINE, CT_LINE, SCALE, Canvas, colours

_HALF_MM = 56.0
_LEAN_MM = 10.0  # the picture's middle lies this far towards the septum, so that the RV is in it


def _grid(fusion: Fusion, level: float, side: int) -> Float[np.ndarray, "h w 3"]:
    """LPS of the picture's pixels: septum left, anterior wall on top, as seen from the apex."""
    frame = fusion.model.frame
    ticks = np.linspace(-_HALF_MM, _HALF_MM, side * SCALE)
    right, up = np.meshgrid(ticks, -ticks)
    middle = frame.apex_mm + level * frame.length_mm * frame.axis + _LEAN_MM * frame.right
    return middle - right[..., None] * frame.right + up[..., None] * frame.anterior


def ct_picture(canvas: Canvas, x: float, y: float, side: int, fusion: Fusion, link: SliceLink) -> None:
    points = _grid(fusion, link.level, side)
    heart = fusion.heart
    hu = heart.sampled(heart.hu + 1024.0, points) - 1024.0
    grey = np.clip((hu + 150.0) / 750.0, 0, 1)
    canvas.paste(_grey(grey), x, y)
    _contours(canvas, x, y, heart.sampled(heart.masks["lv_wall"], points), CT_LINE)
    carried = carried_wall(fusion.model, (link,), points.reshape(-1, 3)).reshape(points.shape[:2])
    _contours(canvas, x, y, ndimage.gaussian_filter(carried.astype(np.float64), 1.5), CMR_LINE)


def cmr_picture(
    canvas: Canvas,
    x: float,
    y: float,
    side: int,
    fusion: Fusion,
    link: SliceLink,
    part: SlicePerfusion,
    *,
    overlay: bool,
    most: float,
) -> None:
    """The CMR at the same place in the heart's frame; with `overlay` its relative upslope in per cent of remote."""
    points = _grid(fusion, link.level, side)
    index = link.pixel(points @ link.cmr_from_ct[:3, :3].T + link.cmr_from_ct[:3, 3])
    where = np.moveaxis(index[..., :2], -1, 0)
    frames = part.aligned[..., max(part.pool.peak - 1, 0) : part.pool.peak + 8].mean(axis=2)
    top = float(np.percentile(frames[part.wall.pool], 80)) if part.wall.pool.any() else float(frames.max())
    grey = np.clip(ndimage.map_coordinates(frames, where, order=1, mode="constant") / top, 0, 1) ** 0.8
    picture = _grey(grey)
    wall = ndimage.map_coordinates(part.wall.wall.astype(np.float64), where, order=1, mode="constant")
    if overlay:
        values = part.spread(part.upslope_per_s / fusion.pool_per_s) / fusion.remote / most
        colour = colours(ndimage.map_coordinates(values, where, order=1, mode="nearest"))
        picture[wall >= 0.5] = colour[wall >= 0.5]
    canvas.paste(picture, x, y)
    if not overlay:
        _contours(canvas, x, y, wall, CMR_LINE)


def _grey(share: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    return np.repeat((255 * share).astype(np.uint8)[..., None], 3, axis=2)


def _contours(canvas: Canvas, x: float, y: float, mask: np.ndarray, colour: tuple[int, int, int]) -> None:
    for line in find_contours(mask, 0.5):
        if len(line) > 30:
            canvas.line(line[:, ::-1] / SCALE + [x, y], colour, 1.6)
