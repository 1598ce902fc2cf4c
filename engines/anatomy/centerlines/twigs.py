"""Trees without their twigs: short or thin ends that an extraction leaves at every bump, and crumbs beside the tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from engines.anatomy.vessel_model import Branch, CenterlineTree


@dataclass(frozen=True, slots=True, kw_only=True)
class TwigLimits:
    """What is left out.

    Args:
        shortest_mm: a branch that ends freely and is shorter.
        thin_mm, thin_shortest_mm: one whose median radius is below the first and whose length is below the second.
        smallest_tree_share: of the length of all branches of its class; a smaller tree is a crumb.
    """

    shortest_mm: float = 6.0
    thin_mm: float = 0.5
    thin_shortest_mm: float = 10.0
    smallest_tree_share: float = 0.1


def without_twigs(tree: CenterlineTree, limits: TwigLimits | None = None) -> CenterlineTree:
    """The tree without twigs and crumbs, its pieces joined where a twig sprang; never empty, and roots stay."""
    limits = limits or TwigLimits()
    branches = list(tree.branches)
    kept = _of_large_trees(branches, set(range(len(branches))), limits.smallest_tree_share)
    while True:
        mothers = {branches[i].parent for i in kept}
        twigs = {i for i in kept if i not in mothers and branches[i].parent >= 0 and _is_twig(branches[i], limits)}
        if not twigs:
            break
        # The shortest first: two ends of one vessel must not both count as twigs of each other.
        shortest = sorted(twigs, key=lambda i: _length_mm(branches[i]))
        taken: set[int] = set()
        for index in shortest:
            if branches[index].parent not in {branches[i].parent for i in taken}:
                taken.add(index)
        kept -= taken
        branches, kept = _joined(branches, kept)
    return _renumbered(branches, kept)


def _of_large_trees(branches: Sequence[Branch], among: set[int], smallest_share: float) -> set[int]:
    root = {}
    for index in among:
        at, steps = index, 0
        while branches[at].parent >= 0 and steps < len(branches):
            at, steps = branches[at].parent, steps + 1
        root[index] = at
    total: dict[int, float] = {}
    of_class: dict[str, float] = {}
    for index, at in root.items():
        length_mm, vessel_class = _length_mm(branches[index]), branches[index].vessel_class
        total[at] = total.get(at, 0.0) + length_mm
        of_class[vessel_class] = of_class.get(vessel_class, 0.0) + length_mm
    largest = {at: max(total[other] for other in total if branches[other].vessel_class == branches[at].vessel_class)
               for at in total}  # fmt: skip
    return {
        index
        for index in among
        if total[root[index]]
        >= min(largest[root[index]], smallest_share * of_class[branches[root[index]].vessel_class])
    }


def _is_twig(branch: Branch, limits: TwigLimits) -> bool:
    length_mm = _length_mm(branch)
    if length_mm < limits.shortest_mm:
        return True
    known = branch.radius_mm[np.isfinite(branch.radius_mm)]
    return bool(len(known)) and float(np.median(known)) < limits.thin_mm and length_mm < limits.thin_shortest_mm


def _joined(branches: list[Branch], kept: set[int]) -> tuple[list[Branch], set[int]]:
    """A branch with one daughter of its class that begins at its end becomes one with it."""
    branches, kept = list(branches), set(kept)
    daughters: dict[int, list[int]] = {}
    for index in sorted(kept):
        daughters.setdefault(branches[index].parent, []).append(index)
    for mother in sorted(kept):
        while mother in kept and len(daughters.get(mother, [])) == 1:
            only = daughters[mother][0]
            a, b = branches[mother], branches[only]
            if a.vessel_class != b.vessel_class or np.linalg.norm(a.points_mm[-1] - b.points_mm[0]) > 1e-3:
                break
            branches[mother] = replace(
                a,
                points_mm=np.concatenate([a.points_mm, b.points_mm[1:]]),
                radius_mm=np.concatenate([a.radius_mm, b.radius_mm[1:]]),
            )
            kept.discard(only)
            daughters[mother] = daughters.pop(only, [])
            for child in daughters[mother]:
                branches[child] = replace(branches[child], parent=mother)
    return branches, kept


def _renumbered(branches: Sequence[Branch], kept: set[int]) -> CenterlineTree:
    """Mothers before daughters, as before."""
    number = {index: place for place, index in enumerate(sorted(kept))}
    return CenterlineTree(
        branches=tuple(
            replace(branches[index], parent=number.get(branches[index].parent, -1)) for index in sorted(kept)
        )
    )


def _length_mm(branch: Branch) -> float:
    return float(np.linalg.norm(np.diff(branch.points_mm, axis=0), axis=1).sum())
