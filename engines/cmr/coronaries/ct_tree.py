"""The coronary tree of a CT with what it does not show: courses that are assumed stand beside those that were seen.

Where an artery is not seen (a thin tip, a stretch within a ventricle's blood) the wall it feeds would go to its
neighbours. The two interventricular grooves have an artery in nearly every heart, so where none is seen there one is
assumed: it feeds wall, but has no calibre and no stenosis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from engines.anatomy.centerlines.polyline import arc_length_mm, points_at
from engines.anatomy.vessel_model import CtVolume
from engines.cmr.coronaries.from_ct import coronaries_from_ct
from engines.cmr.coronaries.tree import TreeBranch, coronary_tree
from engines.cmr.heart.ct_heart import CtHeart
from engines.cmr.heart.lv_frame import LvFrame, outer_radius
from engines.cmr.reading.coronaries import CoronaryBranch

ASSUMED = "(assumed)"
_OFF_WALL_MM = 2.0
_NEAR_WALL_MM = 9.0
_GROOVE_RAD = np.deg2rad(30.0)
_SEEN_LEVELS = 0.2  # of the length that an artery must run in a groove
_MIDDLE = (0.3, 0.85)
_LAD_TIP, _PDA_TIP = 0.1, 0.3
_LAD_SEEN = 0.3  # a LAD seen to this level is seen
_CRUX_LEVEL = 0.98
_AT_CRUX_MM = 12.0
_AROUND_RV_MM = 25.0
_LEAST_TRUNK_MM = 25.0
_LEAST_POINTS = 10  # of half a millimetre
_STEP_MM = 0.8


def tree_of_ct(
    ct: CtVolume, masks: Mapping[str, Bool[np.ndarray, "i j k"]], heart: CtHeart, frame: LvFrame
) -> tuple[CoronaryBranch, ...]:
    """Coronaries found in the CT, completed by assumed ones; none where no left coronary artery is seen."""
    seen = coronaries_from_ct(ct, masks, frame)
    left = [part for part in seen if part.name in ("LAD", "LCx") and part.along_mm[-1] >= _LEAST_TRUNK_MM]
    return completed(without_strays(seen, frame), heart, frame) if left else ()


def without_strays(seen: Sequence[CoronaryBranch], frame: LvFrame) -> tuple[CoronaryBranch, ...]:
    """The branches, but those of the circumflex only as far as they are seen.

    In the fat of the left groove nothing hides an artery: one that is lost there has ended, and what a path reaches
    behind the gap belongs to the right coronary artery. The LAD may run unseen along the right ventricle for a while.
    """
    tree = coronary_tree(seen, frame)
    ends: list[int] = []
    for part in tree:
        unseen = np.isnan(part.branch.radius_mm)
        lost = unseen & (np.cumsum(~unseen) > 1)  # not where it leaves the aorta or another artery
        ends.append(int(lost.argmax()) if part.vessel == "LCx" and lost.any() else len(unseen))

    def gone(k: int) -> bool:
        """Whether it springs from behind an end."""
        return tree[k].parent >= 0 and tree[k].parent_point >= ends[tree[k].parent]

    while any(behind := [ends[k] > 0 and gone(k) for k in range(len(tree))]):
        ends = [0 if lost else end for lost, end in zip(behind, ends, strict=True)]
    return tuple(
        CoronaryBranch(points_mm=part.points_mm[:end], radius_mm=part.radius_mm[:end], name=part.name)
        for part, end in zip(seen, ends, strict=True)
        if end >= _LEAST_POINTS
    )


def is_assumed(name: str) -> bool:
    """Whether a branch of this name was never seen."""
    return name.endswith(ASSUMED)


def completed(seen: Sequence[CoronaryBranch], heart: CtHeart, frame: LvFrame) -> tuple[CoronaryBranch, ...]:
    """The branches, and an assumed artery in each interventricular groove where none is seen."""
    added = []
    lad = next((part for part in seen if part.name == "LAD"), None)
    if lad is None or (frame.local(lad.points_mm)[0].min() > _LAD_SEEN and not _runs_in(seen, heart, frame, 1.0)):
        start = lad.points_mm[-1] if lad is not None else None
        added.append(_assumed("LAD", _groove(heart, frame, frame.anterior_rad, start, _LAD_TIP)))
    if not _runs_in(seen, heart, frame, -1.0):
        added.append(_assumed("PDA", _posterior(seen, heart, frame)))
    return (*seen, *added)


def _assumed(name: str, points_mm: Float[np.ndarray, "n 3"]) -> CoronaryBranch:
    along = arc_length_mm(points_mm)
    place = np.linspace(0.0, along[-1], max(3, round(along[-1] / _STEP_MM)))
    points = points_at(place, along, points_mm)
    return CoronaryBranch(points_mm=points, radius_mm=np.full(len(points), np.nan), name=f"{name} {ASSUMED}")


def _runs_in(seen: Sequence[CoronaryBranch], heart: CtHeart, frame: LvFrame, side: float) -> bool:
    """Whether a branch runs along the anterior (1) or inferior (-1) groove for a share of the length."""
    for part in seen:
        level, radius, angle = frame.local(part.points_mm)
        apart = np.abs(np.angle(np.exp(1j * (angle - side * frame.anterior_rad))))
        there = (apart < _GROOVE_RAD) & (level > _MIDDLE[0]) & (level < _MIDDLE[1])
        there &= radius < _wall_radius(heart, frame, level, angle) + _NEAR_WALL_MM
        if there.any() and np.ptp(level[there]) > _SEEN_LEVELS:
            return True
    return False


def _wall_radius(heart: CtHeart, frame: LvFrame, level: np.ndarray, angle: np.ndarray) -> Float[np.ndarray, " n"]:
    ventricle = (heart.masks["lv_wall"] | heart.masks["lv_cavity"]).astype(np.float32)
    return outer_radius(heart, ventricle, frame, np.clip(level, 0.05, 0.9), angle)


def _groove(
    heart: CtHeart, frame: LvFrame, groove_rad: float, start_mm: Float[np.ndarray, " 3"] | None, tip: float
) -> Float[np.ndarray, "n 3"]:
    """Down a groove on the wall's surface, from the base or from where a seen artery ends."""
    top, from_rad = _CRUX_LEVEL, 0.0
    if start_mm is not None:
        top, _, angle = (float(value) for value in frame.local(start_mm))
        from_rad = float(np.angle(np.exp(1j * (angle - groove_rad))))
    level = np.linspace(top, min(tip, top - 0.05), 40)
    # Over the first third the way bends from where the artery was lost into the groove.
    angle = groove_rad + from_rad * np.clip(1.0 - np.linspace(0.0, 3.0, 40), 0.0, 1.0)
    line = frame.point(level, _wall_radius(heart, frame, level, angle) + _OFF_WALL_MM, angle)
    return line if start_mm is None else np.concatenate([start_mm[None], line[1:]])


