"""The one line of a centerline file that a pullback is laid along."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from calibration.errors import InputError
from engines.anatomy.files.centerline_file import load_centerlines, load_polylines
from engines.anatomy.vessel_model import CenterlineTree, CtVolume

_LEAST_POINTS = 4
_LEAST_MM = 8.0
_JUMP_MM = 12.0
_LEAST_INSIDE = 0.5
_SAME_PLACE_MM = 1.0


def load_vessel_line(path: Path | str) -> Float[np.ndarray, "n 3"]:
    """Points of the longest path from a root; which end is the ostium is for the CT to tell.

    Raises:
        InputError: no centerline, two points, too short, with a jump, or not in mm.
    """
    tree = load_centerlines(path)
    points = _from_common_start(Path(path))
    if points is None:
        points = longest_path(tree)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    if len(points) < _LEAST_POINTS:
        raise InputError(f"{path}: its line has {len(points)} points, expected the whole vessel; export it again")
    if steps.sum() < _LEAST_MM:
        raise InputError(f"{path}: its line is {steps.sum():.1f} mm long, expected at least {_LEAST_MM:g}; in mm?")
    if steps.max() > max(_JUMP_MM, 8.0 * float(np.median(steps))):
        at = int(np.argmax(steps))
        raise InputError(
            f"{path}: jumps {steps[at]:.0f} mm after point {at} of its longest path; export it again, "
            "or, where a table holds several lines, name them in a column `branch`"
        )
    return points


def longest_path(tree: CenterlineTree) -> Float[np.ndarray, "n 3"]:
    """The longest way from a root to a tip."""
    lengths = [float(np.linalg.norm(np.diff(branch.points_mm, axis=0), axis=1).sum()) for branch in tree.branches]
    best: tuple[float, list[int]] = (0.0, [])
    for tip in range(len(tree.branches)):
        chain, here = [tip], tree.branches[tip].parent
        while here >= 0 and here not in chain:
            chain.append(here)
            here = tree.branches[here].parent
        total = sum(lengths[index] for index in chain)
        if total > best[0]:
            best = (total, chain[::-1])
    points = np.concatenate([tree.branches[index].points_mm for index in best[1]])
    keep = np.concatenate([[True], np.linalg.norm(np.diff(points, axis=0), axis=1) > 1e-6])
    return points[keep]


def _from_common_start(path: Path) -> Float[np.ndarray, "n 3"] | None:
    """The longest way from a place where several stored lines start; None where there is none.

    Two branches without their common trunk look like one line from tip to tip to the tree, which then has its root at
    a tip. Where both are stored from the ostium outwards, their starts tell.
    """
    lines = [line.points_mm for line in load_polylines(path) if len(line.points_mm) >= 2]
    starts = np.array([line[0] for line in lines]).reshape(-1, 3)
    near = np.linalg.norm(starts[:, None] - starts[None], axis=2) < _SAME_PLACE_MM
    roots = [
        k for k in range(len(lines))
        if near[k].sum() >= 2 and not any(np.linalg.norm(line[-1] - starts[k]) < _SAME_PLACE_MM for line in lines)
    ]  # fmt: skip
    if not roots:
        return None
    ways = [_onwards(k, lines, starts, ()) for k in roots]
    return max(ways, key=_length)


def _onwards(
    first: int, lines: list[np.ndarray], starts: Float[np.ndarray, "k 3"], used: tuple[int, ...]
) -> Float[np.ndarray, "n 3"]:
    """A line and the longest of those that start where it ends."""
    line, used = lines[first], (*used, first)
    following = np.flatnonzero(np.linalg.norm(starts - line[-1], axis=1) < _SAME_PLACE_MM)
    ways = [_onwards(int(k), lines, starts, used) for k in following if int(k) not in used]
    if not ways:
        return line
    longest = max(ways, key=_length)
    skip = 1 if np.linalg.norm(longest[0] - line[-1]) < 1e-6 else 0
    return np.concatenate([line, longest[skip:]])


def _length(points: Float[np.ndarray, "n 3"]) -> float:
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def check_inside(points_mm: Float[np.ndarray, "n 3"], ct: CtVolume, path: Path | str) -> None:
    """Refuse a centerline of another patient or another coordinate system.

    Raises:
        InputError: less than half of it lies within the CT.
    """
    index_from_lps = np.linalg.inv(ct.lps_from_index)
    index = points_mm @ index_from_lps[:3, :3].T + index_from_lps[:3, 3]
    inside = ((index > -0.5) & (index < np.array(ct.voxels_hu.shape) - 0.5)).all(axis=1)
    if inside.mean() < _LEAST_INSIDE:
        raise InputError(
            f"{path}: {100 * inside.mean():.0f} % of the centerline lies within the CT; it is of another scan or in "
            "another coordinate system, export it in LPS mm"
        )
