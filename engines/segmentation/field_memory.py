"""Remember the field of view of a run; search for it again only when a picture contradicts it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int

from engines.angiography.field_of_view import EDGE_MARGIN_PX, find_field_of_view
from engines.angiography.frame import Frame

_SECTORS = 24
_RING_PX = 4
_LEAST_STEP = 0.08  # share of the picture's range; a smaller step (dark anatomy beside a blade) is not judged
_LEAST_TELLING_SHARE = 0.7  # share of sectors that must have a clear step
_KEPT_STEP = 0.6  # share of the original step at which the edge still counts as there
_MOST_BORDER_CHANGE = 0.12  # share of the range; a blade that comes in first changes the border
_SUBSAMPLING = 4
# Search again after this many frames in any case: every four seconds at 15 frames a second.
_LONGEST_FRAMES = 60


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Seen:
    """The found field, and the picture's brightness along its edge.

    Args:
        field: on the working grid; None if no blade was visible.
        pixels: flat indices of the rings along the edge (or the picture's border), inside first.
        sector: sector number of each of these pixels; the outer ring's numbers follow the inner ring's `_SECTORS`.
        step: brightness of each inner sector above the blades, as a share of the range; NaN if it has none.
    """

    field: Bool[np.ndarray, "rows columns"] | None
    pixels: Int[np.ndarray, " n"]
    sector: Int[np.ndarray, " n"]
    step: Float[np.ndarray, " sectors"]


class FieldMemory:
    """Finds the field of view in the pictures of a run, far cheaper than a search in each picture.

    The remembered field is kept while every visible part of its edge is still there: a blade that moves in darkens the
    pixels inside the edge, a blade that moves out brightens those outside (the reverse in inverted pictures). If no
    blade was visible, the picture's border must stay as it was. Any other change causes a new search, as does another
    source, size or geometry.

    Attributes:
        searches: number of searches so far.
    """

    def __init__(self) -> None:
        self._seen: _Seen | None = None
        self._last: Frame | None = None
        self._key: object | None = None
        self._age_frames = 0
        self.searches = 0

    def expect(self, frame: Frame, key: object | None = None) -> None:
        """Announce the frame whose picture comes next; forgets what belongs to another view.

        Args:
            key: the same object for every frame of a view. Without one for both frames their geometries are compared.
        """
        if self._last is not None and not self._same_view(self._last, frame, key):
            self._seen = None
        self._last, self._key = frame, key

    def find(self, picture: Float[np.ndarray, "rows columns"]) -> Bool[np.ndarray, "rows columns"] | None:
        """As `find_field_of_view`, for pictures at the working size."""
        picture = np.ascontiguousarray(picture, np.float32)
        if self._seen is not None and self._age_frames < _LONGEST_FRAMES and _holds(self._seen, picture):
            self._age_frames += 1
            return self._seen.field
        field = find_field_of_view(picture)
        self._seen = _seen(field, picture)
        self._age_frames = 0
        self.searches += 1
        return field

    def _same_view(self, last: Frame, frame: Frame, key: object | None) -> bool:
        if last.shape_px != frame.shape_px or last.source_id != frame.source_id or last.kind != frame.kind:
            return False
        if key is not None and self._key is not None:
            return key is self._key
        return _same_geometry(last, frame)


def _same_geometry(last: Frame, frame: Frame) -> bool:
    if last.geometry is None or frame.geometry is None:
        return last.geometry is frame.geometry
    return frame.geometry.continues(last.geometry)


def _seen(field: Bool[np.ndarray, "rows columns"] | None, picture: Float[np.ndarray, "rows columns"]) -> _Seen:
    open_ = np.ones(picture.shape, np.uint8) if field is None else field.astype(np.uint8)
    inner = open_ - cv2.erode(open_, _square(_RING_PX), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    # The field keeps a margin from the edge; pixels in the margin belong to neither ring.
    outer = cv2.dilate(open_, _square(EDGE_MARGIN_PX + _RING_PX)) - cv2.dilate(open_, _square(EDGE_MARGIN_PX))
    rings = [np.flatnonzero(ring) for ring in (inner, outer)]
    pixels = np.concatenate(rings)
    row, column = np.divmod(pixels, picture.shape[1])
    middle = np.argwhere(open_).mean(axis=0)
    turn = np.arctan2(row - middle[0], column - middle[1]) / (2 * np.pi) + 0.5
    sector = np.minimum((turn * _SECTORS).astype(np.int64), _SECTORS - 1)
    sector[len(rings[0]) :] += _SECTORS
    empty = _Seen(field=field, pixels=pixels, sector=sector, step=np.zeros(_SECTORS))
    return _Seen(field=field, pixels=pixels, sector=sector, step=_steps(empty, picture))


def _holds(seen: _Seen, picture: Float[np.ndarray, "rows columns"]) -> bool:
    if seen.field is not None and seen.field.shape != picture.shape:
        return False
    step = _steps(seen, picture)
    known = np.isfinite(seen.step)
    if not known.any() or not np.isfinite(step[known]).all():
        return False
    if seen.field is None:
        return bool((np.abs(step - seen.step)[known] <= _MOST_BORDER_CHANGE).all())
    telling = known & (np.abs(seen.step) >= _LEAST_STEP)
    if np.count_nonzero(telling) < _LEAST_TELLING_SHARE * np.count_nonzero(known):
        return False
    # The ratio of signed steps: blades are dark, or bright in inverted pictures.
    return bool((step[telling] / seen.step[telling] >= _KEPT_STEP).all())


def _steps(seen: _Seen, picture: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, " sectors"]:
    """Brightness inside the edge minus that of the blades outside (without a blade: of the darkest part), by sector."""
    sample = picture[::_SUBSAMPLING, ::_SUBSAMPLING]
    low, high = np.partition(sample.ravel(), [sample.size // 200, -1 - sample.size // 200])[
        [sample.size // 200, -1 - sample.size // 200]
    ]
    if not high > low:
        return np.full(_SECTORS, np.nan)
    values = picture.ravel()[seen.pixels]
    count = np.bincount(seen.sector, minlength=2 * _SECTORS)
    total = np.bincount(seen.sector, values, minlength=2 * _SECTORS)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / count
    inner, outer = mean[:_SECTORS], mean[_SECTORS:]
    blades = total[_SECTORS:].sum() / count[_SECTORS:].sum() if count[_SECTORS:].any() else low
    # Where the edge is the picture's border, there are no pixels outside it.
    return (inner - np.where(count[_SECTORS:] > 0, outer, blades)) / (high - low)


def _square(reach_px: int) -> np.ndarray:
    return np.ones((2 * reach_px + 1,) * 2, np.uint8)
