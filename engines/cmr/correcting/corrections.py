"""What a reader changed by hand: axis, insertions, slices, walls, branches and stenoses; nothing is computed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool

from engines.cmr.coronaries.stenosis import Stenosis
from engines.cmr.coronaries.tree import TreeBranch
from engines.cmr.fusion.rigid import StackPlace
from engines.cmr.heart.lv_frame import LvFrame

_SAME_MM = 4.0  # a stenosis found again may lie a point further on
Move = tuple[float, float, float]
_STILL: Move = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DrawnWall:
    """A slice's wall and pool as a reader left them, at the reference frame."""

    wall: Bool[np.ndarray, "columns rows"]
    pool: Bool[np.ndarray, "columns rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStenosis:
    """A stenosis that a reader set: index of the branch, of its point, and diameter percent."""

    branch: int
    point: int
    percent: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Corrections:
    """All that was done by hand, from the fusion as it was computed.

    Args:
        apex_mm, mitral_mm: moves of the axis's ends, LPS.
        anterior_deg, inferior_deg: turns of the RV insertions about the axis, positive from septum to anterior wall.
        slices_mm: by slice, its move towards the septum and towards the anterior wall.
        walls: by slice, what was drawn.
        vessels: by branch, its vessel.
        hidden: branches that count for nothing.
        rejected: stenoses that are none, by branch and point.
    """

    apex_mm: Move = _STILL
    mitral_mm: Move = _STILL
    anterior_deg: float = 0.0
    inferior_deg: float = 0.0
    slices_mm: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    walls: Mapping[int, DrawnWall] = field(default_factory=dict)
    vessels: Mapping[int, str] = field(default_factory=dict)
    hidden: frozenset[int] = frozenset()
    rejected: frozenset[tuple[int, int]] = frozenset()
    added: tuple[SetStenosis, ...] = ()

    def same_places(self, other: Corrections) -> bool:
        """Axis, slices and walls are those of other corrections, so that only the tree may differ."""
        return (
            (self.apex_mm, self.mitral_mm, self.anterior_deg, self.inferior_deg)
            == (other.apex_mm, other.mitral_mm, other.anterior_deg, other.inferior_deg)
            and dict(self.slices_mm) == dict(other.slices_mm)
            and self.walls.keys() == other.walls.keys()
            and all(self.walls[k] is other.walls[k] for k in self.walls)
        )

    def frame(self, found: LvFrame) -> LvFrame:
        """The heart's axes with the moves of their ends and the turns of the insertions."""
        apex, mitral = found.apex_mm + self.apex_mm, found.mitral_mm + self.mitral_mm
        axis = (mitral - apex) / np.linalg.norm(mitral - apex)
        middle = np.deg2rad(0.5 * (self.anterior_deg + self.inferior_deg))
        right = np.cos(middle) * found.right + np.sin(middle) * found.anterior
        right = right - (right @ axis) * axis
        return LvFrame(
            apex_mm=apex,
            mitral_mm=mitral,
            right=right / np.linalg.norm(right),
            anterior_rad=found.anterior_rad + float(np.deg2rad(0.5 * (self.anterior_deg - self.inferior_deg))),
        )

    def place(self, found: StackPlace, frame: LvFrame) -> StackPlace:
        """The stack with the moves of its slices."""
        shift = found.slice_shift_mm.copy()
        for index, (septal, anterior) in self.slices_mm.items():
            shift[index] += septal * frame.right + anterior * frame.anterior
        return replace(found, slice_shift_mm=shift)

    def tree(self, found: Sequence[TreeBranch]) -> tuple[TreeBranch, ...]:
        """Branches by their vessels as named; what hangs on a renamed one follows it, a hidden one feeds nothing."""
        parts = list(found)
        for index, vessel in self.vessels.items():
            waiting, old = [index], parts[index].vessel
            while waiting:
                at = waiting.pop()
                parts[at] = replace(parts[at], vessel=vessel)
                waiting += [k for k, part in enumerate(parts) if part.parent == at and part.vessel == old != vessel]
        return tuple(
            replace(part, vessel="", hidden=True) if index in self.hidden else part for index, part in enumerate(parts)
        )

    def stenoses(self, found: Sequence[Stenosis], tree: Sequence[TreeBranch]) -> tuple[Stenosis, ...]:
        """What was found without what was rejected or hidden, and what was set; the tightest first."""

        def near(one: Stenosis, branch: int, point: int) -> bool:
            along = tree[branch].branch.along_mm
            return one.branch == branch and abs(float(along[one.point] - along[point])) < _SAME_MM

        set_here = [(one.branch, one.point) for one in self.added if one.branch not in self.hidden]
        kept = [
            one
            for one in found
            if one.branch not in self.hidden and not any(near(one, *gone) for gone in (*self.rejected, *set_here))
        ]
        kept += [
            Stenosis(branch=one.branch, point=one.point, percent=one.percent, length_mm=0.0)
            for one in self.added
            if one.branch not in self.hidden
        ]
        return tuple(sorted(kept, key=lambda one: -one.percent))

    def words(self, tree: Sequence[TreeBranch], slices: Sequence[str]) -> tuple[str, ...]:
        """What was done by hand, a line each, for the result.

        Args:
            tree: as found, before any correction.
            slices: names of the stress slices.
        """
        said = []
        for name, move in (("apex", self.apex_mm), ("mitral centre", self.mitral_mm)):
            if any(move):
                said.append(f"{name} moved by {float(np.linalg.norm(move)):.1f} mm")
        for name, turn in (("anterior", self.anterior_deg), ("inferior", self.inferior_deg)):
            if turn:
                said.append(f"{name} RV insertion turned by {turn:+.0f} degrees")
        said += [f"{slices[k]} moved by {float(np.hypot(*by)):.1f} mm" for k, by in sorted(self.slices_mm.items())]
        said += [f"wall of {slices[k]} drawn" for k in sorted(self.walls)]
        said += [f"{tree[k].name} named {vessel}" for k, vessel in sorted(self.vessels.items())]
        said += [f"{tree[k].name} hidden" for k in sorted(self.hidden)]
        said += [f"stenosis of {tree[branch].name} rejected" for branch, _ in sorted(self.rejected)]
        said += [f"stenosis of {tree[one.branch].name} set to {one.percent:.0f} %" for one in self.added]
        return tuple(said)


NONE = Corrections()
