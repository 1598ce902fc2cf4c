"""Targets of the correlation protocol: an X-ray picture of a simulated patient, and the CT that is registered to it.

The two are made independently. The picture comes from the simulator: native voxels, vessels as tubes of which one
injection is filled, devices, three photon energies, scatter, noise, blur, and its own integrator. The moved CT is
coarser, has every vessel filled, and is rendered for one energy by the methods' renderer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Float32

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from calibration.projection import Projection
from engines.anatomy.vessel_model import CenterlineTree
from engines.registration.methods.correlation_driven import PictureScene
from engines.registration.rendered.drr_target import DrrTarget, averaged, level_shape
from engines.registration.rendered.rendered_view import RenderedView
from engines.rendering.renderer import Renderer
from engines.simulation.anatomies.anatomy import CaseKind, Patient
from engines.simulation.imaging.pieces import cut_into_pieces
from engines.simulation.imaging.shadow import TubeSamples, cast_tubes, line_integrals_mm
from engines.simulation.imaging.xray import STEEL_IODINE_G_PER_CM3, Detector, Shadow, expose, typical_signal
from engines.simulation.runs.run_rendering import LABEL_OF_CLASS
from engines.simulation.simulated_case import HELD_OUT_FROM_SEED, draw_case
from engines.simulation.training_patients.small_volumes import tissue_volume, wide_view

_KINDS: tuple[CaseKind, ...] = ("evt", "tavi")
_LANDMARKS = 200
_CT_NOISE = 0.01  # relative to water, after averaging to the coarse voxels
_SMALL_PX = 128  # tissue is integrated at this size, at which pixels are finer than voxels at the isocentre


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """One patient and one camera, at the patient's nominal pose.

    Args:
        centre_lps_mm: centre of the moved CT and of turns.
        landmarks_mm: points of the vessels at which errors are measured.
    """

    name: str
    patient: Patient
    geometry: CArmGeometry
    nominal: RigidPose
    moving: Renderer
    centre_lps_mm: Float[np.ndarray, " 3"]
    landmarks_mm: Float[np.ndarray, "n 3"]


@lru_cache(maxsize=16)
def target(number: int, seed: int) -> Target:
    """The target of a number: head and chest in turn, frontal and lateral; its seeds were never trained or tuned on."""
    kind, case_seed = _KINDS[number % 2], HELD_OUT_FROM_SEED + 300 + 20 * seed + number // 2
    patient, _ = draw_case(kind, case_seed)
    rng = np.random.default_rng([seed, number, 51])
    lateral = (number // 2) % 2 == 1
    geometry = wide_view(kind, rng, lateral=lateral)
    volume = tissue_volume(patient, contrast=True)
    noisy = volume.values + _CT_NOISE * rng.standard_normal(volume.values.shape, dtype=np.float32)
    moving = type(volume)(values=noisy.astype(np.float32), lps_from_index=volume.lps_from_index).renderer()
    nominal = RigidPose.from_rotation_vector(
        np.zeros(3), rng.normal(scale=8.0, size=3) - patient.target_mm, target="isocentre", source="lps"
    )
    points = patient.tree.points_mm()
    return Target(
        name=f"{kind}-{case_seed}-{'lateral' if lateral else 'frontal'}",
        patient=patient,
        geometry=geometry,
        nominal=nominal,
        moving=moving,
        centre_lps_mm=moving.centroid_lps_mm.double().numpy(),
        landmarks_mm=points[np.linspace(0, len(points) - 1, _LANDMARKS).astype(int)],
    )


def exposed(shown: Target, true_pose: RigidPose, rng: np.random.Generator) -> PictureScene:
    """The patient's X-ray picture at `true_pose`, and the CT that methods move."""
    projection = shown.geometry.projection(true_pose)
    picture, field = _x_ray(shown.patient, projection, rng)
    view = DrrTarget(geometry=shown.geometry, picture=picture, mask=field)
    return PictureScene(
        [shown.geometry],
        [lambda long_side_px: _at_size(view, shown.moving, long_side_px)],
        shown.centre_lps_mm,
        shown.moving.device,
    )


