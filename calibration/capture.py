"""Calibrate a captured screen: the place of the X-ray picture, burned-in text, and the size of a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer, UInt8
from scipy import ndimage

from calibration.errors import InputError

_BAR_TOLERANCE = 10  # grey values; lossy video varies a flat bar by a few
_MIN_BAR_BORDER_SHARE = 0.5
_TEXT_STROKE_PX = 7  # thinner structures are text or lines, not picture
_MIN_REGION_SHARE = 0.05
_STATIC_RANGE = 8  # grey values over time; compression changes static pixels a little
_TEXT_CONTRAST, _TEXT_CONTRAST_STILL = 50, 90  # grey values above the surroundings
_LETTER_GAP_PX = 9
_MIN_TEXT_HEIGHT_PX, _MAX_TEXT_HEIGHT_SHARE, _MIN_TEXT_WIDTH_PX = 5, 0.12, 6
_TEXT_MARGIN_PX = 3
_MIN_STROKE_SHARE = 0.08  # smallest share of a text box that its strokes fill
_MIN_DISC_PX, _MAX_DISC_ASPECT, _THRESHOLDS = 12, 1.25, 20
_LEAST_STEP_SHARE = 0.3  # smallest step at a disc's edge, relative to the median step around it


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box of pixels: columns column .. column + width - 1, rows row .. row + height - 1."""

    column: int
    row: int
    width: int
    height: int

    def as_list(self) -> list[int]:
        return [self.column, self.row, self.width, self.height]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disc:
    """The picture of a round object: an ellipse with axes along columns and rows."""

    column_px: float
    row_px: float
    width_px: float
    height_px: float


def active_region(frames: UInt8[np.ndarray, "frames rows columns"], *, source: str) -> Box:
    """The part of the screen that shows the picture, without bars at its sides.

    A bar is constant over place and time and reaches the screen's border; a bar with text on it is still a bar.

    Raises:
        InputError: the screen shows only bars, or the picture is too small.
    """
    low, high = frames.min(axis=0), frames.max(axis=0)
    bar = _bar_level(low, high)
    shape = low.shape
    if bar is None:
        return Box(column=0, row=0, width=shape[1], height=shape[0])
    flat = (np.abs(low.astype(int) - bar) <= _BAR_TOLERANCE) & (np.abs(high.astype(int) - bar) <= _BAR_TOLERANCE)
    labels, _ = _pieces(flat)
    border = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    picture = ~np.isin(labels, border[border > 0])
    solid = ndimage.binary_opening(picture, np.ones((_TEXT_STROKE_PX, _TEXT_STROKE_PX)))
    regions, count = _pieces(solid)
    if not count:
        raise InputError(f"{source}: the screen shows one flat grey; capture it while a picture is on it")
    sizes = ndimage.sum_labels(solid, regions, np.arange(1, count + 1))
    rows, columns = ndimage.find_objects((regions == 1 + int(np.argmax(sizes))).astype(int))[0]
    box = Box(column=columns.start, row=rows.start, width=columns.stop - columns.start, height=rows.stop - rows.start)
    if box.width * box.height < _MIN_REGION_SHARE * shape[0] * shape[1]:
        raise InputError(
            f"{source}: the largest picture on the screen is {box.width} x {box.height} pixels, less than "
            f"{100 * _MIN_REGION_SHARE:g} % of it; enlarge the picture on the captured screen"
        )
    return box


def text_boxes(frames: UInt8[np.ndarray, "frames rows columns"], region: Box) -> list[Box]:
    """Boxes of burned-in text and marks inside the region, in pixels of the whole screen.

    Over several frames, text is recognised as static while the picture's noise changes. In a single frame only bright,
    thin strokes count, so a video finds more text.
    """
    part = frames[:, region.row : region.row + region.height, region.column : region.column + region.width]
    middle = np.median(part, axis=0).astype(np.float64)
    size = (_TEXT_STROKE_PX, _TEXT_STROKE_PX)
    bright = middle - ndimage.grey_opening(middle, size=size)
    strokes = bright > _TEXT_CONTRAST_STILL
    if len(part) > 1:
        spread = part.max(axis=0).astype(int) - part.min(axis=0)
        if np.median(spread) > _STATIC_RANGE / 2:  # the picture changes, so whatever does not is drawn on it
            still = spread <= _STATIC_RANGE
            dark = ndimage.grey_closing(middle, size=size) - middle
            strokes = still & ((bright > _TEXT_CONTRAST) | (dark > _TEXT_CONTRAST))
    return _boxes(strokes, region)


