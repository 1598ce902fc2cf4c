"""The artery as a CT scanner shows it: partial volume, blur, blooming and noise."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter
from scipy.spatial import KDTree

from engines.anatomy.vessel_model import CtVolume
from engines.simulation.ivus.physics import Physics
from engines.simulation.ivus.tissue import CtTissue
from engines.simulation.ivus.vessel import Vessel, outward_mm

_MARGIN_MM = 9.0
_NEAR_MM = 4.6  # the wall and a little beyond
_ARTERY_REACH_MM, _BRANCH_REACH_MM = 6.5, 2.5  # no wall, lumen or vein is farther from its axis
_FINE = 2  # sub-voxels along each axis near the artery
_LUNG_HU = -820.0


def paint_ct(
    rng: np.random.Generator, vessel: Vessel, centre_mm: Float[np.ndarray, " 3"], physics: Physics, tissue: CtTissue
) -> CtVolume:
    """A crop of a CT about the artery; blooming arises from blur and clipped dense calcium by itself."""
    spacing = np.array([tissue.spacing_mm[0], *tissue.spacing_mm])
    everything = np.concatenate([vessel.frame.points_mm, *(branch.points_mm[:40] for branch in vessel.branches)])
    first = everything.min(axis=0) - _MARGIN_MM
    shape = np.ceil((everything.max(axis=0) + _MARGIN_MM - first) / spacing).astype(int)
    volume = _heart(shape, first, spacing, centre_mm, physics, tissue)
    _paint_tubes(rng, volume, first, spacing, vessel, centre_mm, physics, tissue)
    blurred = gaussian_filter(volume, physics.ct_blur_mm / spacing)
    # The scanner's kernel correlates neighbouring noise; the spread is restored after smoothing.
    noise = gaussian_filter(rng.standard_normal(volume.shape).astype(np.float32), tissue.noise_voxels)
    blurred += physics.ct_noise_hu * noise / float(noise.std())
    lps_from_index = np.diag([*spacing, 1.0])
    lps_from_index[:3, 3] = first
    return CtVolume(voxels_hu=np.rint(blurred).astype(np.int16), lps_from_index=lps_from_index)


def _heart(
    shape: np.ndarray, first: np.ndarray, spacing: np.ndarray, centre_mm: np.ndarray, physics: Physics,
    tissue: CtTissue,
) -> np.ndarray:  # fmt: skip
    axes = [first[k] + spacing[k] * np.arange(shape[k]) for k in range(3)]
    half = np.array([45.0, 40.0, 55.0], dtype=np.float32)
    squared = sum(
        np.expand_dims(((axes[k] - centre_mm[k]) / half[k]).astype(np.float32) ** 2, [j for j in range(3) if j != k])
        for k in range(3)
    )
    outward = (np.sqrt(squared) - 1.0) * float(half.mean())
    return np.interp(
        outward, [-13.0, -11.0, -1.2, -0.6, 6.5, 8.0],
        [0.9 * physics.blood_hu, tissue.muscle_hu, tissue.muscle_hu, tissue.fat_hu, tissue.fat_hu, _LUNG_HU],
    ).astype(np.float32)  # fmt: skip


def _paint_tubes(
    rng: np.random.Generator, volume: np.ndarray, first: np.ndarray, spacing: np.ndarray, vessel: Vessel,
    centre_mm: np.ndarray, physics: Physics, tissue: CtTissue,
) -> None:  # fmt: skip
    frame = vessel.frame
    tree = np.concatenate([frame.points_mm, *(branch.points_mm for branch in vessel.branches)])
    index = np.rint((tree - first) / spacing).astype(int)
    reach = np.ceil(_NEAR_MM / spacing).astype(int)
    near = np.zeros(volume.shape, dtype=bool)
    for place in index[::3]:
        low, high = np.maximum(place - reach, 0), place + reach + 1
        near[low[0] : high[0], low[1] : high[1], low[2] : high[2]] = True
    voxels = np.argwhere(near)
    coarse = voxels * spacing + first
    distance = KDTree(tree).query(coarse, distance_upper_bound=_NEAR_MM)[0]
    voxels, coarse, distance = (part[np.isfinite(distance)] for part in (voxels, coarse, distance))
    total = np.zeros(len(voxels), dtype=np.float32)
    vein = _vein(rng, vessel, centre_mm)
    background = volume[tuple(voxels.T)]
    # About the side branches most voxels show what lies behind: only those in reach of a wall or a vein are asked.
    to_artery = KDTree(frame.points_mm).query(coarse, distance_upper_bound=_ARTERY_REACH_MM)[0]
    asked = np.isfinite(to_artery) | (distance < _BRANCH_REACH_MM)
    for offset in np.stack(np.meshgrid(*[(np.arange(_FINE) + 0.5) / _FINE - 0.5] * 3, indexing="ij"), -1).reshape(
        -1, 3
    ):
        seen = background.copy()
        seen[asked] = _hu(coarse[asked] + offset * spacing, background[asked], vessel, vein, physics, tissue)
        total += seen
    volume[tuple(voxels.T)] = total / _FINE**3


def _hu(
    points: np.ndarray, background: np.ndarray, vessel: Vessel, vein: np.ndarray | None, physics: Physics,
    tissue: CtTissue,
) -> np.ndarray:  # fmt: skip
    frame = vessel.frame
    far, nearest = KDTree(frame.points_mm).query(points)
    offset = points - frame.points_mm[nearest]
    along = np.einsum("ij,ij->i", offset, frame.tangent[nearest])
    arc = frame.arc_mm[nearest] + along
    angle = np.arctan2(np.einsum("ij,ij->i", offset, frame.v[nearest]), np.einsum("ij,ij->i", offset, frame.u[nearest]))
    lumen, wall = vessel.radii(arc, angle)
    beyond = np.sqrt(np.maximum(far**2 - along**2, 0.0)) - lumen
    past_end = np.abs(along) > 0.6
    blood = physics.blood_hu * (1.0 - tissue.thinning * arc / frame.length_mm)
    hu = background.copy()
    hu[(beyond < wall - lumen) & ~past_end] = tissue.wall_hu
    if vein is not None:
        near = _about(points, vein, 1.1)
        within = near[KDTree(vein).query(points[near], distance_upper_bound=1.3)[0] < 1.1]
        hu[within] = 0.5 * physics.blood_hu
    for branch in vessel.branches:
        reach = float(branch.radius_mm.max()) + 0.25
        near = _about(points, branch.points_mm, reach)
        close, place = KDTree(branch.points_mm).query(points[near], distance_upper_bound=reach)
        radius = branch.radius_mm[np.minimum(place, len(branch.radius_mm) - 1)]
        rim = (close < radius + 0.25) & (beyond >= wall - lumen)[near]
        hu[near[rim]] = tissue.wall_hu
        inside = near[close < radius]
        hu[inside] = blood[inside]
    calcium = vessel.calcified(arc, angle, beyond) & ~past_end
    hu[calcium] = tissue.calcium_hu
    inside = (beyond < 0) & ~past_end
    hu[inside] = blood[inside]
    return hu


def _about(points: np.ndarray, line: np.ndarray, reach_mm: float) -> np.ndarray:
    """Numbers of the points within the box about a line: most lie far away, and a look into the tree costs much."""
    low, high = line.min(axis=0) - reach_mm, line.max(axis=0) + reach_mm
    return np.flatnonzero(((points > low) & (points < high)).all(axis=1))


def _vein(rng: np.random.Generator, vessel: Vessel, centre_mm: np.ndarray) -> np.ndarray | None:
    """A vein beside part of the artery in a third of the patients."""
    if rng.random() > 0.35:
        return None
    frame = vessel.frame
    start = int(rng.integers(0, len(frame.arc_mm) // 2))
    part = slice(start, start + int(30 / 0.25))
    outside = frame.points_mm[part] - centre_mm
    outside /= np.linalg.norm(outside, axis=1, keepdims=True)
    side = np.cross(frame.tangent[part], outside) * rng.choice([-1.0, 1.0])
    points = frame.points_mm[part] + rng.uniform(4.0, 5.0) * side + 0.8 * outside
    return points if np.abs(outward_mm(points, centre_mm)).max() < 10 else None
