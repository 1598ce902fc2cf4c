"""The coronary phantom as labelled pictures."""

import numpy as np

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.anatomy.surface import surface_from_labels
from engines.anatomy.vessel_model import LabelVolume
from engines.evaluation.segmentation.phantom_pictures import phantom_pictures, silhouette
from tests.real_data import real_data

RADIUS_MM, SID_MM, SOD_MM, SPACING_MM = 20.0, 1000.0, 750.0, 0.4


def test_the_silhouette_of_a_ball_is_a_disc_of_its_magnified_radius():
    grid = np.stack(np.meshgrid(*[np.arange(-25.0, 26.0)] * 3, indexing="ij"), axis=-1)
    lps_from_index = np.eye(4)
    lps_from_index[:3, 3] = -25.0
    ball = (np.linalg.norm(grid, axis=-1) <= RADIUS_MM).astype(np.uint8)
    surface = surface_from_labels(LabelVolume(labels=ball, lps_from_index=lps_from_index))
    geometry = CArmGeometry(
        primary_rad=0.3, secondary_rad=-0.2, sid_mm=SID_MM, sod_mm=SOD_MM, column_spacing_mm=SPACING_MM,
        row_spacing_mm=SPACING_MM, shape_px=(256, 256), principal_point_px=(127.5, 127.5),
    )  # fmt: skip
    pose = RigidPose.from_rotation_vector(np.zeros(3), np.zeros(3), target="isocentre", source="lps")

    mask = silhouette(surface, geometry.projection(pose))

    radius_px = RADIUS_MM / np.sqrt(SOD_MM**2 - RADIUS_MM**2) * SID_MM / SPACING_MM
    away = np.hypot(*(np.indices(mask.shape) - 127.5))
    assert mask[away < radius_px - 3].all()
    assert not mask[away > radius_px + 3].any()


def test_every_cine_of_the_phantom_is_darker_where_its_surface_is_projected():
    pictures = phantom_pictures(real_data("coronary_phantom"), backend="torch")
    assert [picture.name for picture in pictures] == ["IM1", "IM2", "IM5", "IM6"]
    for picture in pictures:
        assert picture.mask.shape == picture.frame.shape_px
        assert 0.01 < picture.mask.mean() < 0.2
        pixels = picture.frame.pixels.astype(float)
        darkest = pixels < np.quantile(pixels[64:-64, 64:-64], 0.03)
        inner = np.zeros_like(darkest)
        inner[64:-64, 64:-64] = darkest[64:-64, 64:-64]
        assert picture.mask[inner].mean() > 0.7  # rotated or mirrored it would be a few per cent
