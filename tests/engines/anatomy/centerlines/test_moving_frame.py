"""A frame carried along a curve turns as little as it can."""

import numpy as np

from engines.anatomy.centerlines.moving_frame import evenly_spaced, moving_frame


def helix(radius_mm=10.0, pitch_mm=20.0, turns=1.5, count=2000):
    t = np.linspace(0.0, 2 * np.pi * turns, count)
    return np.column_stack([radius_mm * np.cos(t), radius_mm * np.sin(t), pitch_mm * t / (2 * np.pi)])


def test_axes_are_orthonormal_and_right_handed():
    frame = moving_frame(helix(), smooth_mm=0.0)
    axes = np.stack([frame.u, frame.v, frame.tangent], axis=1)
    np.testing.assert_allclose(axes @ axes.transpose(0, 2, 1), np.broadcast_to(np.eye(3), axes.shape), atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(axes), 1.0, atol=1e-6)


def test_a_planar_curve_keeps_its_binormal():
    t = np.linspace(0.0, np.pi, 500)
    frame = moving_frame(np.column_stack([20 * np.cos(t), 20 * np.sin(t), np.zeros(500)]), smooth_mm=0.0)
    out_of_plane = np.column_stack([frame.u[:, 2], frame.v[:, 2]])
    np.testing.assert_allclose(out_of_plane, np.broadcast_to(out_of_plane[0], out_of_plane.shape), atol=1e-6)


def test_against_the_frenet_frame_of_a_helix_it_turns_by_the_torsion():
    radius, climb = 10.0, 20.0 / (2 * np.pi)
    frame = moving_frame(helix(), smooth_mm=0.0)
    torsion = climb / (radius**2 + climb**2)
    middle = slice(20, -20)
    normal = -np.column_stack([frame.points_mm[:, 0], frame.points_mm[:, 1], np.zeros(len(frame.points_mm))]) / radius
    angle = np.unwrap(np.arctan2((normal * frame.v).sum(axis=1), (normal * frame.u).sum(axis=1)))[middle]
    turned = angle - angle[0]
    expected = torsion * (frame.arc_mm[middle] - frame.arc_mm[middle][0])
    assert np.rad2deg(np.abs(turned - expected)).max() < 0.5


def test_beyond_its_ends_it_goes_on_straight():
    frame = moving_frame(np.column_stack([np.linspace(0, 30, 50), np.zeros(50), np.zeros(50)]))
    beyond = frame.at(np.array([-5.0, 40.0]))
    np.testing.assert_allclose(beyond.points_mm, [[-5.0, 0.0, 0.0], [40.0, 0.0, 0.0]], atol=1e-6)


def test_two_points_are_a_straight_line():
    assert evenly_spaced(np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 3.0]]), 1.0).tolist() == [
        [0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 2.0], [0.0, 0.0, 3.0]]  # fmt: skip
