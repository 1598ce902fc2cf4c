"""Cut a tree into short pieces, for its shadow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from engines.anatomy.vessel_model import CenterlineTree
from engines.simulation.imaging.shadow import TubeSamples


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pieces:
    """The tree's pieces between neighbouring points, by index into the tree's points."""

    first: np.ndarray
    radius_mm: np.ndarray
    label: np.ndarray
    share: np.ndarray
    point_class: np.ndarray

    def at(self, points_mm: Float[np.ndarray, "n 3"]) -> TubeSamples:
        a, b = points_mm[self.first], points_mm[self.first + 1]
        return TubeSamples(points_mm=0.5 * (a + b), radius_mm=self.radius_mm, length_mm=np.linalg.norm(b - a, axis=1))

    def weigh(self, per_point: Float[np.ndarray, " n"], *, dead_zone: bool = True) -> Float[np.ndarray, " m"]:
        value = 0.5 * (per_point[self.first] + per_point[self.first + 1])
        return value * self.share if dead_zone else value


def cut_into_pieces(tree: CenterlineTree, label_of_class: Mapping[str, int]) -> Pieces:
    """Pieces of every branch, with the label of its class."""
    first: list[np.ndarray] = []
    radius: list[np.ndarray] = []
    label: list[np.ndarray] = []
    share: list[np.ndarray] = []
    point_class: list[np.ndarray] = []
    offset = 0
    continued: set[int] = set()
    for branch in tree.branches:
        count = len(branch.points_mm)
        first.append(offset + np.arange(count - 1))
        radius.append(0.5 * (branch.radius_mm[1:] + branch.radius_mm[:-1]))
        number = label_of_class[branch.vessel_class]
        label.append(np.full(count - 1, number))
        point_class.append(np.full(count, number))
        share.append(_outside_parent(tree, branch.parent, branch.points_mm, continued))
        offset += count
    return Pieces(
        first=np.concatenate(first), radius_mm=np.concatenate(radius), label=np.concatenate(label),
        share=np.concatenate(share), point_class=np.concatenate(point_class),
    )  # fmt: skip


def _outside_parent(
    tree: CenterlineTree, parent: int, points_mm: Float[np.ndarray, "n 3"], continued: set[int]
) -> Float[np.ndarray, " m"]:
    """The share of each piece outside its parent vessel; inside it, iodine would count twice."""
    share = np.ones(len(points_mm) - 1)
    if parent < 0:
        return share
    origin = tree.branches[parent]
    gap = np.linalg.norm(origin.points_mm - points_mm[0], axis=1)
    at = int(np.argmin(gap))
    if at == len(gap) - 1 and parent not in continued:
        continued.add(parent)  # the first branch at a parent's end is its continuation
        return share
    away = np.linalg.norm(0.5 * (points_mm[1:] + points_mm[:-1]) - points_mm[0], axis=1) / origin.radius_mm[at]
    return np.clip((away - 0.5) / 0.6, 0.0, 1.0)
