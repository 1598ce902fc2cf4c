"""Simulate pictures of phantoms with exactly known truth, for tests and for the self-test of a calibration."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, UInt16
from scipy.ndimage import gaussian_filter

from calibration.carm import CArmGeometry
from calibration.phantoms.phantom import Phantom, default_phantom
from calibration.pose import RigidPose
from calibration.projection import Projection

_STEEL_PER_MM = 0.35  # effective attenuation of steel at about 70 keV with beam hardening and scatter
_FULL_SCALE = 4095


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureQuality:
    """The degradations of the exact shadow in the stored picture.

    Args:
        photons: mean count per pixel in the open beam.
        gradient: change of the background's logarithm from one side of the picture to the other.
        blur_px: one sigma of focal spot and detector blur together.
        cylinder_attenuation: attenuation (line integral) of the phantom's body where it is thickest.
    """

    photons: float = 4000.0
    gradient: float = 0.8
    blur_px: float = 0.8
    cylinder_attenuation: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimulatedView:
    """A picture of a phantom and the projection that made it; the phantom frame is called "lps"."""

    pixels: UInt16[np.ndarray, "rows columns"]
    bits_stored: int
    projection: Projection
    geometry: CArmGeometry
    phantom: Phantom = field(default_factory=default_phantom)


def random_view(rng: np.random.Generator, *, side_px: int = 768, phantom: Phantom | None = None) -> SimulatedView:
    """A random plausible view: angles, distances, off-centre placement, principal point, quality."""
    sod_mm = rng.uniform(680, 820)
    sid_mm = sod_mm * rng.uniform(1.35, 1.55)
    spacing_mm = rng.uniform(280, 330) / side_px
    geometry = CArmGeometry(
        primary_rad=np.deg2rad(rng.uniform(-50, 50)),
        secondary_rad=np.deg2rad(rng.uniform(-30, 30)),
        sid_mm=sid_mm,
        sod_mm=sod_mm,
        column_spacing_mm=spacing_mm,
        row_spacing_mm=spacing_mm,
        shape_px=(side_px, side_px),
        principal_point_px=tuple((side_px - 1) / 2 + rng.normal(0, 6, 2)),
    )
    # The phantom's placement, and the rotation of the detector in its plane.
    isocentre_from_phantom = RigidPose.from_rotation_vector(
        np.zeros(3), rng.normal(0, 8, 3), target="isocentre", source="lps"
    )
    roll = RigidPose.from_rotation_vector(
        np.array([0, 0, np.deg2rad(rng.normal(0, 1.0))]), np.zeros(3), target="camera", source="camera"
    )
    projection = Projection(
        intrinsics_px=geometry.intrinsics_px(),
        camera_from_lps=roll @ geometry.camera_from_isocentre() @ isocentre_from_phantom,
        shape_px=geometry.shape_px,
    )
    quality = PictureQuality(
        photons=rng.uniform(1500, 8000), gradient=rng.uniform(-1, 1), blur_px=rng.uniform(0.6, 1.2)
    )
    return rendered(projection, geometry, phantom or default_phantom(), quality, rng)


def rendered(
    projection: Projection,
    geometry: CArmGeometry,
    phantom: Phantom,
    quality: PictureQuality,
    rng: np.random.Generator,
) -> SimulatedView:
    """A picture from exact chord lengths through every bead, with blur and photon noise."""
    rows, columns = projection.shape_px
    line_integral = np.zeros((rows, columns))
    inverse = np.linalg.inv(projection.intrinsics_px)
    for bead in phantom.beads:
        _add_ball(line_integral, inverse, projection, np.array(bead.position_mm), bead.diameter_mm / 2)
    row, column = np.mgrid[:rows, :columns]
    across, down = column / columns - 0.5, row / rows - 0.5
    centre, _ = projection.project(phantom.positions_mm().mean(axis=0)[None])
    off_axis = np.clip(np.abs(column - centre[0, 0]) / (0.25 * columns), 0, 1)
    background = quality.gradient * (0.8 * across + 0.6 * down) + quality.cylinder_attenuation * np.sqrt(
        1 - off_axis**2
    )
    intensity = gaussian_filter(np.exp(-line_integral - background), quality.blur_px)
    counts = rng.poisson(quality.photons * intensity)
    # The brightest thousandth of the pixels may clip, as on a detector.
    gain = _FULL_SCALE / np.quantile(counts, 0.999)
    pixels = np.clip(np.rint(counts * gain), 0, _FULL_SCALE).astype(np.uint16)
    return SimulatedView(pixels=pixels, bits_stored=12, projection=projection, geometry=geometry, phantom=phantom)


def _add_ball(
    line_integral: Float[np.ndarray, "rows columns"],
    inverse: Float[np.ndarray, "3 3"],
    projection: Projection,
    centre_mm: Float[np.ndarray, " 3"],
    radius_mm: float,
) -> None:
    rows, columns = line_integral.shape
    centre = projection.camera_from_lps.apply(centre_mm[None])[0]
    middle = projection.intrinsics_px @ centre
    middle = middle[:2] / middle[2]
    reach = abs(projection.intrinsics_px[1, 1]) * radius_mm / (centre[2] - radius_mm) + 2
    low = np.maximum(np.floor(middle - reach), 0).astype(int)
    high = np.minimum(np.ceil(middle + reach) + 1, (columns, rows)).astype(int)
    if (high <= low).any():
        return
    part = 3  # samples per side of each pixel, because a ball's edge is sharp
    steps = (np.arange(part) + 0.5) / part - 0.5
    column = (np.arange(low[0], high[0])[:, None] + steps).ravel()
    row = (np.arange(low[1], high[1])[:, None] + steps).ravel()
    grid = np.stack(np.meshgrid(column, row), axis=-1)
    rays = np.concatenate([grid, np.ones((*grid.shape[:2], 1))], axis=-1) @ inverse.T
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    along = rays @ centre
    squared = radius_mm**2 - (centre @ centre - along**2)
    chord = 2 * np.sqrt(np.clip(squared, 0, None))
    height, width = high[1] - low[1], high[0] - low[0]
    mean = chord.reshape(height, part, width, part).mean(axis=(1, 3))
    line_integral[low[1] : high[1], low[0] : high[0]] += _STEEL_PER_MM * mean
