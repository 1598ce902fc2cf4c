"""The vessels' volume as weighted points in parts, each of which contrast may or may not fill.

An injection fills one lumen of a dissected aorta, one side of a head, arteries before veins. Every structure is a part
of its own, and large ones are halved until each piece is about as long as a bolus: within one, filling counts as even.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Integer
from scipy.spatial import KDTree

from engines.anatomy.structure_names import vessel_class_of
from engines.anatomy.surface import mask_from_surface
from engines.anatomy.vessel_model import CenterlineTree, LabelVolume, SurfaceMesh, VesselModel

CELL_MM = 2.0  # voxels of one cell become one point; a rendering's pixel is about as large
_PART_MM = 60.0
_SMALLEST_PART = 0.002  # of the volume; a smaller one says nothing
_TUBE_STEP_MM = 1.0
_VOXEL_MM = 1.0  # of a surface's inside
_RINGS = ((0.0, 1, 1.0 / 9.0), (0.5, 6, 3.0 / 9.0), (0.85, 10, 5.0 / 9.0))  # radius share, points, share of the area


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VesselCloud:
    """Points that each stand for a little of the lumen.

    Args:
        points_mm: LPS.
        volume_mm3: of lumen.
        part: index of each point's part.
        part_names: structure that each part belongs to.
    """

    points_mm: Float[np.ndarray, "n 3"]
    volume_mm3: Float[np.ndarray, " n"]
    part: Integer[np.ndarray, " n"]
    part_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.points_mm)

    def thinned(self, cell_mm: float) -> VesselCloud:
        """Points of one cell and part merged; volume and centre of gravity stay."""
        points, volumes, parts = [], [], []
        for part in range(len(self.part_names)):
            of_part = self.part == part
            merged, volume = _merged(self.points_mm[of_part], self.volume_mm3[of_part], cell_mm)
            points.append(merged)
            volumes.append(volume)
            parts.append(np.full(len(merged), part))
        return replace(
            self,
            points_mm=np.concatenate(points),
            volume_mm3=np.concatenate(volumes),
            part=np.concatenate(parts),
        )


@functools.lru_cache(maxsize=4)
def vessel_cloud(model: VesselModel, branch_classes: tuple[str, ...] = ()) -> VesselCloud | None:
    """The parts of these classes (all when empty), from labels, else a surface, else tubes; made once a model.

    None where the model has none of them.
    """
    structures = _of_labels(model.labels, branch_classes) if model.labels is not None else {}
    if not structures and model.surface is not None and model.centerlines is not None:
        structures = _of_surface(model.surface, model.centerlines, branch_classes)
    if not structures and model.centerlines is not None:
        structures = _of_tubes(model.centerlines, branch_classes)
    if not structures:
        return None
    total = sum(float(volume.sum()) for _, volume in structures.values())
    points, volumes, names = [], [], []
    for name, (at_mm, volume) in structures.items():
        merged, weight = _merged(at_mm, volume, CELL_MM)
        for piece in _pieces(merged):
            if weight[piece].sum() >= _SMALLEST_PART * total:
                points.append(merged[piece])
                volumes.append(weight[piece])
                names.append(name)
    return VesselCloud(
        points_mm=np.concatenate(points),
        volume_mm3=np.concatenate(volumes),
        part=np.repeat(np.arange(len(names)), [len(p) for p in points]),
        part_names=tuple(names),
    )


_Structures = dict[str, tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, " n"]]]  # by name


def _of_labels(labels: LabelVolume, branch_classes: tuple[str, ...]) -> _Structures:
    affine = labels.lps_from_index
    voxel_mm3 = abs(float(np.linalg.det(affine[:3, :3])))
    found: _Structures = {}
    for value, name in labels.names.items():
        if branch_classes and vessel_class_of(name) not in branch_classes:
            continue
        index = np.argwhere(labels.labels == value)
        if len(index):
            found[name] = (index @ affine[:3, :3].T + affine[:3, 3], np.full(len(index), voxel_mm3))
    return found


def _of_surface(surface: SurfaceMesh, tree: CenterlineTree, branch_classes: tuple[str, ...]) -> _Structures:
    """The inside in voxels, each with the name and class of the nearest branch.

    An aorta is seldom round, a dissected one never: its outline says more than tubes at the distance to the wall.
    """
    inside, lps_from_index = mask_from_surface(surface, _VOXEL_MM)
    index = np.argwhere(inside)
    if not len(index):
        return {}
    at_mm = index @ lps_from_index[:3, :3].T + lps_from_index[:3, 3]
    branches = tree.resampled(_TUBE_STEP_MM).branches
    of_point = np.repeat(np.arange(len(branches)), [len(branch.points_mm) for branch in branches])
    owner = of_point[np.asarray(KDTree(np.concatenate([b.points_mm for b in branches])).query(at_mm)[1])]
    of_name: dict[str, list[int]] = {}
    for number, branch in enumerate(branches):
        if not branch_classes or branch.vessel_class in branch_classes:
            of_name.setdefault(branch.name or branch.vessel_class, []).append(number)
    parts = {name: at_mm[np.isin(owner, numbers)] for name, numbers in of_name.items()}
    return {name: (part, np.full(len(part), _VOXEL_MM**3)) for name, part in parts.items() if len(part)}


def _of_tubes(tree: CenterlineTree, branch_classes: tuple[str, ...]) -> _Structures:
    """Discs along the branches; a branch of unknown radius is left out."""
    parts: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for branch in tree.resampled(_TUBE_STEP_MM).branches:
        if branch_classes and branch.vessel_class not in branch_classes:
            continue
        known = np.isfinite(branch.radius_mm)
        if known.sum() < 2:
            continue
        centre, radius = branch.points_mm[known], branch.radius_mm[known]
        along = np.gradient(centre, axis=0)
        step_mm = np.linalg.norm(along, axis=1)
        along = along / np.maximum(step_mm, 1e-9)[:, None]
        first = np.cross(along, np.eye(3)[np.abs(along).argmin(axis=1)])
        first /= np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-9)
        second = np.cross(along, first)
        for share, count, area in _RINGS:
            for angle in 2 * np.pi * (np.arange(count) + 0.5) / count:
                out = share * radius[:, None] * (np.cos(angle) * first + np.sin(angle) * second)
                volume = area / count * np.pi * radius**2 * step_mm
                parts.setdefault(branch.name or branch.vessel_class, []).append((centre + out, volume))
    return {name: (np.concatenate([p for p, _ in v]), np.concatenate([w for _, w in v])) for name, v in parts.items()}


def _merged(
    points_mm: Float[np.ndarray, "n 3"], volume_mm3: Float[np.ndarray, " n"], cell_mm: float
) -> tuple[Float[np.ndarray, "m 3"], Float[np.ndarray, " m"]]:
    cell = np.floor((points_mm - points_mm.min(axis=0)) / cell_mm).astype(np.int64)
    size = cell.max(axis=0) + 1
    key = (cell[:, 0] * size[1] + cell[:, 1]) * size[2] + cell[:, 2]
    _, inverse = np.unique(key, return_inverse=True)
    inverse = inverse.ravel()
    volume = np.bincount(inverse, volume_mm3)
    centre = np.column_stack([np.bincount(inverse, volume_mm3 * points_mm[:, axis]) / volume for axis in range(3)])
    # Points in rows would beat with the pixels where the beam runs along the grid.
    scattered = np.random.default_rng(len(centre)).uniform(-0.5, 0.5, centre.shape) * cell_mm
    return centre + scattered, volume


def _pieces(points_mm: Float[np.ndarray, "n 3"]) -> list[Integer[np.ndarray, " m"]]:
    """Halved across the longest side, again and again, until no piece is much longer than a part."""
    whole, done = [np.arange(len(points_mm))], []
    while whole:
        piece = whole.pop()
        low, high = points_mm[piece].min(axis=0), points_mm[piece].max(axis=0)
        side = int(np.argmax(high - low))
        if high[side] - low[side] <= 1.3 * _PART_MM:
            done.append(piece)
            continue
        before = points_mm[piece, side] < 0.5 * (low[side] + high[side])
        whole += [piece[before], piece[~before]]
    return done
