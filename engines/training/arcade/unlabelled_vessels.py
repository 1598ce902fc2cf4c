"""What a picture's silence means where a person marked the main vessels alone.

A dark ridge that hangs together with the marked tree is probably a branch that nobody marked: nothing is to be learnt
there. One that runs from the picture's border to the wide end of the tree is the catheter: background. So is all else.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import distance_transform_edt
from skimage.feature import hessian_matrix, hessian_matrix_eigvals
from skimage.graph import MCP_Geometric
from skimage.morphology import skeletonize

_SIGMAS_PX = (1.2, 2.0, 3.2)  # at the working size: branches of one pixel to main vessels of ten
_FAINTEST = 0.33  # of the marked vessels' median ridge; fainter is no branch that a reader would see
_REACH_PX = 4  # gaps in a faint branch that are bridged
_BAND_PX = 2  # that a ridge's own border is wider than its crest
_CATHETER_PX = 3  # half its width, at the most
_MIN_CATHETER_PX = 24
_SEEN_SHARE = 0.8  # of the catheter's way that must be a ridge
_OSTIUM_WIDTH = 0.65  # of the tree's largest radius, where a catheter meets it; distal ends are thinner
_STRAIGHT = 0.75  # chord by way over 16 px; a vessel as long winds
_END_PX = 9  # from an end of the tree's centerline, where a catheter meets it and no side branch does
_BORDER_PX = 6
_TRIES = 12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Silence:
    """What was not marked but looks like a tube, on the working grid.

    Args:
        ignore: probably vessel; out of the loss.
        catheter: probably the guiding catheter.
        tubes: every other dark ridge, far from the tree too: no vessel, but a lead, a wire or a rib, nobody knows.
    """

    ignore: Bool[np.ndarray, "rows columns"]
    catheter: Bool[np.ndarray, "rows columns"]
    tubes: Bool[np.ndarray, "rows columns"]


def read_silence(
    local: Float[np.ndarray, "rows columns"],
    marked: Bool[np.ndarray, "rows columns"],
    field: Bool[np.ndarray, "rows columns"] | None,
) -> Silence:
    """Find probable branches and the catheter.

    Args:
        local: the picture against its neighbourhood, vessels dark (second channel of the conditioning).
        marked: the person's mask.
        field: the collimator's opening; None if all is open.
    """
    nothing = np.zeros(marked.shape, bool)
    if not marked.any():
        return Silence(ignore=nothing, catheter=nothing, tubes=nothing)
    ridge = _ridges(local)
    inside = np.ones(marked.shape, bool) if field is None else field
    # The edges of blades and of the picture are ridges to a filter.
    inner = cv2.erode(inside.astype(np.uint8), np.ones((11, 11), np.uint8), borderValue=1) > 0
    inner[[0, 1, -2, -1]] = False
    inner[:, [0, 1, -2, -1]] = False
    ridge = ridge * inner
    level = float(np.percentile(ridge[marked], 75))
    if level <= 0:  # all that was marked lies outside the field
        return Silence(ignore=nothing, catheter=nothing, tubes=nothing)
    ridge /= level
    seen = ridge > _FAINTEST
    line = _catheter_line(ridge, marked, inside)
    band = _grown(line, _CATHETER_PX)
    tubes = _connected(seen & ~band, marked)
    taken = _grown(marked, 1)
    body = band & _grown(ridge > 0.5 * _FAINTEST, 1) & ~taken
    ignore = _grown(tubes, _BAND_PX) & ~taken & ~body
    return Silence(ignore=ignore, catheter=body, tubes=_grown(seen, _BAND_PX) & ~taken & ~body & ~ignore)


def _ridges(local: np.ndarray) -> np.ndarray:
    """Strength of dark ridges, the strongest of all scales."""
    answers = []
    for sigma in _SIGMAS_PX:
        # The stub says that sigma is an integer.
        hessian = hessian_matrix(local, sigma=sigma, order="rc", use_gaussian_derivatives=False)  # pyright: ignore[reportArgumentType]
        larger, smaller = hessian_matrix_eigvals(hessian)
        answers.append(sigma**2 * np.clip(larger - np.abs(smaller), 0, None))
    return np.max(answers, axis=0).astype(np.float32)


def _connected(seen: np.ndarray, marked: np.ndarray) -> np.ndarray:
    """The ridges that hang together with the marked tree, small gaps bridged."""
    bridged = cv2.dilate((seen | marked).astype(np.uint8), np.ones((_REACH_PX, _REACH_PX), np.uint8))
    _, labels = cv2.connectedComponents(bridged)
    touching = np.unique(np.asarray(labels)[marked])
    return np.isin(labels, touching[touching > 0]) & seen


def _catheter_line(ridge: np.ndarray, marked: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The darkest way from the border to the tree, if it is a catheter's."""
    radius = np.asarray(distance_transform_edt(marked))
    cost = 1.0 / (0.04 + np.clip(ridge, 0, 1))
    cost[~inside] = 1e4
    starts = np.argwhere(marked)
    found = np.zeros(marked.shape, bool)
    frame = np.ones((2 * _BORDER_PX + 1,) * 2, np.uint8)
    border = inside & ~(cv2.erode(inside.astype(np.uint8), frame, borderValue=0) > 0)
    largest = np.percentile(radius[marked], 98)
    walk = MCP_Geometric(cost)
    costs, _ = walk.find_costs(starts)
    ends = np.where(border & ~_grown(marked, 6), costs, np.inf)
    near_ends = _grown(_line_ends(marked), _END_PX)
    for _ in range(_TRIES):
        end = np.unravel_index(int(np.argmin(ends)), ends.shape)
        if not np.isfinite(ends[end]):
            break
        path = np.array(walk.traceback(end))
        if near_ends[tuple(path[0])] and _is_catheter(path, ridge, radius, largest):
            found[tuple(path.T)] = True
            break
        ends[max(end[0] - 10, 0) : end[0] + 11, max(end[1] - 10, 0) : end[1] + 11] = np.inf
    return found


def _line_ends(marked: np.ndarray) -> np.ndarray:
    line = skeletonize(marked)
    neighbours = cv2.filter2D(line.astype(np.uint8), -1, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT)
    return line & (neighbours <= 2)


def _is_catheter(path: np.ndarray, ridge: np.ndarray, radius: np.ndarray, largest: float) -> bool:
    if len(path) < _MIN_CATHETER_PX:
        return False
    touch = path[0]
    # From above: every way to the coronaries leads down the ascending aorta.
    if touch[0] - path[-1][0] < 0.5 * np.linalg.norm(touch - path[-1]):
        return False
    window = radius[max(touch[0] - 5, 0) : touch[0] + 6, max(touch[1] - 5, 0) : touch[1] + 6]
    if window.max() < _OSTIUM_WIDTH * largest:
        return False
    values = ridge[tuple(path[1:].T)]
    if np.mean(values > _FAINTEST) < _SEEN_SHARE:
        return False
    chord = np.linalg.norm(path[16:] - path[:-16], axis=1) if len(path) > 16 else np.array([16.0])
    return bool(np.min(chord) > _STRAIGHT * 16)


def _grown(mask: np.ndarray, by_px: int) -> np.ndarray:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * by_px + 1, 2 * by_px + 1))
    return cv2.dilate(mask.astype(np.uint8), kernel) > 0
