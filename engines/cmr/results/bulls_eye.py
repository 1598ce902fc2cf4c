"""Bull's eyes: segments of perfusion with the patient's own territory borders, and the territories themselves.

Seen from the apex: anterior wall on top, septum left, base outside (Cerqueira 2002).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int
from scipy import ndimage

from engines.cmr.heart.lv_frame import aha_segments
from engines.cmr.results.drawing import FAINT, INK, PAPER, SCALE, UNKNOWN, VESSEL_COLOURS, Canvas, colours

LEVEL_BINS, ANGLE_BINS = 30, 120
_CORE = 0.13  # radius of segment 17, as a share of the plot's
_START_DEG = 120.0  # where the anterior insertion lies, counter-clockwise from the right


def polar_table(
    level: Float[np.ndarray, " n"], degrees: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "30 120"]:
    """Mean of values by level and angle; empty cells take their neighbours'."""
    inside = (level >= 0) & (level < 1) & np.isfinite(values)
    row = (level[inside] * LEVEL_BINS).astype(int)
    column = (degrees[inside] / 360.0 * ANGLE_BINS).astype(int) % ANGLE_BINS
    total, count = np.zeros((LEVEL_BINS, ANGLE_BINS)), np.zeros((LEVEL_BINS, ANGLE_BINS))
    np.add.at(total, (row, column), values[inside])
    np.add.at(count, (row, column), 1.0)
    soft = [ndimage.gaussian_filter(table, (0.7, 1.0), mode=("nearest", "wrap")) for table in (total, count)]  # pyright: ignore[reportArgumentType]
    known = count > 0
    if not known.any():
        return np.zeros((LEVEL_BINS, ANGLE_BINS))
    mean = soft[0] / np.maximum(soft[1], 1e-9)
    near = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return mean[tuple(near)]  # pyright: ignore[reportArgumentType]


def vessel_table(level: np.ndarray, degrees: np.ndarray, vessel: Int[np.ndarray, " n"]) -> Int[np.ndarray, "30 120"]:
    shares = np.stack([polar_table(level, degrees, (vessel == k).astype(np.float64)) for k in (1, 2, 3)])
    return shares.argmax(axis=0) + 1


class _Plot:
    """Coordinates of one plot, at twice its size."""

    def __init__(self, side: int) -> None:
        self.side = side
        n = side * SCALE
        self.radius = 0.5 * n - 2 * SCALE
        y, x = np.mgrid[0:n, 0:n].astype(np.float64)
        dx, dy = x - 0.5 * (n - 1), 0.5 * (n - 1) - y
        share = np.hypot(dx, dy) / self.radius
        self.share = share
        self.level = (share - _CORE) / (1.0 - _CORE)
        self.degrees = (np.rad2deg(np.arctan2(dy, dx)) - _START_DEG) % 360.0
        self.inside = share <= 1.0
        self.core = share < _CORE
        self.segment = np.where(
            self.inside, np.where(self.core, 17, aha_segments(np.clip(self.level, 0, 0.9999), self.degrees)), 0
        )

    def sampled(self, table: np.ndarray) -> np.ndarray:
        row = np.clip(self.level * LEVEL_BINS, 0, LEVEL_BINS - 1e-6).astype(int)
        column = (self.degrees / 360.0 * ANGLE_BINS).astype(int) % ANGLE_BINS
        return table[row, column]

    def smooth(self, table: np.ndarray) -> np.ndarray:
        wide = np.concatenate([table[:, -1:], table, table[:, :1]], axis=1)
        row = np.clip(self.level * LEVEL_BINS - 0.5, 0, LEVEL_BINS - 1)
        column = self.degrees / 360.0 * ANGLE_BINS + 0.5
        return ndimage.map_coordinates(wide, [row, column], order=1, mode="nearest")

    def smooth_labels(self, table: np.ndarray) -> np.ndarray:
        """Labels with smooth borders: each label's share interpolated, the largest kept."""
        return np.stack([self.smooth((table == k).astype(np.float64)) for k in (1, 2, 3)]).argmax(axis=0) + 1

    def edges(self, labels: np.ndarray, width: float) -> np.ndarray:
        change = np.zeros(labels.shape, dtype=bool)
        change[:, 1:] |= labels[:, 1:] != labels[:, :-1]
        change[1:] |= labels[1:] != labels[:-1]
        far = np.asarray(ndimage.distance_transform_edt(~change)) if change.any() else np.full(labels.shape, 1e9)
        return (far <= 0.5 * width * SCALE) & (self.share <= 1.0 + 2.0 / self.radius)

    def place(self, segment: int) -> tuple[float, float]:
        where = np.argwhere(self.segment == segment)
        y, x = where.mean(axis=0)
        if segment != 17:  # the middle of a ring's piece lies on its arc
            dx, dy = x - 0.5 * self.side * SCALE, y - 0.5 * self.side * SCALE
            own = self.share[self.segment == segment].mean() * self.radius
            stretch = own / max(float(np.hypot(dx, dy)), 1e-6)
            x, y = 0.5 * self.side * SCALE + dx * stretch, 0.5 * self.side * SCALE + dy * stretch
        return float(x) / SCALE, float(y) / SCALE


