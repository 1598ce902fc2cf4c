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
_FULL_CELLS = 0.7  # mean filling of the cells from which vessels are thick: an aorta has 0.9, a head 0.3 to 0.6
_TUBE_STEP_MM = 1.0
_VOXEL_MM = 1.0  # of a surface's inside
# Fractional parts of square roots, of the golden ratio, and of what it is in two and in three dimensions.
_SPREAD = np.array([
    [0.8191725, 0.6180340, 0.4142136], [0.6710436, 0.7548777, 0.7320508], [0.5497005, 0.5698403, 0.2360680]
])  # fmt: skip
_RINGS = ((0.0, 1, 1.0 / 9.0), (0.5, 6, 3.0 / 9.0), (0.85, 10, 5.0 / 9.0))  # radius share, points, share of the area


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VesselCloud:
    """Points that each stand for a little of the lumen.

    Args:
        points_mm: LPS.
        volume_mm3: of lumen.
        part: index of each point's part.
        part_names: structure that each part belongs to.
        thick: whether vessels have a middle, which must then show as even as it is filled.
    """

    points_mm: Float[np.ndarray, "n 3"]
    volume_mm3: Float[np.ndarray, " n"]
    part: Integer[np.ndarray, " n"]
    part_names: tuple[str, ...]
    thick: bool = True

    def __len__(self) -> int:
        return len(self.points_mm)

    def thinned(self, cell_mm: float) -> VesselCloud:
        """Points of one cell and part merged, uncut: such pictures are too soft to show a lattice. Volume stays."""
        points, volumes, parts = [], [], []
        for part in range(len(self.part_names)):
            of_part = self.part == part
            here, volume = self.points_mm[of_part], self.volume_mm3[of_part]
            merged, volume = (
                in_cells(here, volume, np.zeros(3), cell_mm) if self.thick else _merged(here, volume, cell_mm)
            )
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
    found = {name: _merged(boxes.lps_mm(), boxes.volume_mm3, CELL_MM) for name, boxes in structures.items()}
    total = sum(float(volume.sum()) for _, volume in found.values())
    thick = total > _FULL_CELLS * CELL_MM**3 * sum(len(volume) for _, volume in found.values())
    if thick:
        found = {name: boxes.merged(CELL_MM) for name, boxes in structures.items()}
    points, volumes, names = [], [], []
    for name, (at_mm, weight) in found.items():
        for piece in _pieces(at_mm):
            if weight[piece].sum() >= _SMALLEST_PART * total:
                points.append(at_mm[piece])
                volumes.append(weight[piece])
                names.append(name)
    return VesselCloud(
        points_mm=np.concatenate(points),
        volume_mm3=np.concatenate(volumes),
        part=np.repeat(np.arange(len(names)), [len(p) for p in points]),
        part_names=tuple(names),
        thick=thick,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Boxes:
    """A structure as it was given: boxes along the axes of a grid.

    Args:
        at_mm, box_mm: middles and sides along the grid's axes.
    """

    at_mm: Float[np.ndarray, "n 3"]
    volume_mm3: Float[np.ndarray, " n"]
    box_mm: Float[np.ndarray, " 3"]
    lps_from_grid: Float[np.ndarray, "4 4"]

    def lps_mm(self) -> Float[np.ndarray, "n 3"]:
        return self.at_mm @ self.lps_from_grid[:3, :3].T + self.lps_from_grid[:3, 3]

    def merged(self, cell_mm: float) -> tuple[Float[np.ndarray, "m 3"], Float[np.ndarray, " m"]]:
        """As `in_cells` along the grid's axes, where a voxel is a box; in LPS."""
        at_mm, volume = in_cells(self.at_mm, self.volume_mm3, self.box_mm, cell_mm)
        return replace(self, at_mm=at_mm, volume_mm3=volume).lps_mm(), volume


_Structures = dict[str, _Boxes]  # by name


def _of_labels(labels: LabelVolume, branch_classes: tuple[str, ...]) -> _Structures:
    affine = labels.lps_from_index
    found: _Structures = {}
    for value, name in labels.names.items():
        if branch_classes and vessel_class_of(name) not in branch_classes:
            continue
        index = np.argwhere(labels.labels == value)
        if len(index):
            found[name] = _of_voxels(index, affine)
    return found


def _of_voxels(index: Integer[np.ndarray, "n 3"], lps_from_index: Float[np.ndarray, "4 4"]) -> _Boxes:
    voxel_mm = np.linalg.norm(lps_from_index[:3, :3], axis=0)
    lps_from_grid = lps_from_index.copy()
    lps_from_grid[:3, :3] /= voxel_mm
    volume = np.full(len(index), abs(float(np.linalg.det(lps_from_index[:3, :3]))))
    return _Boxes(at_mm=index * voxel_mm, volume_mm3=volume, box_mm=voxel_mm, lps_from_grid=lps_from_grid)


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
    parts = {name: index[np.isin(owner, numbers)] for name, numbers in of_name.items()}
    return {name: _of_voxels(part, lps_from_index) for name, part in parts.items() if len(part)}


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
    return {
        name: _Boxes(
            at_mm=np.concatenate([p for p, _ in v]),
            volume_mm3=np.concatenate([w for _, w in v]),
            box_mm=np.full(3, _TUBE_STEP_MM),
            lps_from_grid=np.eye(4),
        )
        for name, v in parts.items()
    }


def _merged(
    points_mm: Float[np.ndarray, "n 3"], volume_mm3: Float[np.ndarray, " n"], cell_mm: float
) -> tuple[Float[np.ndarray, "m 3"], Float[np.ndarray, " m"]]:
    """Whole, and scattered at random: thin vessels have no middle, and their confidence was fitted to such pictures."""
    merged, centre = _by_cell(points_mm - points_mm.min(axis=0), volume_mm3, cell_mm)
    centre += points_mm.min(axis=0)
    scattered = np.random.default_rng(len(centre)).uniform(-0.5, 0.5, centre.shape) * cell_mm
    return centre + scattered, merged


def in_cells(
    points_mm: Float[np.ndarray, "n 3"],
    volume_mm3: Float[np.ndarray, " n"],
    box_mm: Float[np.ndarray, " 3"],
    cell_mm: float,
) -> tuple[Float[np.ndarray, "m 3"], Float[np.ndarray, " m"]]:
    """One point a cell, from boxes that are cut where they reach into the next cell.

    Uncut, voxels of 1.5 mm would fall into cells of 2 mm by ones and twos, and the evenly filled middle of a thick
    vessel would show a lattice as strong as its walls.

    Args:
        box_mm: side of what each point stands for, along the axes of the points.
    """
    low, high = points_mm - 0.5 * box_mm, points_mm + 0.5 * box_mm
    volume = volume_mm3.astype(np.float64)
    for axis in range(3):
        cut = (np.floor(low[:, axis] / cell_mm) + 1.0) * cell_mm
        beyond = cut < high[:, axis] - 1e-9
        share = (high[beyond, axis] - cut[beyond]) / box_mm[axis]
        rest_low, rest_high, rest = low[beyond].copy(), high[beyond], volume[beyond] * share
        rest_low[:, axis] = cut[beyond]
        volume[beyond] *= 1.0 - share
        high = high.copy()
        high[beyond, axis] = cut[beyond]
        low, high = np.concatenate([low, rest_low]), np.concatenate([high, rest_high])
        volume = np.concatenate([volume, rest])
    middle = 0.5 * (low + high)
    merged, centre = _by_cell(middle, volume, cell_mm)
    # Points in rows would beat with the pixels where the beam runs along the grid; places that fill a cell evenly along
    # every row show the least noise instead (Roberts 2018, the R sequence).
    place = np.floor(centre / cell_mm) @ _SPREAD % 1.0
    return centre + (place - 0.5) * cell_mm, merged


def _by_cell(
    points_mm: Float[np.ndarray, "n 3"], volume_mm3: Float[np.ndarray, " n"], cell_mm: float
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, "m 3"]]:
    """Volume and centre of gravity of what lies in each cell."""
    cell = np.floor(points_mm / cell_mm).astype(np.int64)
    cell -= cell.min(axis=0)
    size = cell.max(axis=0) + 1
    key = (cell[:, 0] * size[1] + cell[:, 1]) * size[2] + cell[:, 2]
    _, inverse = np.unique(key, return_inverse=True)
    inverse = inverse.ravel()
    volume = np.bincount(inverse, volume_mm3)
    return volume, np.column_stack([np.bincount(inverse, volume_mm3 * points_mm[:, a]) / volume for a in range(3)])


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
