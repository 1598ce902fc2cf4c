"""The structures of a vessel model as a person checks them: class, lumen, length and volume of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.graph import MCP_Geometric

from engines.anatomy.structure_names import is_guessed, lumen_of, structure_class_of, vessel_class_of
from engines.anatomy.vessel_model import Branch, CenterlineTree, LabelVolume, VesselModel
from engines.anatomy.working_grid import coarser, largest_part

_STEP_MM = 0.5
_WAY_MM = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StructureSummary:
    """One structure.

    Args:
        label: its number in the label volume; None for branches of a tree without labels.
        structure_class: "artery", "vein", "aorta", "true lumen" or "false lumen".
        lumen: "true", "false", "whole" or "rest" of an aorta, else "".
        guessed: from its shape; nothing named it.
        length_mm: of the centerline that runs in it, 0 where none does.
        volume_mm3: of its voxels, else of tubes about its branches; None where radii are unknown.
    """

    name: str
    label: int | None
    structure_class: str
    lumen: str
    guessed: bool
    branches: int
    length_mm: float
    volume_mm3: float | None

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "label": self.label,
            "class": self.structure_class,
            "lumen": self.lumen,
            "guessed": self.guessed,
            "branches": self.branches,
            "length_mm": self.length_mm,
            "volume_mm3": self.volume_mm3,
        }

    def line(self) -> str:
        lumen = (
            f", {self.lumen} lumen" if self.lumen in ("true", "false") and "lumen" not in self.structure_class else ""
        )
        length = f"{self.length_mm:.0f} mm long" if self.length_mm else "no centerline in it"
        volume = "volume unknown" if self.volume_mm3 is None else f"{self.volume_mm3 / 1000.0:.2f} ml"
        number = "" if self.label is None else f"{self.label} "
        return f"structure    {number}{self.name}: {self.structure_class}{lumen}, {length}, {volume}"


def structures_of(model: VesselModel) -> list[StructureSummary]:
    """Each label of the model, or each name (else class) among the branches of a model without labels."""
    if model.labels is not None:
        return _of_labels(model.labels, model.centerlines)
    return _of_branches(model.centerlines) if model.centerlines is not None else []


def _of_labels(labels: LabelVolume, tree: CenterlineTree | None) -> list[StructureSummary]:
    voxel_mm3 = abs(float(np.linalg.det(labels.lps_from_index[:3, :3])))
    counts = np.bincount(labels.labels.ravel(), minlength=max(labels.names, default=0) + 1)
    length_mm = dict.fromkeys(labels.names, 0.0)
    for branch in tree.branches if tree is not None else ():
        _add_lengths(length_mm, branch, labels)
    names = list(labels.names.values())
    lumina = {number: lumen_of(name, names) for number, name in labels.names.items()}
    if len({lumen for lumen in lumina.values() if lumen in ("true", "false")}) == 2:
        # One centerline may wander between two lumina: each is as long as its own.
        for number, lumen in lumina.items():
            if lumen in ("true", "false"):
                length_mm[number] = _own_length_mm(labels, number)
    return [
        StructureSummary(
            name=name,
            label=number,
            structure_class=structure_class_of(name) or vessel_class_of(name),
            lumen=lumina[number],
            guessed=is_guessed(name),
            branches=sum(branch.name == name for branch in tree.branches) if tree is not None else 0,
            length_mm=round(length_mm[number], 1),
            volume_mm3=round(float(counts[number]) * voxel_mm3, 1),
        )
        for number, name in labels.names.items()
    ]


def _add_lengths(length_mm: dict[int, float], branch: Branch, labels: LabelVolume) -> None:
    """The branch's length, piece by piece, to the label that holds it; outside of all, to the one it is named after."""
    points = CenterlineTree(branches=(branch,)).resampled(_STEP_MM).branches[0].points_mm
    middles, pieces = 0.5 * (points[1:] + points[:-1]), np.linalg.norm(np.diff(points, axis=0), axis=1)
    index_from_lps = np.linalg.inv(labels.lps_from_index)
    index = np.rint(middles @ index_from_lps[:3, :3].T + index_from_lps[:3, 3]).astype(int)
    inside = ((index >= 0) & (index < np.array(labels.labels.shape))).all(axis=1)
    found = np.zeros(len(index), dtype=np.int64)
    found[inside] = labels.labels[tuple(index[inside].T)]
    named = next((number for number, name in labels.names.items() if name == branch.name), 0)
    found[found == 0] = named
    for number in np.unique(found).tolist():
        if number in length_mm:
            length_mm[number] += float(pieces[found == number].sum())


def _own_length_mm(labels: LabelVolume, number: int) -> float:
    """The longest way through a structure: a lumen is often a crescent, whose thinning would be a bush."""
    box = ndimage.find_objects((labels.labels == number).astype(np.uint8))[0]
    mask = np.pad(largest_part(labels.labels[box] == number), 1)
    spacing_mm = np.linalg.norm(labels.lps_from_index[:3, :3], axis=0)
    blocks = np.maximum(1, np.floor(_WAY_MM / spacing_mm)).astype(int)
    coarse = coarser(mask, (int(blocks[0]), int(blocks[1]), int(blocks[2])))
    sampling = tuple((spacing_mm * blocks).tolist())

    def farthest_from(place: tuple[int, ...]) -> tuple[int, ...]:
        far = np.asarray(MCP_Geometric(np.where(coarse, 1.0, -1.0), sampling=sampling).find_costs([place])[0])
        found = int(np.where(np.isfinite(far), far, -1.0).argmax())
        return tuple(int(i) for i in np.unravel_index(found, far.shape))

    begin = farthest_from(tuple(np.argwhere(coarse)[0].tolist()))
    end = farthest_from(begin)
    # Cheap in the middle, so that the way keeps off the walls of bends.
    depth = np.asarray(ndimage.distance_transform_edt(coarse))
    way = MCP_Geometric(np.where(coarse, 1.0 / np.maximum(depth, 1.0) ** 2, -1.0), sampling=sampling)
    way.find_costs([begin], [end])
    points = np.array(way.traceback(end)) * np.array(sampling)
    smooth = ndimage.uniform_filter1d(points, 5, axis=0, mode="nearest")  # voxel steps are longer than the line
    return float(np.linalg.norm(np.diff(smooth, axis=0), axis=1).sum())


def _of_branches(tree: CenterlineTree) -> list[StructureSummary]:
    groups: dict[tuple[str, str], list[Branch]] = {}
    for branch in tree.branches:
        groups.setdefault((branch.name or branch.vessel_class, branch.vessel_class), []).append(branch)
    names = [name for name, _ in groups]
    return [
        StructureSummary(
            name=name,
            label=None,
            structure_class=structure_class_of(name) if structure_class_of(name).endswith("lumen") else vessel_class,
            lumen=lumen_of(name, names),
            guessed=False,
            branches=len(branches),
            length_mm=round(sum(branch_length_mm(branch) for branch in branches), 1),
            volume_mm3=_tube_mm3(branches),
        )
        for (name, vessel_class), branches in groups.items()
    ]


def branch_length_mm(branch: Branch) -> float:
    return float(np.linalg.norm(np.diff(branch.points_mm, axis=0), axis=1).sum())


def _tube_mm3(branches: list[Branch]) -> float | None:
    total = 0.0
    for branch in branches:
        pieces = np.linalg.norm(np.diff(branch.points_mm, axis=0), axis=1)
        area = np.pi * (0.5 * (branch.radius_mm[1:] + branch.radius_mm[:-1])) ** 2
        if not np.isfinite(area).all():
            return None
        total += float((pieces * area).sum())
    return round(total, 1)
