"""The parts of an invented patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32

from engines.anatomy.vessel_model import CenterlineTree
from engines.simulation.shapes.voxels import Grid

CaseKind = Literal["evt", "tavi", "coronary"]
Moves = Literal["still", "heart"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TissueLayer:
    """Tissue for the X-ray background, in Hounsfield units without contrast.

    A layer that moves with the heart holds the difference from the still layer at its place.
    """

    water: Float32[np.ndarray, "i j k"]
    bone: Float32[np.ndarray, "i j k"]
    grid: Grid
    moves: Moves = "still"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lobe:
    """A bulge beside the tubes (a sinus of Valsalva): an ellipsoid of lumen, body frame."""

    centre_mm: tuple[float, float, float]
    axes: tuple[tuple[float, float, float], ...]  # rows: unit vectors
    semi_axes_mm: tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Device:
    """A wire or catheter with its X-ray attenuation.

    Args:
        points_mm: LPS.
        radius_mm: outer radius.
        core: inner radius over outer radius; 0 for a solid wire.
        iodine_g_per_cm3: the wall's attenuation, as the iodine concentration with the same attenuation.
        moves: what it moves with.
    """

    points_mm: Float[np.ndarray, "n 3"]
    radius_mm: float
    core: float
    iodine_g_per_cm3: float
    moves: Moves = "still"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Patient:
    """Everything that is the same in all runs of a case. In LPS, except grids (body frame: LPS minus offset).

    Args:
        kind: kind of intervention.
        offset_mm: LPS = body + offset.
        tree: centerlines cut at their nodes.
        groups: fill group of each branch ("ICA-left", "LCA", ...); a run injects one or more groups.
        lobes: lumen that bulges out of the tree.
        cta_grid: grid of the CTA that is written.
        cta_hu: the CTA's Hounsfield units without contrast.
        enhancement_hu: HU added by contrast, for each vessel class.
        layers: tissue for X-rays; larger than the CTA if the CTA's field of view is smaller than the patient.
        target_mm: the point on which the operator centres.
        heart: frame of the beating heart, or None.
        occluded: branches that contrast from the injection does not reach.
    """

    kind: CaseKind
    offset_mm: Float[np.ndarray, " 3"]
    tree: CenterlineTree
    groups: tuple[str, ...]
    lobes: tuple[Lobe, ...]
    cta_grid: Grid
    cta_hu: Float32[np.ndarray, "i j k"]
    enhancement_hu: dict[str, float]
    layers: tuple[TissueLayer, ...]
    target_mm: Float[np.ndarray, " 3"]
    heart: HeartFrame | None = None
    occluded: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeartFrame:
    """Axes of the heart: the base's LPS position and unit vectors (rows) u, v, and the long axis towards the apex."""

    base_mm: Float[np.ndarray, " 3"]
    axes: Float[np.ndarray, "3 3"]
    length_mm: float


def water_and_bone(
    hu: Float32[np.ndarray, "i j k"],
) -> tuple[Float32[np.ndarray, "i j k"], Float32[np.ndarray, "i j k"]]:
    """Relative densities of water-like tissue and cortical bone that together give these Hounsfield units."""
    bone = np.clip((hu - 100.0) / 1700.0, 0.0, 1.0).astype(np.float32)
    water = np.clip(1.0 + np.minimum(hu, 100.0) / 1000.0, 0.0, None).astype(np.float32) * (1.0 - bone)
    return water, bone
