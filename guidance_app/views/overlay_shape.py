"""The projected model as shapes to stroke and fill, in frame pixels, built once for every overlay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from guidance_app.live.engine.lumen_border import lumen_border
from guidance_app.live.guidance import BranchSeen, Overlay, OverlayPath

Polyline: TypeAlias = Float[np.ndarray, "n 2"]
SEEN: tuple[BranchSeen, ...] = ("never", "earlier", "now")  # a better one covers a worse one
SeenLines: TypeAlias = Mapping[BranchSeen, tuple[Polyline, ...]]

_RANK: dict[BranchSeen, int] = {seen: number + 1 for number, seen in enumerate(SEEN)}
_CLAIM_PX = 4.0  # around a branch's tube: its border lies there
_DENSE_PX = 2.0
_UNKNOWN_WIDTH_PX = 2.0

_TOLERANCE_PX = 0.25  # of a frame pixel; stroking costs by the point, and no eye sees this much
_SUBPIXEL_BITS = 4  # OpenCV's fixed point
_MAX_LINE_PX = 255


class OverlayShape:
    """Polylines in frame pixel EDGES, as Qt counts (the first pixel's centre is at 0.5, 0.5); a closed one ends where
    it began. Halos and the lumen's area are masks on the frame's own pixels.

    The lumen comes from the projected surface, or without one from the centerlines and their widths. Lines come sorted
    by how their branch was last seen; a branch of which nothing is known counts as seen now.

    Args:
        show_unseen: whether branches that this view never saw filled are there at all.
    """

    def __init__(self, overlay: Overlay, *, show_unseen: bool = True) -> None:
        self._overlay = overlay
        self._shown = tuple(line for line in overlay.centerlines if show_unseen or line.seen != "never")
        self._all_shown = len(self._shown) == len(overlay.centerlines)

    @cached_property
    def centerline(self) -> SeenLines:
        return {
            seen: tuple(piece + 0.5 for piece in _thinned(of_kind))
            for seen in SEEN
            if (of_kind := tuple(line for line in self._shown if (line.seen or "now") == seen))
        }

    @cached_property
    def lumen(self) -> SeenLines:
        pieces = self._bordered
        return {seen: tuple(piece + 0.5 for piece in lines) for seen, lines in pieces.items()}

    @cached_property
    def lumen_area(self) -> UInt8[np.ndarray, "rows columns"]:
        """Without the branches that were never seen filled: a filled shape would claim lumen that nobody has seen."""
        area = np.zeros(self._overlay.geometry.shape_px, dtype=np.uint8)
        pieces = [_fixed_point(piece) for piece in _thinned(self._contours)]
        if not pieces:
            return area
        cv2.fillPoly(area, pieces, 255, cv2.LINE_AA, _SUBPIXEL_BITS)
        if any(line.seen == "never" for line in self._shown):
            area[self._claims == _RANK["never"]] = 0
        return area

    @cached_property
    def centerline_halo(self) -> UInt8[np.ndarray, "rows columns"]:
        return self._band({seen: [line - 0.5 for line in lines] for seen, lines in self.centerline.items()})

    @cached_property
    def lumen_halo(self) -> UInt8[np.ndarray, "rows columns"]:
        return self._band(self._bordered)

    @property
    def widest_halo_px(self) -> float:
        return max(self._halo_px(seen) for seen in SEEN)

    @cached_property
    def _contours(self) -> tuple[OverlayPath, ...]:
        if self._overlay.outline and self._all_shown:
            return self._overlay.outline
        no_surface = np.empty((0, 2, 2)), np.empty((0, 2))
        return lumen_border(self._shown, *no_surface, self._overlay.geometry.shape_px)

    @cached_property
    def _bordered(self) -> dict[BranchSeen, list[Float[np.ndarray, "n 2"]]]:
        """The lumen's border, cut where another kind of branch begins."""
        kinds: list[BranchSeen] = [
            seen for seen in SEEN if any((line.seen or "now") == seen for line in self._shown)
        ] or ["now"]
        if len(kinds) == 1:
            return {kinds[0]: _thinned(self._contours)}
        sorted_pieces: dict[BranchSeen, list[Float[np.ndarray, "n 2"]]] = {}
        for contour in self._contours:
            points_px = _dense(contour)
            if len(points_px) < 2:
                continue
            ranks = _ranks_along(points_px, self._claims)
            for begin, end in _runs(ranks):
                piece = points_px[begin : end + 1].astype(np.float32)  # to the next one's first point: no gap
                thin = cv2.approxPolyDP(piece[:, None], _TOLERANCE_PX, False)[:, 0].astype(np.float64)
                if len(thin) > 1:
                    sorted_pieces.setdefault(SEEN[ranks[begin] - 1], []).append(thin)
        return sorted_pieces

    @cached_property
    def _claims(self) -> UInt8[np.ndarray, "rows columns"]:
        """For every pixel the best seen branch whose tube, or its immediate surroundings, covers it; 0 for none."""
        claims = np.zeros(self._overlay.geometry.shape_px, dtype=np.uint8)
        for seen in SEEN:
            lines = [line for line in self._shown if (line.seen or "now") == seen and len(line.width_px)]
            if not lines:
                continue
            # One call a thickness, not one a branch: a cerebral tree has hundreds.
            thick = np.clip(np.rint(_mean_widths(lines) + 2.0 * _CLAIM_PX), 1, _MAX_LINE_PX).astype(int)
            for level in np.unique(thick):
                alike = tuple(line for line, of_line in zip(lines, thick, strict=True) if of_line == level)
                pieces = [_fixed_point(piece) for piece in _whole_pieces(alike)]
                cv2.polylines(claims, pieces, False, _RANK[seen], int(level), cv2.LINE_8, _SUBPIXEL_BITS)
        return claims

    def _halo_px(self, seen: BranchSeen) -> float:
        unseen = self._overlay.unseen_halo_px
        return self._overlay.halo_px if seen == "now" or unseen is None else unseen

    def _band(self, lines: Mapping[BranchSeen, Sequence[Polyline]]) -> UInt8[np.ndarray, "rows columns"]:
        """255 within the halo's distance of the lines, on the frame's own pixels."""
        band = np.zeros(self._overlay.geometry.shape_px, dtype=np.uint8)
        for seen, pieces in lines.items():
            width = int(np.clip(round(2.0 * self._halo_px(seen)), 1, _MAX_LINE_PX))
            # Its edge is faint and magnified smoothly: antialiasing a band this wide would cost most of a paint.
            cv2.polylines(
                band, [_fixed_point(piece) for piece in pieces], False, 255, width, cv2.LINE_8, _SUBPIXEL_BITS
            )
        return band


def _dense(contour: OverlayPath) -> Float[np.ndarray, "n 2"]:
    """Points of a closed border at most two pixels apart, the first one again at the end."""
    around = contour.points_px[_finite_rows(contour.points_px)]
    if len(around) < 2:
        return around
    around = np.concatenate([around, around[:1]]) if contour.closed else around
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(around, axis=0), axis=1))])
    at = np.linspace(0.0, arc[-1], max(2, int(arc[-1] / _DENSE_PX) + 1))
    return np.column_stack([np.interp(at, arc, around[:, axis]) for axis in range(2)])