def spacing_from_points(
    known_mm: float, first_px: tuple[float, float], second_px: tuple[float, float], region: Box, *, source: str
) -> tuple[float, float]:
    """(row, column) spacing in the object's plane, from two points (column, row) at a known distance.

    Pixels are assumed to be square; a disc would give both spacings.

    Raises:
        InputError: the points coincide or lie outside the region, or the distance is implausible.
    """
    for column, row in (first_px, second_px):
        if not (
            region.column <= column <= region.column + region.width - 1
            and region.row <= row <= region.row + region.height - 1
        ):
            raise InputError(
                f"{source}: point ({column:g}, {row:g}) lies outside the picture, which is columns {region.column} to "
                f"{region.column + region.width - 1} and rows {region.row} to {region.row + region.height - 1}"
            )
    distance = float(np.hypot(first_px[0] - second_px[0], first_px[1] - second_px[1]))
    if distance < _MIN_DISC_PX:
        raise InputError(
            f"{source}: the points are {distance:.1f} px apart; choose points {_MIN_DISC_PX} px or more apart"
        )
    spacing = _checked_spacing(known_mm / distance, source)
    return spacing, spacing


def find_disc(frames: UInt8[np.ndarray, "frames rows columns"], region: Box, *, source: str) -> Disc:
    """The dark or bright disc (a coin, a ball) that stands out most.

    Raises:
        InputError: no disc was found.
    """
    part = frames[:, region.row : region.row + region.height, region.column : region.column + region.width]
    picture = ndimage.gaussian_filter(part.mean(axis=0, dtype=np.float64), 1.0)
    found: list[tuple[float, Disc]] = []
    for signed in (-picture, picture):
        low, high = np.quantile(signed, [0.02, 0.998])
        for threshold in np.linspace(low, high, _THRESHOLDS + 2)[1:-1]:
            found += _discs(signed, float(threshold))
    if not found:
        raise InputError(
            f"{source}: no disc was found; lay one dense disc or ball clear of anatomy and of the picture's border, "
            "or give --known-mm and --points"
        )
    disc = max(found, key=lambda entry: entry[0])[1]
    return Disc(
        column_px=disc.column_px + region.column,
        row_px=disc.row_px + region.row,
        width_px=disc.width_px,
        height_px=disc.height_px,
    )


def spacing_from_disc(diameter_mm: float, disc: Disc, *, source: str) -> tuple[float, float]:
    """(row, column) spacing in the disc's plane. Raises InputError for an implausible diameter."""
    return (
        _checked_spacing(diameter_mm / disc.height_px, source),
        _checked_spacing(diameter_mm / disc.width_px, source),
    )


def _checked_spacing(spacing_mm: float, source: str) -> float:
    if not 0.01 <= spacing_mm <= 10.0:
        raise InputError(f"{source}: a pixel would be {spacing_mm:.4g} mm, expected 0.01 to 10; check the size in mm")
    return float(spacing_mm)


def _bar_level(low: UInt8[np.ndarray, "rows columns"], high: UInt8[np.ndarray, "rows columns"]) -> int | None:
    """The bars' grey value; None if the picture reaches the screen's border."""
    border = np.concatenate(
        [edge for image in (low, high) for edge in (image[0], image[-1], image[:, 0], image[:, -1])]
    )
    level = int(np.bincount(border, minlength=256).argmax())
    share = (np.abs(border.astype(int) - level) <= _BAR_TOLERANCE).mean()
    return level if share >= _MIN_BAR_BORDER_SHARE else None


def _pieces(
    mask: Bool[np.ndarray, "rows columns"], neighbours: Float[np.ndarray, "3 3"] | None = None
) -> tuple[Integer[np.ndarray, "rows columns"], int]:
    """Connected pieces, numbered from 1 on a background of 0, and their number."""
    labels, count = ndimage.label(mask, neighbours)  # pyright: ignore[reportGeneralTypeIssues] - a number only with `output`
    return labels, count


def _boxes(strokes: Bool[np.ndarray, "rows columns"], region: Box) -> list[Box]:
    joined = ndimage.binary_dilation(strokes, np.ones((3, _LETTER_GAP_PX)))
    labels, _ = _pieces(joined, np.ones((3, 3)))
    boxes = []
    for index, place in enumerate(ndimage.find_objects(labels), start=1):
        rows, columns = np.nonzero(strokes[place] & (labels[place] == index))
        top, left = place[0].start + rows.min(), place[1].start + columns.min()
        height, width = int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
        if not _MIN_TEXT_HEIGHT_PX <= height <= max(_MAX_TEXT_HEIGHT_SHARE * region.height, 24):
            continue
        if width < _MIN_TEXT_WIDTH_PX or len(rows) < _MIN_STROKE_SHARE * width * height:
            continue
        first_row, first_column = max(top - _TEXT_MARGIN_PX, 0), max(left - _TEXT_MARGIN_PX, 0)
        boxes.append(
            Box(
                column=region.column + int(first_column),
                row=region.row + int(first_row),
                width=int(min(left + width + _TEXT_MARGIN_PX, region.width) - first_column),
                height=int(min(top + height + _TEXT_MARGIN_PX, region.height) - first_row),
            )
        )
    return sorted(boxes, key=lambda box: (box.row, box.column))


