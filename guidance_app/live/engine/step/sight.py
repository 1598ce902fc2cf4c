"""How each branch was last seen in this view: filled on this frame, filled on an earlier one, or never.

A pose is borne out by the vessels that were filled. Of a branch that no contrast has reached it says where the CT had
it, and nothing has checked that.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int

from guidance_app.live.engine.step.door import ViewKey
from guidance_app.live.guidance import BranchSeen, Overlay

_NEAR_MM = 1.5  # in the isocentre plane: how far a filled lumen may lie beside the line that it is taken for
_FILLED_SHARE = 0.6  # of a branch's points within the picture; unfilled ones that cross filled ones reach a third
_LEAST_POINTS = 4  # a millimetre apart; less of a branch within the picture is not judged
_LEAST_FRAMES = 3  # that show it filled: one bad segmentation must not vouch for a branch
_SAME_PLACE_MM = 5.0  # a pose from elsewhere that moves the model by more starts anew


class BranchSight:
    """For one thread; what it remembers belongs to one view, and may be lost (a restarted engine) without harm."""

    def __init__(self) -> None:
        self._key: ViewKey | None = None
        self._generation = 0
        self._points_px = np.empty((0, 2))
        self._frames: Int[np.ndarray, " branches"] = np.zeros(0, dtype=int)

    def marked(
        self,
        overlay: Overlay,
        key: ViewKey | None,
        filled: Bool[np.ndarray, "rows columns"] | None,
        *,
        still_picture: bool = False,
    ) -> Overlay:
        """The overlay, each of its branches with how it was last seen.

        Args:
            filled: where this frame shows contrast; None where its vessels do not bear the pose out.
            still_picture: no others will follow that could show a branch again.
        """
        lines = overlay.centerlines
        if not lines:
            return overlay
        points_px = np.concatenate([line.points_px for line in lines])
        self._forget_another_place(overlay, key, points_px, len(lines))
        now = np.zeros(len(lines), dtype=bool)
        if filled is not None:
            splits = np.cumsum([0, *(len(line.points_px) for line in lines)])
            now = _covered(points_px, splits, filled, _NEAR_MM / overlay.geometry.isocentre_mm_per_px)
            self._frames += now
        enough = self._frames >= (1 if still_picture else _LEAST_FRAMES)
        marked = (replace(line, seen=_seen(*state)) for line, *state in zip(lines, enough, now, strict=True))
        return replace(overlay, centerlines=tuple(marked))

    def _forget_another_place(
        self, overlay: Overlay, key: ViewKey | None, points_px: Float[np.ndarray, "n 2"], branches: int
    ) -> None:
        moved_px = np.inf
        if len(points_px) == len(self._points_px):
            moved_px = float(np.nanmedian(np.linalg.norm(points_px - self._points_px, axis=1)))
        elsewhere = (
            overlay.generation != self._generation
            and moved_px * overlay.geometry.isocentre_mm_per_px > _SAME_PLACE_MM
        )  # fmt: skip
        if key is not self._key or len(self._frames) != branches or elsewhere:
            self._frames = np.zeros(branches, dtype=int)
        self._key, self._generation, self._points_px = key, overlay.generation, points_px


def _seen(enough: bool, now: bool) -> BranchSeen:
    if not enough:
        return "never"
    return "now" if now else "earlier"


def _covered(
    points_px: Float[np.ndarray, "n 2"],
    splits: Int[np.ndarray, " branches_and_one"],
    filled: Bool[np.ndarray, "rows columns"],
    near_px: float,
) -> Bool[np.ndarray, " branches"]:
    """Which branches run through contrast for most of their way within the picture."""
    side = 2 * max(1, round(near_px)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    near = cv2.dilate(filled.astype(np.uint8), kernel) > 0
    rows, columns = filled.shape
    with np.errstate(invalid="ignore"):
        at = np.rint(np.nan_to_num(points_px, nan=-1.0)).clip(-1, 1e6).astype(int)
    inside = (at >= 0).all(axis=1) & (at[:, 0] < columns) & (at[:, 1] < rows)
    hit = np.zeros(len(at), dtype=bool)
    hit[inside] = near[at[inside, 1], at[inside, 0]]
    shown = np.diff(np.concatenate([[0], np.cumsum(inside)])[splits])
    hits = np.diff(np.concatenate([[0], np.cumsum(hit)])[splits])
    return (shown >= _LEAST_POINTS) & (hits >= _FILLED_SHARE * shown)
