"""Branches named, said to be of another class, or erased, by a click on their line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calibration.errors import InputError
from engines.anatomy.correcting.edits import ErasePart, NameBranch, Point, SayPart
from engines.anatomy.correcting.places import check_class, nearest_of_tree
from engines.anatomy.structure_names import NO_VESSEL, said_to_be, structure_class_of, vessel_class_of
from engines.anatomy.vessel_model import CenterlineTree

_REACH_MM = 6.0  # beyond the vessel's radius
_HEADING_MM = 6.0


def named(tree: CenterlineTree, edit: NameBranch) -> tuple[CenterlineTree, str]:
    """The branch at a click, and its main line onwards, with this name. What the name says of its class holds too.

    Raises:
        InputError: no branch there, no name, or one of something that is no vessel.
    """
    name = " ".join(edit.name.split())
    if not name:
        raise InputError("a branch needs a name of letters, as LAD or left renal")
    if structure_class_of(name) == NO_VESSEL:
        raise InputError(f"{name!r} is the name of no vessel; erase the part if it is none")
    first = _branch_at(tree, edit.at_mm)
    chain = _main_line(tree, first) if edit.onward else [first]
    branches = list(tree.branches)
    said = structure_class_of(name)
    for number in chain:
        old = branches[number]
        vessel_class = vessel_class_of(name) if said else old.vessel_class
        branches[number] = replace(
            old, name=name if said else said_to_be(name, vessel_class), vessel_class=vessel_class
        )
    length_mm = sum(float(np.linalg.norm(np.diff(branches[n].points_mm, axis=0), axis=1).sum()) for n in chain)
    return CenterlineTree(branches=tuple(branches)), f"named {name}, {length_mm:.0f} mm"


def said_limb(tree: CenterlineTree, edit: SayPart) -> tuple[CenterlineTree, str]:
    """The branch at a click with all that springs from it is of another class."""
    check_class(edit.said)
    limb = _limb(tree, _branch_at(tree, edit.at_mm))
    branches = [
        replace(branch, name=said_to_be(branch.name or branch.vessel_class, edit.said),
                vessel_class=vessel_class_of(edit.said)) if number in limb else branch
        for number, branch in enumerate(tree.branches)
    ]  # fmt: skip
    return CenterlineTree(branches=tuple(branches)), f"{len(limb)} branches, now {edit.said}"


def erased_limb(tree: CenterlineTree, edit: ErasePart) -> tuple[CenterlineTree, str]:
    """The tree without the branch at a click and all that springs from it.

    Raises:
        InputError: nothing would be left.
    """
    limb = _limb(tree, _branch_at(tree, edit.at_mm))
    kept = [number for number in range(len(tree.branches)) if number not in limb]
    if not kept:
        raise InputError("nothing would be left of the model; keep at least one vessel")
    place = {old: new for new, old in enumerate(kept)}
    branches = [replace(tree.branches[n], parent=place.get(tree.branches[n].parent, -1)) for n in kept]
    return CenterlineTree(branches=tuple(branches)), f"{len(limb)} branches erased"


def _branch_at(tree: CenterlineTree, point_mm: Point) -> int:
    place = nearest_of_tree(tree, point_mm)
    assert place is not None
    radius_mm = float(np.nan_to_num(tree.branches[place.branch].radius_mm[place.point]))
    if place.away_mm > radius_mm + _REACH_MM:
        raise InputError("no centerline runs there; click on a vessel that has one")
    return place.branch


def _limb(tree: CenterlineTree, first: int) -> set[int]:
    limb = {first}
    for number, branch in enumerate(tree.branches):  # parents stand before their daughters
        if branch.parent in limb:
            limb.add(number)
    return limb


def _main_line(tree: CenterlineTree, first: int) -> list[int]:
    """A branch, and at each bifurcation the daughter that is the wider and straighter one."""
    chain = [first]
    while True:
        mother = tree.branches[chain[-1]]
        end = _heading(mother.points_mm[::-1]) * -1.0
        onward = [
            n for n, branch in enumerate(tree.branches)
            if branch.parent == chain[-1] and branch.vessel_class == mother.vessel_class
            and float(np.linalg.norm(branch.points_mm[0] - mother.points_mm[-1])) <= _REACH_MM
        ]  # fmt: skip
        if not onward:
            return chain
        chain.append(
            max(onward, key=lambda n: _width(tree, n) * (1.5 + float(_heading(tree.branches[n].points_mm) @ end)))
        )


def _heading(points_mm: np.ndarray) -> np.ndarray:
    """Of the first millimetres of a line."""
    away = np.linalg.norm(points_mm - points_mm[0], axis=1)
    ahead = points_mm[min(int(np.searchsorted(away, _HEADING_MM)), len(points_mm) - 1)] - points_mm[0]
    return ahead / max(float(np.linalg.norm(ahead)), 1e-9)


def _width(tree: CenterlineTree, number: int) -> float:
    known = tree.branches[number].radius_mm[np.isfinite(tree.branches[number].radius_mm)]
    return float(np.median(known)) if len(known) else 1.0
