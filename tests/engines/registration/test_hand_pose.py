"""A nudge moves the model in the picture as the hand says, mirrored pictures included."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calibration.carm import CArmGeometry
from engines.registration.hand_pose import difference_text, header_pose, moved_in_view
from tests.engines.registration.vessel_bed import Bed, bed


@pytest.fixture(scope="module")
def scene() -> Bed:
    return bed(3)


@pytest.mark.parametrize("mirrored", [False, True])
def test_shifts_follow_the_picture(scene: Bed, mirrored: bool) -> None:
    geometry = replace(scene.geometry, mirrored=mirrored)
    pivot = scene.model.centroid_mm()
    shown = _shown(geometry, scene.pose, pivot)
    step_px = 2.0 / geometry.isocentre_mm_per_px
    right = moved_in_view(scene.pose, geometry, pivot, shift_mm=(2.0, 0.0, 0.0))
    assert _shown(geometry, right, pivot) - shown == pytest.approx([step_px, 0.0], abs=0.02 * step_px)
    up = moved_in_view(scene.pose, geometry, pivot, shift_mm=(0.0, 2.0, 0.0))
    assert _shown(geometry, up, pivot) - shown == pytest.approx([0.0, -step_px], abs=0.02 * step_px)


def test_depth_leaves_the_pivot_where_it_is_shown_and_shrinks_the_model(scene: Bed) -> None:
    pivot = scene.model.centroid_mm()
    away = moved_in_view(scene.pose, scene.geometry, pivot, shift_mm=(0.0, 0.0, 60.0))
    before, after = (_shown(scene.geometry, pose, pivot) for pose in (scene.pose, away))
    assert after == pytest.approx(before, abs=1e-6)
    points = scene.model.centerlines.points_mm()
    sizes = [np.ptp(scene.geometry.projection(pose).project(points)[0], axis=0) for pose in (scene.pose, away)]
    assert (sizes[1] < 0.97 * sizes[0]).all()


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_roll_turns_clockwise_about_the_pivot(scene: Bed, mirrored: bool) -> None:
    geometry = replace(scene.geometry, mirrored=mirrored)
    pivot = scene.model.centroid_mm()
    angle = np.deg2rad(10.0)
    rolled = moved_in_view(scene.pose, geometry, pivot, turn_rad=(0.0, 0.0, angle))
    centre = _shown(geometry, scene.pose, pivot)
    assert _shown(geometry, rolled, pivot) == pytest.approx(centre, abs=1e-6)
    point = scene.model.centerlines.points_mm()[40]
    before, after = (_shown(geometry, pose, point) - centre for pose in (scene.pose, rolled))
    # Rows run downwards, so that clockwise on the screen is positive.
    turned = np.arctan2(after[1], after[0]) - np.arctan2(before[1], before[0])
    assert np.angle(np.exp(1j * turned)) == pytest.approx(angle, abs=np.deg2rad(1.5))


def test_turns_are_undone_by_their_opposites(scene: Bed) -> None:
    pivot = scene.model.centroid_mm()
    for axis in range(3):
        turn = tuple(0.2 if at == axis else 0.0 for at in range(3))
        there = moved_in_view(scene.pose, scene.geometry, pivot, turn_rad=turn)  # type: ignore[arg-type]
        back = tuple(-value for value in turn)
        again = moved_in_view(there, scene.geometry, pivot, turn_rad=back)  # type: ignore[arg-type]
        assert again.matrix == pytest.approx(scene.pose.matrix, abs=1e-9)
        assert not np.allclose(there.matrix, scene.pose.matrix)


def test_without_any_pose_the_model_s_middle_lies_at_the_isocentre(scene: Bed) -> None:
    pivot = scene.model.centroid_mm()
    assert header_pose(pivot).apply(pivot[None])[0] == pytest.approx(np.zeros(3))


def test_the_log_tells_plane_beam_and_angle_apart(scene: Bed) -> None:
    pivot = scene.model.centroid_mm()
    moved = moved_in_view(scene.pose, scene.geometry, pivot, turn_rad=(0.0, 0.0, np.deg2rad(2.0)))
    told = difference_text(scene.pose, moved, scene.geometry, pivot)
    assert told == "0.0 mm in the plane, 0.0 mm along the beam, 2.0 degrees"


def _shown(geometry: CArmGeometry, pose, point: np.ndarray) -> np.ndarray:
    return geometry.projection(pose).project(point[None])[0][0]
