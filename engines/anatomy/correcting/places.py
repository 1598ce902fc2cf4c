"""Where a click lies in a label volume or a tree, and what hangs together there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer
from scipy import ndimage
from scipy.spatial import KDTree
from skimage.segmentation import flood

from calibration.errors import InputError
from engines.anatomy.structure_names import CLASSES, NO_VESSEL, structure_class_of, vessel_class_of
from engines.anatomy.vessel_model import CenterlineTree, LabelVolume

Index = tuple[int, int, int]
Box = tuple[slice, slice, slice]

_NEAR_MM = 4.0  # a click on a thin vessel is rarely on its voxels


@dataclass(frozen=True, slots=True, kw_only=True)
class TreePlace:
    """The point of a tree next to a click."""

    branch: int
    point: int
    away_mm: float


def as_index(labels: LabelVolume, point_mm: Sequence[float]) -> Float[np.ndarray, " 3"]:
    """Fractional voxel index of a point."""
    return (np.linalg.inv(labels.lps_from_index) @ np.array([*point_mm, 1.0]))[:3]


def spacing_of(labels: LabelVolume) -> Float[np.ndarray, " 3"]:
    return np.linalg.norm(labels.lps_from_index[:3, :3], axis=0)


def labelled_near(labels: LabelVolume, point_mm: Sequence[float]) -> Index:
    """The labelled voxel next to a click.

    Raises:
        InputError: none lies within 4 mm.
    """
    at, spacing = as_index(labels, point_mm), spacing_of(labels)
    box = box_about(labels.labels.shape, at, at, _NEAR_MM / spacing + 1.0)
    found = np.argwhere(labels.labels[box] > 0) + np.array([side.start for side in box])
    away_mm = np.linalg.norm((found - at) * spacing, axis=1)
    if not len(found) or away_mm.min() > _NEAR_MM:
        raise InputError("no vessel of the model lies there; click on its outline or inside it")
    i, j, k = found[int(away_mm.argmin())].tolist()
    return i, j, k


def box_about(
    shape: tuple[int, ...], first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray,
    margin: Float[np.ndarray, " 3"],
) -> Box:  # fmt: skip
    """The voxels between two places and a margin about them; at least one voxel, inside the volume."""
    low = np.floor(np.minimum(first, second) - margin).astype(int)
    high = np.ceil(np.maximum(first, second) + margin).astype(int) + 1
    low = np.clip(low, 0, np.array(shape) - 1)
    high = np.clip(high, low + 1, shape)
    a, b, c = (slice(int(start), int(stop)) for start, stop in zip(low, high, strict=True))
    return a, b, c


def box_of(mask: Bool[np.ndarray, "i j k"]) -> Box:
    """The voxels that hold a mask. Raises ValueError for an empty one."""
    boxes = ndimage.find_objects(mask.astype(np.uint8))
    if not boxes:
        raise ValueError("the mask is empty")
    return boxes[0]


def part_at(labels: Integer[np.ndarray, "i j k"], at: Index, *, across: bool = False) -> Bool[np.ndarray, "i j k"]:
    """What hangs together with a labelled voxel (26 neighbours): of its own structure, or `across` all of them."""
    wanted = labels > 0 if across else labels == labels[at]
    box = box_of(wanted)
    inside: Index = (at[0] - box[0].start, at[1] - box[1].start, at[2] - box[2].start)
    part = np.zeros(labels.shape, dtype=bool)
    part[box] = flood(np.ascontiguousarray(wanted[box]).view(np.uint8), inside, connectivity=3)
    return part


def class_at(labels: LabelVolume, number: int) -> str:
    """One of `CLASSES`; "artery" for a name that says nothing."""
    name = labels.names.get(number, "")
    said = structure_class_of(name)
    return said if said in CLASSES else vessel_class_of(name)


def number_for(labels: LabelVolume, said: str, *, beside: int = 0) -> tuple[int, dict[int, str]]:
    """The structure that a part of this class joins, and all names: the largest one of the class, else a new one.

    Args:
        beside: taken where its own class is `said`.

    Raises:
        InputError: no such class.
    """
    check_class(said)
    names = dict(labels.names)
    if beside in names and class_at(labels, beside) == said:
        return beside, names
    own = [number for number in names if class_at(labels, number) == said]
    if own:
        counts = np.bincount(labels.labels.ravel(), minlength=max(own) + 1)
        return max(own, key=lambda number: int(counts[number])), names
    number = max([int(labels.labels.max()), *names]) + 1
    if number > np.iinfo(labels.labels.dtype).max:
        raise InputError(f"the label volume has no number left for {said}; leave a structure out first")
    names[number] = said
    return number, names


def check_class(said: str, *, or_none: bool = False) -> None:
    if said not in CLASSES and not (or_none and said == NO_VESSEL):
        raise InputError(f"{said!r} is no class; expected one of {', '.join(CLASSES)}")


def nearest_of_tree(
    tree: CenterlineTree, point_mm: Sequence[float] | np.ndarray, *, veins: bool | None = None
) -> TreePlace | None:
    """The point next to a place, of any branch, or of veins (else of the others) alone; None where there is none."""
    wanted = [n for n, one in enumerate(tree.branches) if veins is None or (one.vessel_class == "vein") == veins]
    if not wanted:
        return None
    ends = np.cumsum([len(tree.branches[number].points_mm) for number in wanted])
    points = np.concatenate([tree.branches[number].points_mm for number in wanted])
    away_mm, found = KDTree(points).query(np.array(point_mm, dtype=np.float64))
    at = int(np.searchsorted(ends, found, side="right"))
    first = int(ends[at]) - len(tree.branches[wanted[at]].points_mm)
    return TreePlace(branch=wanted[at], point=int(found) - first, away_mm=float(away_mm))