def _discs(picture: Float[np.ndarray, "rows columns"], threshold: float) -> list[tuple[float, Disc]]:
    """Discs among the spots above the threshold, with the sharpness of their edge."""
    labels, count = _pieces(picture > threshold)
    if not count or count > 500:
        return []
    found = []
    for index, place in enumerate(ndimage.find_objects(labels), start=1):
        rows, columns = place
        height, width = rows.stop - rows.start, columns.stop - columns.start
        inside = rows.start > 2 and columns.start > 2 and rows.stop < len(picture) - 2
        if not inside or columns.stop >= picture.shape[1] - 2 or min(height, width) < _MIN_DISC_PX:
            continue
        if max(height, width) > _MAX_DISC_ASPECT * min(height, width):
            continue
        blob = ndimage.binary_fill_holes(labels[place] == index)
        fitted = _ellipse(picture, place, blob)  # pyright: ignore[reportArgumentType] - None only with `output`
        if fitted is not None:
            found.append(fitted)
    return found


def _ellipse(
    picture: Float[np.ndarray, "rows columns"], place: tuple[slice, slice], blob: Bool[np.ndarray, "h w"]
) -> tuple[float, Disc] | None:
    """The disc with its edge at half height; None if the shape is no filled ellipse along the axes."""
    rows, columns = place
    down, across = np.nonzero(blob)
    row, column = rows.start + down.mean(), columns.start + across.mean()
    # The variance of a filled ellipse is a quarter of its squared half axis; a pixel's width adds a twelfth.
    half_height = 2 * np.sqrt(max(down.var() - 1 / 12, 0.1))
    half_width = 2 * np.sqrt(max(across.var() - 1 / 12, 0.1))
    inside_row, inside_column = np.mgrid[rows, columns]
    distance = np.hypot((inside_row - row) / half_height, (inside_column - column) / half_width)
    filled = blob.sum() / (np.pi * half_height * half_width)
    if not 0.93 < filled < 1.07 or (distance <= 1)[blob].mean() < 0.95:
        return None
    # Check the edge all around: the background may slope, but the step must exist on every side.
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    across_edge = [
        ndimage.map_coordinates(
            picture,
            [row + share * half_height * np.sin(angle), column + share * half_width * np.cos(angle)],
            order=1,
            mode="nearest",
        )
        for share in (0.85, 1.2)
    ]
    steps = across_edge[0] - across_edge[1]
    step = float(np.median(steps))
    if step <= 0 or np.quantile(steps, 0.1) < _LEAST_STEP_SHARE * step:
        return None
    height_px = _diameter(picture, row, column, half_height, half_width, axis=0)
    width_px = _diameter(picture, row, column, half_width, half_height, axis=1)
    if height_px is None or width_px is None:
        return None
    disc = Disc(column_px=float(column), row_px=float(row), width_px=width_px, height_px=height_px)
    return step * float(np.sqrt(blob.sum())), disc


def _diameter(
    picture: Float[np.ndarray, "rows columns"], row: float, column: float, half: float, other_half: float, *, axis: int
) -> float | None:
    """The diameter along an axis, from rays near that axis that cross the edge at half height."""
    widths = []
    for tilt in np.deg2rad(np.linspace(-20, 20, 9)):
        ends = []
        for sign in (-1, 1):
            # In the ellipse's own coordinates, so that the other axis has no influence.
            radius = np.arange(0.6 * half, 1.4 * half, 0.25)
            along, aside = sign * radius * np.cos(tilt), radius * np.sin(tilt) * other_half / half
            at = np.array([row + along, column + aside]) if axis == 0 else np.array([row + aside, column + along])
            profile = ndimage.map_coordinates(picture, at, order=1, mode="nearest")
            quarter = len(profile) // 4
            level = (np.median(profile[:quarter]) + np.median(profile[-quarter:])) / 2
            below = np.nonzero(profile < level)[0]
            if not len(below) or below[0] == 0:
                return None
            k = below[0]
            ends.append(radius[k - 1] + 0.25 * (profile[k - 1] - level) / max(profile[k - 1] - profile[k], 1e-9))
        widths.append(sum(ends))
    return float(np.median(widths))
