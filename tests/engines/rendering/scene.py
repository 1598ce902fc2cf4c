"""Small volumes whose line integrals are known exactly, and cameras to see them."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from calibration.projection import Projection

BLOB_CENTRE_MM = np.array([4.0, -3.0, 6.0])
BLOB_SIGMA_MM = 7.0
BLOB_PEAK = 0.8


def affine(spacing_mm=(1.2, 1.5, 1.9), rotation_deg=(20.0, -35.0, 50.0), flip=True, shape=(56, 48, 40)) -> np.ndarray:
    """Oblique, anisotropic, left-handed grid around the origin."""
    axes = Rotation.from_euler("xyz", rotation_deg, degrees=True).as_matrix() * np.array(spacing_mm)
    if flip:
        axes[:, 1] *= -1.0
    matrix = np.eye(4)
    matrix[:3, :3] = axes
    matrix[:3, 3] = -axes @ ((np.array(shape) - 1) / 2)
    return matrix


def positions_mm(shape: tuple[int, int, int], lps_from_index: np.ndarray) -> np.ndarray:
    index = np.stack(np.meshgrid(*[np.arange(size) for size in shape], indexing="ij"), axis=-1)
    return index @ lps_from_index[:3, :3].T + lps_from_index[:3, 3]


def blob(shape: tuple[int, int, int], lps_from_index: np.ndarray) -> np.ndarray:
    distance = np.linalg.norm(positions_mm(shape, lps_from_index) - BLOB_CENTRE_MM, axis=-1)
    return (BLOB_PEAK * np.exp(-0.5 * (distance / BLOB_SIGMA_MM) ** 2)).astype(np.float32)


def blob_integral(projection: Projection) -> np.ndarray:
    """Exact picture of the blob: a Gaussian's line integral depends on the ray's distance from its centre alone."""
    rows, columns = np.mgrid[: projection.shape_px[0], : projection.shape_px[1]]
    pixels = np.column_stack([columns.ravel(), rows.ravel()]).astype(float)
    source = projection.camera_from_lps.inverse().translation_mm
    ray = projection.back_project(pixels, np.ones(len(pixels))) - source
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    distance = np.linalg.norm(np.cross(BLOB_CENTRE_MM - source, ray), axis=1)
    peak = BLOB_PEAK * np.sqrt(2 * np.pi) * BLOB_SIGMA_MM
    return (peak * np.exp(-0.5 * (distance / BLOB_SIGMA_MM) ** 2)).reshape(projection.shape_px)


def view(
    primary_deg=25.0,
    secondary_deg=-15.0,
    *,
    shape_px=(40, 48),
    spacing_mm=(3.0, 2.4),
    principal_point_px=(15.5, 26.0),
    mirrored=False,
    translation_mm=(3.0, -8.0, 5.0),
) -> Projection:
    geometry = CArmGeometry(
        primary_rad=np.deg2rad(primary_deg),
        secondary_rad=np.deg2rad(secondary_deg),
        sid_mm=1100.0,
        sod_mm=750.0,
        column_spacing_mm=spacing_mm[0],
        row_spacing_mm=spacing_mm[1],
        shape_px=shape_px,
        principal_point_px=principal_point_px,
        mirrored=mirrored,
    )
    patient = RigidPose.from_rotation_vector(
        np.array([0.05, -0.1, 0.08]), np.array(translation_mm), target="isocentre", source="lps"
    )
    return geometry.projection(patient)


def tensors(projection: Projection) -> tuple[torch.Tensor, torch.Tensor]:
    """camera_from_lps (1, 4, 4) and intrinsics (3, 3) in float64."""
    return torch.tensor(projection.camera_from_lps.matrix)[None], torch.tensor(projection.intrinsics_px)
