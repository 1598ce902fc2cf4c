"""The contrast CT of a simulated heart: chambers, coronaries, fat, lung, liver, chest wall; true masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage
from scipy.spatial import KDTree

from engines.simulation.cmr.patient import Patient

_FIELD_MM = 158.0
_FAT_HU, _LUNG_HU, _LIVER_HU, _MUSCLE_HU = -95.0, -830.0, 105.0, 50.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CtPicture:
    hu: Float[np.ndarray, "i j k"]
    lps_from_index: Float[np.ndarray, "4 4"]
    masks: dict[str, Bool[np.ndarray, "i j k"]]
    heart_points: Float[np.ndarray, "n 3"]
    wall_index: np.ndarray
    wall_depth: Float[np.ndarray, " n"]


def ct_picture(patient: Patient, random: np.random.Generator, *, spacing_mm: float = 1.0) -> CtPicture:
    """Voxels in HU, true masks, and wall coordinates of every wall voxel (`wall_index` into the flat volume)."""
    shape = patient.ct_heart
    count = round(_FIELD_MM / spacing_mm)
    centre = (patient.lps_from_heart @ [8.0, 0.0, 0.55 * shape.length_mm, 1.0])[:3]
    flip = np.array([random.choice([-1.0, 1.0]), random.choice([-1.0, 1.0]), 1.0])
    affine = np.diag([*(flip * spacing_mm), 1.0])
    affine[:3, 3] = centre - affine[:3, :3] @ (np.full(3, (count - 1) / 2.0)) + random.uniform(-4, 4, 3)
    index = np.stack(np.meshgrid(*(np.arange(count, dtype=np.float32),) * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    heart_from_index = np.linalg.inv(patient.lps_from_heart) @ affine
    points = index @ heart_from_index[:3, :3].T.astype(np.float32) + heart_from_index[:3, 3].astype(np.float32)
    lps = index @ affine[:3, :3].T.astype(np.float32) + affine[:3, 3].astype(np.float32)
    masks = _masks(patient, points)
    hu = _tissue(patient, random, points, lps - centre.astype(np.float32), masks, count, spacing_mm)
    grid = (count,) * 3
    fine = hu.reshape(grid)
    fine = ndimage.gaussian_filter(fine, 0.55 / spacing_mm)
    sigma = random.uniform(18, 32) * (1.4 if patient.split == "shift" else 1.0)
    noise = ndimage.gaussian_filter(random.standard_normal(grid, dtype=np.float32), 0.7)
    fine = np.clip(fine + sigma * noise / noise.std(), -1024, 3000)
    wall = np.flatnonzero(masks["lv_wall"])
    return CtPicture(
        hu=np.rint(fine).astype(np.float32),
        lps_from_index=affine,
        masks={
            name: mask.reshape(grid) for name, mask in masks.items() if name not in ("rv_wall", "valve", "papillary")
        },
        heart_points=points[wall].astype(np.float64),
        wall_index=wall,
        wall_depth=shape.depth(points[wall].astype(np.float64)),
    )


def _masks(patient: Patient, p: np.ndarray) -> dict[str, np.ndarray]:
    shape = patient.ct_heart
    length = shape.length_mm
    cavity = shape.in_cavity(p)
    epicardium = shape.in_epicardium(p)
    right = shape.in_right_ventricle(p) & ~epicardium
    right_wall = shape.in_right_ventricle(p, wall_mm=2.5) & ~epicardium & ~right
    above = p[:, 2] > length + p[:, :2] @ np.array(shape.base_tilt)
    radius = shape.radius_mm
    left_atrium = above & (_ellipsoid(p, (-9.0, -9.0, length + 19.0), (1.05 * radius, 1.0 * radius, 21.0)))
    aorta = above & _tube(
        p, np.array([[7, 8, length], [8, 10, length + 14], [12, 26, length + 34], [10, 60, length + 52]]), 0.50 * radius
    )
    left_atrium &= ~aorta & ~_tube(
        p, np.array([[7, 8, length], [8, 10, length + 14], [12, 26, length + 34]]), 0.5 * radius + 2
    )
    right_atrium = _ellipsoid(p, (40.0, -10.0, length + 24.0), (19.0, 21.0, 18.0)) & ~right & ~right_wall & ~aorta
    right_atrium &= ~left_atrium & ~epicardium & (p[:, 2] > length + 6)
    opening = np.hypot(*np.moveaxis(p[:, :2] - np.array([-9.0, -9.0]), -1, 0)) < 0.62 * radius
    valve = left_atrium & (p[:, 2] < length + p[:, :2] @ np.array(shape.base_tilt) + 1.6) & ~opening
    feet = [(np.deg2rad(150), 4.2), (np.deg2rad(235), 4.6)]
    papillary = np.zeros(len(p), dtype=bool)
    for theta, size in feet:
        middle = shape.surface(np.array(0.45 * length), np.array(theta), depth=0.0, off_mm=-4.0)
        papillary |= cavity & _ellipsoid(p, tuple(middle), (size, size, 0.17 * length))
    return {
        "lv_cavity": cavity,
        "lv_wall": epicardium & ~cavity,
        "rv": right,
        "la": left_atrium,
        "ra": right_atrium,
        "aorta": aorta,
        "rv_wall": right_wall,
        "valve": valve,
        "papillary": papillary,
    }


def _tissue(
    patient: Patient,
    random: np.random.Generator,
    points: np.ndarray,
    lps: np.ndarray,
    masks: dict[str, np.ndarray],
    count: int,
    spacing_mm: float,
) -> np.ndarray:
    left, right = random.uniform(320, 450), random.uniform(110, 330)
    wall = random.uniform(90, 130)
    everything = np.any(list(masks.values()), axis=0)
    outside = ~everything.reshape((count,) * 3)
    far = np.asarray(ndimage.distance_transform_edt(outside, sampling=spacing_mm)).ravel()
    hu = np.full(len(points), _LUNG_HU, dtype=np.float32)
    heart_low = lps[everything, 2].min()
    hu[lps[:, 2] < heart_low + 14.0 + 0.10 * lps[:, 0] + 0.15 * lps[:, 1]] = _LIVER_HU + random.normal(0, 8)
    front = lps[everything, 1].min()
    hu[lps[:, 1] < front - 6.0] = _MUSCLE_HU
    spine = np.hypot(lps[:, 0] + 30.0, lps[:, 1] - lps[everything, 1].max() - 18.0) < 20.0
    hu[spine] = 260.0
    hu[far < random.uniform(3.0, 6.0)] = _FAT_HU
    hu[masks["lv_wall"]] = wall
    hu[masks["rv_wall"]] = wall
    for name, value in (("rv", right), ("ra", right + 20), ("la", left - 5), ("aorta", left + 10), ("lv_cavity", left)):
        hu[masks[name]] = value
    hu[(far < 1.5) & (far > 0) & (points[:, 2] > patient.ct_heart.length_mm)] = 70.0  # walls of atria and aorta
    hu[masks["valve"] | masks["papillary"]] = wall + 5
    _paint_arteries(patient, points, hu, left, spacing_mm)
    return hu


def _paint_arteries(patient: Patient, points: np.ndarray, hu: np.ndarray, level: float, spacing_mm: float) -> None:
    line = np.concatenate([artery.points for artery in patient.arteries])
    radius = np.concatenate([artery.radius_mm for artery in patient.arteries])
    low, high = line.min(axis=0) - 5.0, line.max(axis=0) + 5.0
    near = np.flatnonzero(((points > low) & (points < high)).all(axis=1) & (hu < 0))
    far, which = KDTree(line).query(points[near], distance_upper_bound=4.0)
    found = np.isfinite(far)
    near, far, radius = near[found], far[found], radius[np.asarray(which)[found]]
    # Partial volume at the lumen's border and a thin wall around it.
    share = np.clip((radius - far) / spacing_mm + 0.5, 0.0, 1.0)
    around = np.clip((radius + 0.8 - far) / spacing_mm + 0.5, 0.0, 1.0)
    hu[near] = share * level + (1 - share) * (around * 60.0 + (1 - around) * hu[near])


def _ellipsoid(p: np.ndarray, centre: tuple[float, ...], radii: tuple[float, ...]) -> np.ndarray:
    return (((p - np.array(centre, dtype=np.float32)) / np.array(radii, dtype=np.float32)) ** 2).sum(axis=1) < 1.0


def _tube(p: np.ndarray, line: np.ndarray, radius: float) -> np.ndarray:
    from scipy.interpolate import CubicSpline

    fine = CubicSpline(np.arange(len(line)), line)(np.linspace(0, len(line) - 1, 60))
    inside = np.zeros(len(p), dtype=bool)
    near = np.flatnonzero(((p > fine.min(axis=0) - radius) & (p < fine.max(axis=0) + radius)).all(axis=1))
    inside[near] = KDTree(fine).query(p[near])[0] < radius
    return inside
