"""The volume that a vessel DRR integrates: the vessel share of each voxel, cropped to the vessels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from engines.anatomy.structure_names import NO_VESSEL, structure_class_of, vessel_class_of
from engines.anatomy.vessel_model import CenterlineTree, LabelVolume, VesselModel

_MAX_VOXELS_PER_AXIS = 128
_MARGIN_VOXELS = 2  # an interpolated value must fade to zero inside the grid


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ValueVolume:
    """The input of `make_renderer`: the share of each voxel that is vessel, 0..1.

    Args:
        values: (i, j, k) float32.
        lps_from_index: index of a voxel centre to LPS mm.
    """

    values: Float[np.ndarray, "i j k"]
    lps_from_index: Float[np.ndarray, "4 4"]

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        spacing = np.linalg.norm(self.lps_from_index[:3, :3], axis=0)
        return float(spacing[0]), float(spacing[1]), float(spacing[2])


def vessel_volume(
    model: VesselModel, *, vessel_classes: tuple[str, ...] = (), spacing_mm: float | None = None
) -> ValueVolume | None:
    """A volume from the model's labels, else from tubes around its centerlines; None if it has neither.

    Labels have the vessels' true cross-section (an aortic root is no tube). They are not used if only some classes
    are wanted and the labels' names do not tell the class of every label.

    Args:
        vessel_classes: only branches and labels of these classes ("artery", "vein", "aorta"); empty for all.

    Raises:
        ValueError: the model has no vessel of these classes.
    """
    labels, tree = model.labels, model.centerlines
    if labels is not None and (tree is None or not vessel_classes or _classes_known(labels)):
        return volume_from_labels(labels, vessel_classes=vessel_classes, spacing_mm=spacing_mm)
    return None if tree is None else volume_from_centerlines(tree, spacing_mm, vessel_classes=vessel_classes)


def volume_from_labels(
    labels: LabelVolume, *, vessel_classes: tuple[str, ...] = (), spacing_mm: float | None = None
) -> ValueVolume:
    """Labelled voxels averaged onto a coarser, cropped grid with the same axes.

    Args:
        vessel_classes: only labels whose name says one of these classes; empty for every label above 0.
        spacing_mm: voxel size of the result; by default the finest that keeps every axis within 128 voxels.

    Raises:
        ValueError: no voxel carries such a label.
    """
    mask = _of_classes(labels, vessel_classes)
    found = ndimage.find_objects(mask.astype(np.uint8))
    if not found:
        raise ValueError(
            f"no voxel is labelled {' or '.join(vessel_classes) or 'above 0'}; labels: {sorted(labels.names.values())}"
        )
    box = found[0]
    spacing = np.linalg.norm(labels.lps_from_index[:3, :3], axis=0)
    size = np.array([part.stop - part.start for part in box])
    target_mm = spacing_mm or float((size * spacing).max()) / (_MAX_VOXELS_PER_AXIS - 2 * _MARGIN_VOXELS - 1)
    block = np.maximum(1, np.round(target_mm / spacing)).astype(int)
    # Whole blocks of source voxels, because the mean over a block keeps the amount of contrast exactly.
    cells = -(-size // block) + 2 * _MARGIN_VOXELS
    padded = np.zeros(cells * block, dtype=np.float32)
    offset = _MARGIN_VOXELS * block
    padded[tuple(slice(o, o + s) for o, s in zip(offset, size, strict=True))] = mask[box]
    values = padded.reshape(cells[0], block[0], cells[1], block[1], cells[2], block[2]).mean(axis=(1, 3, 5))
    index_from_cell = np.eye(4)
    index_from_cell[:3, :3] = np.diag(block)
    index_from_cell[:3, 3] = np.array([part.start for part in box]) - offset + (block - 1) / 2
    return ValueVolume(values=values, lps_from_index=labels.lps_from_index @ index_from_cell)


def volume_from_centerlines(
    tree: CenterlineTree,
    spacing_mm: float | None = None,
    *,
    vessel_classes: tuple[str, ...] = (),
    unknown_radius_mm: float = 1.0,
) -> ValueVolume:
    """Tubes around the centerlines on an LPS-aligned grid, with edges softened over one voxel.

    Args:
        spacing_mm: voxel size; by default the finest that keeps every axis within 128 voxels.
        vessel_classes: only these branches; empty for all.
        unknown_radius_mm: used where the model has no radius.

    Raises:
        ValueError: no branch is of these classes.
    """
    branches = tuple(b for b in tree.branches if not vessel_classes or b.vessel_class in vessel_classes)
    if not branches:
        raise ValueError(f"the tree has no branch of the classes {vessel_classes}")
    chosen = CenterlineTree(branches=branches)
    points, radius = chosen.points_mm(), np.nan_to_num(chosen.radius_mm(), nan=unknown_radius_mm)
    low, high = (points - radius[:, None]).min(axis=0), (points + radius[:, None]).max(axis=0)
    spacing = spacing_mm or max(0.2, float((high - low).max()) / (_MAX_VOXELS_PER_AXIS - 2 * _MARGIN_VOXELS - 1))
    origin = low - _MARGIN_VOXELS * spacing
    shape = np.ceil((high - origin) / spacing).astype(int) + _MARGIN_VOXELS + 1
    dense = chosen.resampled(0.5 * spacing)
    values = np.zeros(shape, dtype=np.float32)
    for point, r in zip(
        (dense.points_mm() - origin) / spacing,
        np.nan_to_num(dense.radius_mm(), nan=unknown_radius_mm) / spacing,
        strict=True,
    ):
        _draw_ball(values, point, float(r))
    lps_from_index = np.eye(4)
    lps_from_index[:3, :3] *= spacing
    lps_from_index[:3, 3] = origin
    return ValueVolume(values=values, lps_from_index=lps_from_index)


def _draw_ball(values: Float[np.ndarray, "i j k"], centre: Float[np.ndarray, " 3"], radius: float) -> None:
    """Raise each voxel to the share of it that the ball fills (exact for flat edges one voxel wide)."""
    low = np.maximum(np.floor(centre - radius - 1).astype(int), 0)
    high = np.minimum(np.ceil(centre + radius + 1).astype(int) + 1, values.shape)
    axes = [np.arange(a, b) - c for a, b, c in zip(low, high, centre, strict=True)]
    distance = np.sqrt(axes[0][:, None, None] ** 2 + axes[1][None, :, None] ** 2 + axes[2][None, None, :] ** 2)
    # A tube thinner than a voxel fills only the share of the voxel that its cross-section covers.
    filled = np.clip(radius + 0.5 - distance, 0.0, min(1.0, np.pi * radius**2 if radius < 0.5 else 1.0))
    part = values[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    np.maximum(part, filled, out=part)


def _classes_known(labels: LabelVolume) -> bool:
    used = [int(number) for number in np.unique(labels.labels) if number > 0]
    return all(structure_class_of(labels.names.get(number, "")) for number in used)


def _of_classes(labels: LabelVolume, vessel_classes: tuple[str, ...]) -> Bool[np.ndarray, "i j k"]:
    if not vessel_classes:
        return labels.labels > 0
    numbers = [
        number
        for number, name in labels.names.items()
        if number > 0 and structure_class_of(name) not in ("", NO_VESSEL) and vessel_class_of(name) in vessel_classes
    ]
    return np.isin(labels.labels, numbers)
