"""Where a given centerline turns off, and the vessel in the CT goes straight on.

A program or a person that draws a centerline may follow a side branch. From each turn of the line the vessel is looked
for in the direction it had before; what is found is another course, which the search weighs against the given one.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import KDTree

from engines.anatomy.centerlines.moving_frame import MovingFrame, moving_frame
from engines.anatomy.vessel_model import CtVolume
from engines.ivus.geometry.vessel_course import STEP_MM, VesselCourse, blood_level, followed, recentring

_LOOK_MM = 5.0  # before and behind a turn
_TURN_RAD = np.deg2rad(18.0)  # an artery that bends over the heart turns less in 5 mm
_PEAK_MM = 4.0  # a turn has one top
_START_MM = (0.0, -1.5, 1.5)  # from the top: where the way is looked for
_APART_MM = 1.8  # from the given line, that is another vessel
_FORK_MM = 0.9  # from it, where both begin to part
_PARTED_MM = 12.0  # behind a turn both vessels are apart; a way that leaves the line later lost it elsewhere
_LEAST_MM = 6.0  # of another vessel
_FARTHEST_MM = 120.0
_MOST = 2  # courses, the longest ones


def straight_on(ct: CtVolume, course: VesselCourse) -> tuple[VesselCourse, ...]:
    """Other courses that leave the given line where it turns off; the longest first, none where it never does."""
    frame = course.frame
    line = KDTree(frame.points_mm)
    found: list[tuple[float, VesselCourse]] = []
    for row in _turns(frame, course.given_mm):
        ways = [_way(ct, course, line, row + round(by / STEP_MM)) for by in _START_MM]
        longest = max(ways, key=lambda way: way[0])
        if longest[0] >= _LEAST_MM:
            found.append((longest[0], _course(ct, course, *longest[1:])))
    found.sort(key=lambda one: -one[0])
    kept: list[VesselCourse] = []
    for _, other in found:
        if not any(_near(KDTree(one.frame.points_mm), other.frame.points_mm).all() for one in kept):
            kept.append(other)
    return tuple(kept[:_MOST])


def _turns(frame: MovingFrame, given_mm: float) -> list[int]:
    """Rows of the given line where it turns most."""
    look = round(_LOOK_MM / STEP_MM)
    rows = np.arange(look, len(frame.points_mm) - look)
    rows = rows[(frame.arc_mm[rows] > 0.0) & (frame.arc_mm[rows] < given_mm - 2.0)]
    before, behind = (frame.points_mm[rows] - frame.points_mm[rows - look],
                      frame.points_mm[rows + look] - frame.points_mm[rows])  # fmt: skip
    cosine = np.sum(before * behind, axis=1) / (np.linalg.norm(before, axis=1) * np.linalg.norm(behind, axis=1))
    turn = np.arccos(np.clip(cosine, -1.0, 1.0))
    tops = []
    for row in np.argsort(-turn, kind="stable"):
        if turn[row] < _TURN_RAD:
            break
        if all(abs(rows[row] - top) * STEP_MM > _PEAK_MM for top in tops):
            tops.append(int(rows[row]))
    return sorted(tops)


def _way(ct: CtVolume, course: VesselCourse, line: KDTree, row: int) -> tuple[float, int, Float[np.ndarray, "m 3"]]:
    """Length of another vessel that is found from a row of the course, the row, and the points from there."""
    frame = course.frame
    row = int(np.clip(row, round(_LOOK_MM / STEP_MM), len(frame.points_mm) - 2))
    here = frame.points_mm[row]
    heading = here - frame.points_mm[row - round(_LOOK_MM / STEP_MM)]
    heading /= np.linalg.norm(heading)
    points = followed(ct, here, heading, float(course.blood_hu[row]), _FARTHEST_MM)
    if not len(points):
        return 0.0, row, points
    with_line = np.flatnonzero(_near(line, points))
    last = int(with_line[-1]) if len(with_line) else 0
    if _length(points[: last + 1]) > _PARTED_MM:
        return 0.0, row, points
    return _length(points[last:]), row, points


def _length(points: Float[np.ndarray, "m 3"]) -> float:
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def _near(line: KDTree, points: Float[np.ndarray, "m 3"]) -> Bool[np.ndarray, " m"]:
    return np.asarray(line.query(points)[0]) < _APART_MM


def _course(ct: CtVolume, course: VesselCourse, row: int, points: Float[np.ndarray, "m 3"]) -> VesselCourse:
    """The given line up to a row, and what was found from there."""
    first_mm = float(course.frame.arc_mm[0])
    frame = moving_frame(np.concatenate([course.frame.points_mm[: row + 1], points]), step_mm=STEP_MM, smooth_mm=0.6,
                         first_arc_mm=first_mm)  # fmt: skip
    beyond = frame.arc_mm[:, None] > course.frame.arc_mm[row]
    frame = moving_frame(frame.points_mm + np.where(beyond, recentring(ct, frame), 0.0), step_mm=STEP_MM,
                         smooth_mm=0.6, first_arc_mm=first_mm)  # fmt: skip
    apart = np.asarray(KDTree(course.frame.points_mm).query(frame.points_mm)[0]) > _FORK_MM
    left = float(frame.arc_mm[int(np.argmax(apart & (frame.arc_mm > course.frame.arc_mm[row] - 1.0)))])
    return VesselCourse(frame=frame, given_mm=left, blood_hu=blood_level(ct, frame), left_mm=left)