def draw_perfusion(
    canvas: Canvas,
    x: float,
    y: float,
    side: int,
    values: Mapping[int, float | None],
    remote: float,
    territory: Int[np.ndarray, "30 120"] | None,
    most: float,
) -> None:
    """Segments coloured by upslope in per cent of remote, AHA borders thin, the patient's territory borders bold."""
    plot = _Plot(side)
    share = np.full(18, np.nan)
    for segment, value in values.items():
        share[segment] = np.nan if value is None else value / remote / most
    picture = np.where(plot.inside[..., None], colours(share[plot.segment]), PAPER).astype(np.uint8)
    picture[plot.edges(plot.segment, 1.2)] = PAPER
    if territory is not None:
        labels = np.where(plot.inside & ~plot.core, plot.sampled(territory), 0)
        border = (
            plot.edges(np.where(plot.inside, plot.smooth_labels(territory), 0), 3.4) & ~plot.core & (plot.share < 0.995)
        )
        picture[border & (labels > 0)] = INK
    canvas.paste(picture, x, y)
    for segment in range(1, 18):
        px, py = plot.place(segment)
        value = values.get(segment)
        light = value is None or value / remote / most > 0.62
        colour = INK if light else PAPER
        if value is None:
            canvas.text(x + px, y + py, f"{segment}", size=11, colour=FAINT, anchor="mm")
        else:
            canvas.text(x + px, y + py - 7, f"{100 * value / remote:.0f} %", size=15, colour=colour, anchor="mm")
            canvas.text(x + px, y + py + 9, f"{value:.3f}", size=10, colour=colour, anchor="mm")


def draw_territories(
    canvas: Canvas,
    x: float,
    y: float,
    side: int,
    territory: Int[np.ndarray, "30 120"],
    shared: Float[np.ndarray, "30 120"],
    outlines: list[Float[np.ndarray, "30 120"]],
    defaults: Mapping[int, str],
) -> None:
    """Vessels in colour, pale where two share; dashed: the population's borders; white: walls beyond stenoses."""
    plot = _Plot(side)
    vessel = plot.smooth_labels(territory)
    names = ("LAD", "LCx", "RCA")
    palette = np.array([UNKNOWN, *(VESSEL_COLOURS[name] for name in names)], dtype=np.float64)
    colour = palette[vessel]
    pale = np.clip(plot.smooth(shared), 0, 1)[..., None] * 0.45
    colour = (1 - pale) * colour + pale * 255.0
    colour[plot.core] = UNKNOWN
    picture = np.where(plot.inside[..., None], colour, PAPER).astype(np.uint8)
    picture[plot.edges(plot.segment, 0.7)] = (235, 235, 235)
    default = np.zeros(18, dtype=int)
    for segment, name in defaults.items():
        default[segment] = names.index(name) + 1
    dashed = plot.edges(np.where(plot.core, 0, default[plot.segment]), 2.0) & ~plot.core & (plot.share < 0.985)
    beat = ((plot.level * 24).astype(int) + (plot.degrees / 5.0).astype(int)) % 2 == 0
    picture[dashed & beat] = INK
    for outline in outlines:
        region = plot.inside & ~plot.core & (plot.smooth(outline) > 0.5)
        edge = plot.edges(region.astype(int), 4.5)
        picture[edge] = PAPER
        picture[plot.edges(region.astype(int), 2.2)] = (170, 20, 90)
    canvas.paste(picture, x, y)
    for k, name in enumerate(names, start=1):
        where = np.argwhere((vessel == k) & plot.inside & ~plot.core)
        if len(where) > 200:
            far = np.asarray(ndimage.distance_transform_edt((vessel == k) & plot.inside & ~plot.core))
            py, px = np.unravel_index(int(far.argmax()), far.shape)
            canvas.text(x + px / SCALE, y + py / SCALE, name, size=17, colour=PAPER, anchor="mm", bold=True)


def draw_scale(canvas: Canvas, x: float, y: float, width: int, most: float) -> None:
    """The fixed window: 0 to `most` of remote."""
    ramp = colours(np.linspace(0, 1, width * SCALE))[None].repeat(10 * SCALE, axis=0)
    canvas.paste(np.ascontiguousarray(ramp, dtype=np.uint8), x, y)
    for share in (0.0, 0.5, 1.0):
        canvas.text(x + width * share / most, y + 14, f"{100 * share:.0f}", size=11, anchor="ma")
    canvas.text(x + width + 8, y - 2, "% of remote", size=11, colour=FAINT)
    grey = np.full((10 * SCALE, 16 * SCALE, 3), UNKNOWN, dtype=np.uint8)
    canvas.paste(grey, x + width + 84, y)
    canvas.text(x + width + 104, y - 2, "not seen", size=11, colour=FAINT)