def _posterior(seen: Sequence[CoronaryBranch], heart: CtHeart, frame: LvFrame) -> Float[np.ndarray, "n 3"]:
    """From the circumflex where it is seen all the way to the crux, else from the tip of the right coronary artery."""
    down = _groove(heart, frame, -frame.anterior_rad, None, _PDA_TIP)
    crux = down[0]
    tree = coronary_tree(seen, frame)
    for part in tree:
        far = np.linalg.norm(part.branch.points_mm - crux, axis=1)
        if part.vessel == "LCx" and far.min() < _AT_CRUX_MM and _seen_to(tree, part, int(far.argmin())):
            return np.concatenate([part.branch.points_mm[far.argmin()][None], down])
    rca = next((part for part in seen if part.name == "RCA"), None)
    if rca is None:
        return down
    level, radius, angle = (float(value) for value in frame.local(rca.points_mm[-1]))
    _, crux_radius, crux_angle = (float(value) for value in frame.local(crux))
    way = np.linspace(0.0, 1.0, 40)
    turn = float(np.angle(np.exp(1j * (crux_angle - angle))))
    out = radius + (crux_radius - radius) * way + _AROUND_RV_MM * 4.0 * way * (1.0 - way)  # round the right ventricle
    around = frame.point(level + (_CRUX_LEVEL - level) * way, out, angle + turn * way)
    return np.concatenate([rca.points_mm[-1:], around[1:], down[1:]])


def _seen_to(tree: Sequence[TreeBranch], part: TreeBranch, point: int) -> bool:
    """No unseen stretch on the way to a point, but for the first one beside the aorta."""
    while part.parent >= 0:
        if np.isnan(part.branch.radius_mm[: point + 1]).any():
            return False
        part, point = tree[part.parent], part.parent_point
    return bool(np.isfinite(part.branch.radius_mm[point // 2 : point + 1]).all())
