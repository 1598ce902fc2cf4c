"""Shadows against closed forms, and the two kinds of shadow against each other."""

import numpy as np
import pytest

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from calibration.projection import Projection
from engines.simulation.imaging.shadow import TubeSamples, cast_tubes, line_integrals_mm


def _view(primary_deg: float = 0.0, secondary_deg: float = 0.0) -> Projection:
    geometry = CArmGeometry(
        primary_rad=np.deg2rad(primary_deg),
        secondary_rad=np.deg2rad(secondary_deg),
        sid_mm=1000.0,
        sod_mm=750.0,
        column_spacing_mm=0.5,
        row_spacing_mm=0.5,
        shape_px=(96, 96),
        principal_point_px=(47.5, 47.5),
    )
    return geometry.projection(RigidPose.identity(target="isocentre", source="lps"))


def _tube(direction: np.ndarray, length_mm: float, radius_mm: float, through_mm: np.ndarray) -> TubeSamples:
    count = int(length_mm / 0.1)
    at = (np.arange(count) + 0.5) * 0.1 - 0.5 * length_mm
    return TubeSamples(
        points_mm=through_mm + at[:, None] * direction / np.linalg.norm(direction),
        radius_mm=np.full(count, radius_mm),
        length_mm=np.full(count, 0.1),
    )


@pytest.mark.parametrize("tilt", [0.0, 0.5, 1.5])
def test_thickness_of_a_tube_is_its_chord_at_any_tilt(tilt):
    view, radius = _view(), 4.0
    shadow = cast_tubes(_tube(np.array([0.0, tilt, 1.0]), 90.0, radius, np.zeros(3)), view)
    thickness = shadow.path_mm(np.ones(len(shadow.length_mm)))
    row = thickness[48]
    pixel_mm = 0.5 * 750.0 / 1000.0
    offset_mm = (np.arange(96) - 47.5) * pixel_mm
    chord = 2.0 * np.sqrt(np.clip(radius**2 - offset_mm**2, 0.0, None)) * np.sqrt(1.0 + tilt**2)
    inner = np.abs(offset_mm) < 0.85 * radius
    np.testing.assert_allclose(row[inner], chord[inner], rtol=0.03)
    assert row[np.abs(offset_mm) > radius + 2 * pixel_mm].max() == 0.0


def test_centre_of_a_thin_tube_is_placed_to_a_tenth_of_a_pixel():
    view = _view()
    for shift_mm in (0.0, 0.11, 0.23, 0.31):
        samples = _tube(np.array([0.0, 0.0, 1.0]), 20.0, 0.6, np.array([shift_mm, 0.0, 0.0]))
        row = cast_tubes(samples, view).path_mm(np.ones(len(samples.length_mm)))[48]
        expected = view.project(np.array([[shift_mm, 0.0, 0.0]]))[0][0, 0]
        assert abs((row * np.arange(96)).sum() / row.sum() - expected) < 0.1


def test_ray_integral_of_a_voxel_tube_agrees_with_the_exact_one():
    view, radius = _view(30.0, 20.0), 5.0
    direction, through = np.array([0.4, 0.3, 1.0]), np.array([1.0, -2.0, 0.5])
    spacing = 0.6
    axis = (np.arange(101) - 50) * spacing
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1) - through
    unit = direction / np.linalg.norm(direction)
    along = points @ unit
    away = np.linalg.norm(points - along[..., None] * unit, axis=-1)
    volume = np.clip(0.5 + (radius - away) / spacing, 0, 1) * (np.abs(along) < 22.0)
    matrix = np.diag([spacing, spacing, spacing, 1.0])
    matrix[:3, 3] = -50 * spacing
    voxels = line_integrals_mm([volume.astype(np.float32)], matrix, view, step_mm=0.5)[0]
    samples = _tube(direction, 44.0, radius, through)
    exact = cast_tubes(samples, view).path_mm(np.ones(len(samples.length_mm)))
    middle = slice(36, 60)
    columns = np.arange(96)
    for row in range(36, 60):
        of_voxels = (voxels[row] * columns).sum() / voxels[row].sum()
        of_tube = (exact[row] * columns).sum() / exact[row].sum()
        assert abs(of_voxels - of_tube) < 0.15
    assert voxels[middle].sum() == pytest.approx(exact[middle].sum(), rel=0.02)


def test_mask_is_where_the_thickness_is():
    samples = _tube(np.array([0.2, 0.5, 1.0]), 40.0, 2.0, np.zeros(3))
    shadow = cast_tubes(samples, _view(10.0))
    thickness, mask = shadow.path_mm(np.ones(len(samples.length_mm))), shadow.mask(np.ones(len(samples.length_mm)) > 0)
    assert (thickness[mask] > 0).all()
    assert thickness[~mask].sum() < 0.05 * thickness.sum()


def test_tube_outside_the_picture_leaves_no_shadow():
    shadow = cast_tubes(_tube(np.array([0.0, 0.0, 1.0]), 10.0, 1.0, np.array([400.0, 0.0, 0.0])), _view())
    assert shadow.path_mm(np.ones(len(shadow.length_mm))).max() == 0.0
    assert not shadow.mask(np.ones(len(shadow.length_mm)) > 0).any()


def test_rays_that_miss_the_volume_integrate_to_zero():
    matrix = np.eye(4)
    matrix[:3, 3] = 500.0
    assert line_integrals_mm([np.ones((4, 4, 4), np.float32)], matrix, _view(), step_mm=1.0).max() == 0.0
