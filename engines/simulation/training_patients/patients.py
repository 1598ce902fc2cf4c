"""Vessel trees of invented patients for training pose networks, without voxels or pictures; milliseconds each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from engines.anatomy.vessel_model import CenterlineTree
from engines.rendering.splat import CenterlineCloud, centerline_cloud
from engines.simulation.runs.carm_views import draw_view

PoseKind = Literal["evt", "coronary", "tavi"]
POSE_KINDS: tuple[PoseKind, ...] = get_args(PoseKind)
# Simulated cases for evaluation use the same seeds, so the trees here are drawn from another random stream.
_STREAM = 77
_STEP_MM = 5.0  # distance of drawn points, finer than the small picture resolves
_ROOT_CENTRE_MM = 28.0  # from the valve to the middle of the picture


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingPatient:
    """A tree, and the groups of branches that one injection fills.

    Args:
        groups: fill group of each branch ("ICA-left", "veins", "LCA", ...).
    """

    kind: PoseKind
    tree: CenterlineTree
    groups: tuple[str, ...]
    # Sampled once per patient, because each patient is drawn thousands of times.
    pieces: tuple[CenterlineCloud, ...] = field(init=False)

    def __post_init__(self) -> None:
        pieces = (
            centerline_cloud(CenterlineTree(branches=(branch,)), step_mm=_STEP_MM) for branch in self.tree.branches
        )
        object.__setattr__(self, "pieces", tuple(pieces))

    def shown_and_filled(self, rng: np.random.Generator) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The model's branches with which a view is matched, and those of them that contrast reaches."""
        everything = tuple(range(len(self.groups)))
        if self.kind == "coronary":
            group = ("LCA", "RCA", "")[rng.choice(3, p=[0.55, 0.35, 0.1])]
            return everything, self._of(everything, (group,)) or everything
        if self.kind == "tavi":
            # After a short injection above the valve, the bolus often has not come far beyond the arch.
            last = max(i for i in everything if self.tree.branches[i].name == "aorta")
            return everything, tuple(i for i in everything if i != last) if rng.uniform() < 0.4 else everything
        if rng.uniform() < 0.35:
            veins = tuple(i for i in everything if self.tree.branches[i].vessel_class == "vein")
            return veins, veins
        arteries = tuple(i for i in everything if self.tree.branches[i].vessel_class != "vein")
        side = ("ICA-left", "ICA-right", "")[rng.choice(3, p=[0.45, 0.45, 0.1])]
        return arteries, self._of(arteries, (side,)) or arteries

    def aimed_at(self, filled_centre_mm: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " 3"]:
        """LPS point to which the table is moved: the centre of what the run shows; in the aorta, the root."""
        if self.kind != "tavi":
            return filled_centre_mm
        root = next(branch for branch in self.tree.branches if branch.name == "aorta").points_mm[0]
        return root + np.array([0.0, 0.0, _ROOT_CENTRE_MM])

    def cloud(self, branches: tuple[int, ...]) -> CenterlineCloud:
        """The points of these branches, for drawing."""
        parts = [self.pieces[i] for i in branches]
        return CenterlineCloud(
            points_mm=torch.cat([part.points_mm for part in parts]),
            radius_mm=torch.cat([part.radius_mm for part in parts]),
            length_mm=torch.cat([part.length_mm for part in parts]),
        )

    def _of(self, branches: tuple[int, ...], groups: tuple[str, ...]) -> tuple[int, ...]:
        return tuple(i for i in branches if self.groups[i] in groups)


def draw_patient(kind: PoseKind, seed: int, number: int) -> TrainingPatient:
    """The patient of a seed and a running number.

    Raises:
        InputError: there is no such kind.
    """
    rng = np.random.default_rng([seed, number, _STREAM])
    offset_mm = rng.uniform(-45.0, 45.0, size=3)
    if kind == "evt":
        from engines.simulation.anatomies.head_vessels import Skull, grow_head_vessels

        skull = Skull(
            semi_axes_mm=(rng.uniform(66, 74), rng.uniform(82, 92), rng.uniform(74, 82)), centre_mm=(0.0, 0.0, 12.0)
        )
        tree, groups, _ = grow_head_vessels(rng, skull, offset_mm)
        return TrainingPatient(kind=kind, tree=tree, groups=groups)
    if kind == "coronary":
        from engines.simulation.anatomies.coronaries import HeartSurface, grow_left_coronary, grow_right_coronary
        from engines.simulation.anatomies.thorax import draw_chest
        from engines.simulation.shapes.curve import GrowingTree

        surface, growing = HeartSurface(draw_chest(rng)), GrowingTree()
        grow_left_coronary(rng, growing, surface)
        grow_right_coronary(rng, growing, surface)
        tree, groups = growing.build(offset_mm)
        return TrainingPatient(kind=kind, tree=tree, groups=groups)
    if kind == "tavi":
        from engines.simulation.anatomies.aorta import grow_aorta
        from engines.simulation.anatomies.coronaries import HeartSurface
        from engines.simulation.anatomies.thorax import draw_chest
        from engines.simulation.shapes.curve import GrowingTree

        growing = GrowingTree()
        grow_aorta(rng, growing, HeartSurface(draw_chest(rng)))
        tree, groups = growing.build(offset_mm)
        return TrainingPatient(kind=kind, tree=tree, groups=groups)
    raise InputError(f"pose network: no patients of kind {kind!r}; choose one of {', '.join(POSE_KINDS)}")


def draw_geometry(kind: PoseKind, rng: np.random.Generator) -> CArmGeometry:
    """A working view: frontal or lateral for a head, any oblique view for coronaries, along the valve for an aorta."""
    if kind == "evt":
        lateral = rng.uniform() < 0.5
        primary = rng.choice([-1.0, 1.0]) * rng.uniform(75, 97) if lateral else rng.uniform(-15, 15)
        return draw_view(
            rng, primary_deg=primary, secondary_deg=rng.uniform(-8, 8) if lateral else rng.uniform(-5, 28),
            spread_deg=2.0, sid_mm=(950, 1200), sod_mm=(700, 810), field_mm=(220.0, 270.0, 290.0, 320.0),
        )  # fmt: skip
    if kind == "tavi":
        return draw_view(
            rng, primary_deg=rng.uniform(-20, 45), secondary_deg=rng.uniform(-25, 20), spread_deg=2.0,
            sid_mm=(950, 1180), sod_mm=(700, 800), field_mm=(220.0, 270.0, 300.0),
        )  # fmt: skip
    return draw_view(
        rng, primary_deg=rng.uniform(-50, 55), secondary_deg=rng.uniform(-35, 40), spread_deg=2.0,
        sid_mm=(880, 1150), sod_mm=(690, 790), field_mm=(150.0, 200.0, 220.0, 250.0),
    )  # fmt: skip