def _ranks_along(points_px: Float[np.ndarray, "n 2"], claims: UInt8[np.ndarray, "rows columns"]) -> np.ndarray:
    """Rank of the branch that each point borders; surface that no branch covers goes with its neighbours."""
    rows, columns = claims.shape
    column, row = np.rint(points_px).astype(int).T
    ranks = claims[row.clip(0, rows - 1), column.clip(0, columns - 1)].astype(int)
    known = np.flatnonzero(ranks)
    if not len(known):
        return np.full(len(ranks), _RANK["now"])
    at = np.arange(len(ranks))
    after = np.searchsorted(known, at).clip(0, len(known) - 1)
    before = (after - 1).clip(0)
    nearest = np.where(np.abs(known[after] - at) < np.abs(known[before] - at), known[after], known[before])
    return ranks[nearest]


def _runs(ranks: np.ndarray) -> list[tuple[int, int]]:
    """Begin and end (exclusive) of every stretch of one rank."""
    edges = [0, *(np.flatnonzero(np.diff(ranks)) + 1).tolist(), len(ranks)]
    return list(pairwise(edges))


def _thinned(lines: tuple[OverlayPath, ...]) -> list[Float[np.ndarray, "n 2"]]:
    """Finite pieces without the points that no eye would miss; a closed one ends where it began."""
    thinned = []
    whole = _all_finite(lines)
    for line in lines:
        for piece in (slice(None),) if whole else _finite_pieces(line.points_px):
            thin = cv2.approxPolyDP(line.points_px[piece].astype(np.float32)[:, None], _TOLERANCE_PX, line.closed)[:, 0]
            thinned.append(np.concatenate([thin, thin[:1]]) if line.closed else thin)
    return thinned


def _whole_pieces(lines: Sequence[OverlayPath]) -> list[Float[np.ndarray, "n 2"]]:
    """The finite pieces of several lines, with all their points."""
    if _all_finite(lines):
        return [line.points_px for line in lines]
    return [line.points_px[piece] for line in lines for piece in _finite_pieces(line.points_px)]


def _all_finite(lines: Sequence[OverlayPath]) -> bool:
    """Asked of all lines at once: asking each costs more than drawing it."""
    return not lines or bool(np.isfinite(np.concatenate([line.points_px for line in lines])).all())


def _mean_widths(lines: Sequence[OverlayPath]) -> Float[np.ndarray, " lines"]:
    """Mean known width of each line, px; `_UNKNOWN_WIDTH_PX` where none is known. No line may be empty."""
    widths = np.concatenate([line.width_px for line in lines])
    known = np.isfinite(widths)
    starts = np.cumsum([0, *(len(line.width_px) for line in lines[:-1])])
    total = np.add.reduceat(np.where(known, widths, 0.0), starts)
    count = np.add.reduceat(known.astype(int), starts)
    return np.where(count > 0, total / np.maximum(count, 1), _UNKNOWN_WIDTH_PX)


def _fixed_point(points_px: Float[np.ndarray, "n 2"]) -> np.ndarray:
    return np.rint(np.clip(points_px, -4096.0, 16384.0) * 2**_SUBPIXEL_BITS).astype(np.int32)


def _finite_pieces(points_px: Float[np.ndarray, "n 2"]) -> list[slice]:
    """Where the line runs without a break, at least two points long."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], _finite_rows(points_px), [False]]).astype(int))).tolist()
    return [slice(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True) if stop - start > 1]


def _finite_rows(points_px: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
    return np.asarray(np.isfinite(points_px).all(axis=1))