def _x_ray(
    patient: Patient, projection: Projection, rng: np.random.Generator
) -> tuple[Float32[np.ndarray, "rows columns"], Bool[np.ndarray, "rows columns"]]:
    """Log signal, growing with attenuation, after the display curve, and the collimator's open field."""
    rows, columns = projection.shape_px
    small = projection.resized((_SMALL_PX, _SMALL_PX))
    water, bone = np.zeros((2, rows, columns), np.float32)
    for layer in patient.layers:
        volumes = [layer.water, layer.bone] if layer.bone.any() else [layer.water]
        paths = line_integrals_mm(
            volumes, layer.grid.lps_from_index(patient.offset_mm), small, step_mm=1.3 * layer.grid.spacing_mm
        )
        large = [cv2.resize(path, (columns, rows), interpolation=cv2.INTER_CUBIC) for path in paths]
        water += large[0]
        bone += large[1] if len(large) > 1 else 0.0
    shadow = Shadow(
        water_mm=np.maximum(water, 0.0),
        bone_mm=np.maximum(bone, 0.0),
        iodine_g_per_cm2=_iodine(patient, projection, rng),
    )
    field = _opening(rng, (rows, columns))
    typical = max(typical_signal(shadow, field), 1e-4)
    signal = expose(rng, shadow, _detector(rng), typical=typical, field_of_view=field)
    signal = np.clip(signal, -2.5, 3.5)
    flattened = signal - rng.uniform(0.0, 0.4) * cv2.GaussianBlur(signal, (0, 0), 40.0)
    return (np.sign(flattened) * np.abs(flattened) ** np.exp(rng.normal(scale=0.15))).astype(np.float32), field


def _iodine(patient: Patient, projection: Projection, rng: np.random.Generator) -> Float32[np.ndarray, "r c"]:
    """Iodine of one injection (none in every third picture), and up to two wires that the CT does not contain."""
    iodine = np.zeros(projection.shape_px)
    groups = sorted(set(patient.groups))
    if rng.uniform() < 2 / 3:
        chosen = groups[int(rng.integers(len(groups)))]
        branches = tuple(b for b, g in zip(patient.tree.branches, patient.groups, strict=True) if g == chosen)
        tree = CenterlineTree(branches=tuple(replace(branch, parent=-1) for branch in branches))
        pieces = cut_into_pieces(tree, LABEL_OF_CLASS)
        tubes = cast_tubes(pieces.at(tree.points_mm()), projection)
        iodine += tubes.path_mm(np.full(len(pieces.first), rng.uniform(0.05, 0.2))) / 10.0
    for _ in range(int(rng.integers(3))):
        start = patient.target_mm + rng.normal(scale=50.0, size=3)
        way = np.linspace(0.0, 1.0, 120)[:, None]
        bow = np.sin(np.pi * way) * rng.normal(scale=25.0, size=3)
        wire = start + way * rng.normal(scale=80.0, size=3) + bow
        length = np.linalg.norm(np.diff(wire, axis=0), axis=1)
        radius = np.full(len(length), rng.uniform(0.3, 1.0))
        samples = TubeSamples(points_mm=0.5 * (wire[1:] + wire[:-1]), radius_mm=radius, length_mm=length)
        weight = np.full(len(length), STEEL_IODINE_G_PER_CM3 * rng.uniform(0.2, 0.6))
        iodine += cast_tubes(samples, projection).path_mm(weight) / 10.0
    return iodine.astype(np.float32)


def _opening(rng: np.random.Generator, shape: tuple[int, int]) -> Bool[np.ndarray, "rows columns"]:
    """A fully open field, or one collimated to a disc or a rectangle."""
    rows, columns = np.mgrid[-1.0 : 1.0 : shape[0] * 1j, -1.0 : 1.0 : shape[1] * 1j]
    drawn = rng.uniform()
    if drawn < 0.5:
        return np.ones(shape, dtype=bool)
    if drawn < 0.75:
        return rows**2 + columns**2 < rng.uniform(0.9, 1.1) ** 2
    return (np.abs(rows) < rng.uniform(0.8, 1.0)) & (np.abs(columns) < rng.uniform(0.8, 1.0))


def _detector(rng: np.random.Generator) -> Detector:
    return Detector(
        photons=rng.uniform(300, 3000), scatter_ratio=rng.uniform(0.2, 0.8), glare_px=rng.uniform(25, 60),
        blur_px=rng.uniform(0.5, 1.2), electronic=12.0, flatten=0.0, sharpen=0.0, contrast=100.0, level=120.0,
        vignette=rng.uniform(0.0, 0.15),
    )  # fmt: skip


def _at_size(view: DrrTarget, renderer: Renderer, long_side_px: int) -> RenderedView:
    shape = level_shape(view.geometry.shape_px, long_side_px)
    picture, inside = averaged(view, shape, renderer.device)
    unmoved = RigidPose.identity(target="isocentre", source="lps")
    return RenderedView(
        renderer=renderer,
        camera_from_isocentre=torch.tensor(view.geometry.camera_from_isocentre().matrix),
        intrinsics_px=torch.tensor(view.geometry.projection(unmoved).resized(shape).intrinsics_px),
        picture=picture[None, None],
        mask=inside[None, None].float(),
        saturates=False,
    )
