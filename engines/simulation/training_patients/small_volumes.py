"""Small volumes of invented patients and small views of them, for training a similarity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.anatomy.vessel_model import CenterlineTree, VesselModel
from engines.rendering.factory import make_renderer
from engines.rendering.renderer import Renderer
from engines.rendering.volume import vessel_volume
from engines.simulation.anatomies.anatomy import CaseKind, Patient
from engines.simulation.anatomies.model_tree import model_tree
from engines.simulation.anatomies.models import lumen_distance_mm
from engines.simulation.runs.carm_views import draw_view
from engines.simulation.simulated_case import draw_case
from engines.simulation.training_patients.patients import draw_geometry

SIDE_PX = 64
# Attenuation of cortical bone relative to water at 60 keV, NIST XCOM.
_BONE_IN_WATER = 2.93
_CONTRAST_IN_WATER = 0.33  # attenuation that the contrast of a CTA adds, relative to water: 330 HU
_VOXEL_MM = 2.4
_SATURATION_MM = 1.0  # thickness at which a vessel gets probability 1 - 1/e

SceneKind = Literal["tissue", "vessels"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """One patient and one camera.

    Args:
        kind: "tissue" for a DRR of the CT (mm of water), "vessels" for the vessels' soft mask.
        moving: renders the volume that registration moves.
        fixed: renders the C-arm's picture: the same patient with other vessels filled.
        camera_from_lps: nominal pose, around which poses are drawn.
        pivot_lps_mm: centre of turns.
    """

    name: str
    kind: SceneKind
    moving: Renderer
    fixed: Renderer
    camera_from_lps: Float[np.ndarray, "4 4"]
    intrinsics_px: Float[np.ndarray, "3 3"]
    pivot_lps_mm: Float[np.ndarray, " 3"]

    def picture(self, renderer: Renderer, camera_from_lps: Float[np.ndarray, "n 4 4"]) -> Float[np.ndarray, "n r c"]:
        with torch.no_grad():
            shown = renderer.render(
                torch.tensor(camera_from_lps), torch.tensor(self.intrinsics_px), (SIDE_PX, SIDE_PX)
            )[:, 0].numpy()
        return 1.0 - np.exp(-shown / _SATURATION_MM) if self.kind == "vessels" else shown


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SmallVolume:
    """A volume so coarse that it can be rendered thousands of times."""

    values: Float[np.ndarray, "i j k"]
    lps_from_index: Float[np.ndarray, "4 4"]

    def renderer(self, name: str = "slices") -> Renderer:
        return make_renderer(name, self.values, self.lps_from_index)


def tissue_volume(patient: Patient, *, contrast: bool, voxel_mm: float = _VOXEL_MM) -> SmallVolume:
    """Attenuation of the whole patient relative to water, as in a CT with or without contrast."""
    grid = patient.layers[0].grid
    density = sum(layer.water + _BONE_IN_WATER * layer.bone for layer in patient.layers)
    density = np.array(np.broadcast_to(density, grid.shape), dtype=np.float32)
    if contrast:
        share = np.clip(0.5 - lumen_distance_mm(patient, grid, None) / grid.spacing_mm, 0.0, 1.0)
        density += _CONTRAST_IN_WATER * share
    block = max(1, round(voxel_mm / grid.spacing_mm))
    return averaged_volume(density, grid.lps_from_index(patient.offset_mm), block)


def averaged_volume(
    values: Float[np.ndarray, "i j k"], lps_from_index: Float[np.ndarray, "4 4"], block: int
) -> SmallVolume:
    """The volume averaged over whole blocks of voxels; voxels that fill no block at the far end are dropped."""
    cells = np.array(values.shape) // block
    i, j, k = (int(size) for size in cells)
    cut = values[: i * block, : j * block, : k * block].reshape(i, block, j, block, k, block)
    index_from_cell = np.diag([block, block, block, 1.0])
    index_from_cell[:3, 3] = (block - 1) / 2
    return SmallVolume(values=cut.mean(axis=(1, 3, 5)), lps_from_index=lps_from_index @ index_from_cell)


def tissue_scene(kind: CaseKind, seed: int, *, lateral: bool) -> Scene:
    """A scene of a simulated patient's CT with contrast; the C-arm sees it without contrast."""
    patient, _ = draw_case(kind, seed)
    rng = np.random.default_rng([seed, int(lateral), 31])
    moving = tissue_volume(patient, contrast=True).renderer()
    fixed = tissue_volume(patient, contrast=False).renderer()
    return _scene(
        f"{kind}-{seed} tissue", "tissue", moving, fixed, wide_view(kind, rng, lateral=lateral), patient.target_mm, rng
    )


def vessel_scene(kind: CaseKind, seed: int, *, view: int) -> Scene:
    """A scene of a simulated patient's arteries; the C-arm sees those that one injection fills."""
    patient, _ = draw_case(kind, seed)
    rng = np.random.default_rng([seed, view, 32])
    tree = model_tree(patient.tree)
    classes = ("aorta", "artery") if kind == "tavi" else ("artery",)
    groups = sorted({g for g, b in zip(patient.groups, tree.branches, strict=True) if b.vessel_class in classes})
    chosen = groups[int(rng.integers(len(groups)))]
    shown = CenterlineTree(branches=tuple(b for b in tree.branches if b.vessel_class in classes))
    filled = CenterlineTree(
        branches=tuple(
            b for g, b in zip(patient.groups, tree.branches, strict=True) if g == chosen and b.vessel_class in classes
        )
    )
    volumes = [vessel_volume(VesselModel(centerlines=part), spacing_mm=1.6) for part in (shown, filled)]
    renderers = [make_renderer("slices", v.values, v.lps_from_index) for v in volumes if v is not None]
    points = filled.points_mm()
    geometry = draw_geometry("coronary" if kind == "coronary" else "evt", rng)
    return _scene(
        f"{kind}-{seed} {chosen}", "vessels", renderers[0], renderers[1], geometry,
        0.5 * (points.min(axis=0) + points.max(axis=0)), rng,
    )  # fmt: skip


def wide_view(kind: CaseKind, rng: np.random.Generator, *, lateral: bool) -> CArmGeometry:
    """The view of a fully open flat detector, frontal or lateral, as at the start of a procedure."""
    primary = (rng.choice([-1.0, 1.0]) * 90.0) if lateral else 0.0
    return draw_view(
        rng, primary_deg=primary, secondary_deg=0.0, spread_deg=6.0, sid_mm=(1020, 1180), sod_mm=(730, 800),
        field_mm=(360.0, 400.0) if kind == "evt" else (320.0, 360.0), size_px=256,
    )  # fmt: skip


def _scene(
    name: str,
    kind: SceneKind,
    moving: Renderer,
    fixed: Renderer,
    geometry: CArmGeometry,
    target_mm: Float[np.ndarray, " 3"],
    rng: np.random.Generator,
) -> Scene:
    centred = RigidPose.from_rotation_vector(
        np.zeros(3), rng.normal(scale=8.0, size=3) - target_mm, target="isocentre", source="lps"
    )
    projection = geometry.projection(centred).resized((SIDE_PX, SIDE_PX))
    return Scene(
        name=name, kind=kind, moving=moving, fixed=fixed, camera_from_lps=projection.camera_from_lps.matrix,
        intrinsics_px=projection.intrinsics_px, pivot_lps_mm=moving.centroid_lps_mm.double().numpy(),
    )  # fmt: skip
