"""The picture of a perfusion study without a CT: bull's eye, walls, maps and curves of each slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import ndimage
from skimage.measure import find_contours

from engines.cmr.perfusion.segments import SegmentPerfusion
from engines.cmr.perfusion.slice_perfusion import SlicePerfusion
from engines.cmr.results import bulls_eye
from engines.cmr.results.drawing import CMR_LINE, FAINT, INK, SCALE, Canvas, colours

_SIDE, _MOST, _ROWS = 250, 1.25, 4


def perfusion_figure(
    slices: Sequence[SlicePerfusion], table: Mapping[int, SegmentPerfusion], flags: Sequence[str], case: str
) -> bytes:
    """PNG of the page; per cent of the 80th percentile of the segments, since no lesion tells what is remote."""
    shown = list(slices)[:_ROWS]
    canvas = Canvas(1420, max(600, 110 + len(shown) * (_SIDE + 14)))
    canvas.text(28, 20, "Stress-perfusion CMR", size=22, bold=True)
    canvas.text(28, 50, f"{case} · research use only, not a medical device", size=13, colour=FAINT)
    values = {k: one.relative_upslope for k, one in table.items()}
    known = [value for value in values.values() if value is not None]
    remote = float(np.percentile(known, 80)) if known else 1.0
    canvas.text(28, 84, "Relative upslope, % of the best-perfused segments", size=15, bold=True)
    bulls_eye.draw_perfusion(canvas, 40, 116, 380, values, remote, None, _MOST)
    bulls_eye.draw_scale(canvas, 40, 510, 220, _MOST)
    words = "Look before you trust: " + ", ".join(flags) if flags else "No flag was raised."
    canvas.wrapped(28, 548, words, 400, size=13, colour=(170, 20, 90) if flags else INK)
    for row, part in enumerate(shown):
        y = 84 + row * (_SIDE + 14)
        _wall(canvas, 460, y, part)
        _map(canvas, 460 + _SIDE + 8, y, part, remote)
        _curve(canvas, 460 + 2 * (_SIDE + 8) + 24, y + 18, 380, _SIDE - 60, part)
    return canvas.png()


def _grid(part: SlicePerfusion) -> tuple[np.ndarray, float]:
    half = 52.0
    ticks = np.linspace(-half, half, _SIDE * SCALE)
    c = part.wall.centre_px[0] + ticks / part.part.pixel_mm[0]
    r = part.wall.centre_px[1] + ticks / part.part.pixel_mm[1]
    rows, columns = np.meshgrid(r, c, indexing="ij")
    return np.stack([columns, rows]), half


def _picture(part: SlicePerfusion, where: np.ndarray) -> np.ndarray:
    frames = part.aligned[..., max(part.pool.peak - 1, 0) : part.pool.peak + 8].mean(axis=2)
    top = float(np.percentile(frames[part.wall.pool], 80)) if part.wall.pool.any() else float(frames.max())
    grey = np.clip(ndimage.map_coordinates(frames, where, order=1, mode="constant") / top, 0, 1) ** 0.8
    return np.repeat((255 * grey).astype(np.uint8)[..., None], 3, axis=2)


def _wall(canvas: Canvas, x: float, y: float, part: SlicePerfusion) -> None:
    where, _ = _grid(part)
    canvas.paste(_picture(part, where), x, y)
    for mask, colour in ((part.wall.wall, CMR_LINE), (part.wall.right_pool, (86, 180, 233))):
        soft = ndimage.map_coordinates(mask.astype(np.float64), where, order=1, mode="constant")
        for line in find_contours(soft, 0.5):
            if len(line) > 30:
                canvas.line(line[:, ::-1] / SCALE + [x, y], colour, 1.6)
    canvas.text(x + 6, y + 4, part.part.name, size=11, colour=(255, 255, 255))


def _map(canvas: Canvas, x: float, y: float, part: SlicePerfusion, remote: float) -> None:
    where, _ = _grid(part)
    picture = _picture(part, where)
    wall = ndimage.map_coordinates(part.wall.wall.astype(np.float64), where, order=1, mode="constant") >= 0.5
    values = part.spread(part.upslope_per_s / part.pool.upslope_per_s) / remote / _MOST
    picture[wall] = colours(ndimage.map_coordinates(values, where, order=1, mode="nearest"))[wall]
    canvas.paste(picture, x, y)


def _curve(canvas: Canvas, x: float, y: float, width: float, height: float, part: SlicePerfusion) -> None:
    times = part.part.times_ms / 1000.0
    span = times[-1] - times[0]
    wall = part.curves.mean(axis=0)
    for values, colour, top in (
        (part.pool.signal, INK, part.pool.signal.max()),
        (wall, (31, 130, 142), 1.9 * wall.max()),
    ):
        line = np.stack(
            [x + (times - times[0]) / span * width, y + height - (values - 0.9) / (top - 0.9) * height], axis=1
        )
        canvas.line(line, colour, 1.8)
    canvas.line(np.array([[x, y + height], [x + width, y + height]]), INK, 1.0)
    for frame in (part.window()[0], min(part.window()[1], len(times) - 1)):
        at = x + (times[frame] - times[0]) / span * width
        canvas.line(np.array([[at, y], [at, y + height]]), (200, 203, 208), 1.0)
    for second in range(0, int(span) + 1, 10):
        canvas.text(x + second / span * width, y + height + 4, f"{second} s", size=11, colour=FAINT, anchor="ma")
    for frame in part.motion.excluded:
        canvas.text(
            x + (times[frame] - times[0]) / span * width,
            y + height - 8,
            "×",
            size=14,
            colour=(170, 20, 90),
            anchor="mm",
        )
    moved = float(np.linalg.norm(part.motion.shift_px * part.part.pixel_mm[:, None], axis=0).max())
    words = (
        f"LV pool (black, peak {part.pool.signal.max():.1f} of baseline) and wall (green); motion up to {moved:.1f} mm"
    )
    canvas.text(x, y + height + 22, words, size=11, colour=FAINT)
