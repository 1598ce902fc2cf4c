import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from calibration.pose import RigidPose
from calibration.projection import Projection, camera_from_projection_matrix

_ROTATIONS = hnp.arrays(np.float64, 3, elements=st.floats(-2.0, 2.0))
_SHIFTS_MM = hnp.arrays(np.float64, 3, elements=st.floats(-80.0, 80.0))
_SHAPES = st.tuples(st.integers(16, 2048), st.integers(16, 2048))


def _projection(rotation=(0.0, 0.0, 0.0), shift=(0.0, 0.0, 0.0), *, focal=(4000.0, -5000.0)) -> Projection:
    camera = RigidPose.from_rotation_vector(
        np.asarray(rotation), np.asarray(shift) + np.array([0.0, 0.0, 700.0]), target="camera", source="lps"
    )
    intrinsics = np.array([[focal[0], 0.0, 300.5], [0.0, focal[1], 200.25], [0.0, 0.0, 1.0]])
    return Projection(intrinsics_px=intrinsics, camera_from_lps=camera, shape_px=(400, 600))


def test_the_central_ray_meets_the_principal_point():
    pixels, depth = _projection().project(np.zeros((1, 3)))
    np.testing.assert_allclose(pixels, [[300.5, 200.25]])
    np.testing.assert_allclose(depth, [700.0])


def test_a_point_nearer_to_the_source_appears_farther_out():
    pixels, depth = _projection().project(np.array([[7.0, 0.0, 0.0], [7.0, 0.0, -350.0]]))
    np.testing.assert_allclose(pixels[:, 0], [300.5 + 40.0, 300.5 + 80.0])
    np.testing.assert_allclose(depth, [700.0, 350.0])


def test_points_at_and_behind_the_source_have_no_pixel():
    pixels, depth = _projection().project(np.array([[0.0, 0.0, -700.0], [1.0, 1.0, -900.0]]))
    assert np.isnan(pixels).all()
    np.testing.assert_allclose(depth, [0.0, -200.0])


def test_no_points_give_no_pixels():
    pixels, depth = _projection().project(np.empty((0, 3)))
    assert pixels.shape == (0, 2)
    assert depth.shape == (0,)


@settings(max_examples=60, deadline=None)
@given(_ROTATIONS, _SHIFTS_MM, hnp.arrays(np.float64, (4, 3), elements=st.floats(-150.0, 150.0)))
def test_pixels_and_depth_lead_back_to_the_point(rotation, shift, points):
    projection = _projection(rotation, shift)
    pixels, depth = projection.project(points)
    np.testing.assert_allclose(projection.back_project(pixels, depth), points, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(_ROTATIONS, _SHIFTS_MM, hnp.arrays(np.float64, (4, 3), elements=st.floats(-150.0, 150.0)))
def test_the_matrix_projects_as_the_method_does(rotation, shift, points):
    projection = _projection(rotation, shift)
    homogeneous = np.column_stack([points, np.ones(len(points))]) @ projection.matrix().T
    np.testing.assert_allclose(homogeneous[:, :2] / homogeneous[:, 2:], projection.project(points)[0], atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(_SHAPES)
def test_resizing_keeps_the_edges_of_the_picture(shape):
    projection = _projection()
    rows, columns = projection.shape_px
    # Pixel centres are integers, so the picture reaches from -1/2 to size - 1/2.
    corners_px = np.array([[-0.5, -0.5], [columns - 0.5, rows - 0.5]])
    corners_mm = projection.back_project(corners_px, np.array([700.0, 700.0]))
    resized = projection.resized(shape)
    assert resized.shape_px == shape
    expected = [[-0.5, -0.5], [shape[1] - 0.5, shape[0] - 0.5]]
    np.testing.assert_allclose(resized.project(corners_mm)[0], expected, atol=1e-6)


def test_resizing_to_the_same_size_changes_nothing():
    projection = _projection()
    np.testing.assert_array_equal(projection.resized(projection.shape_px).intrinsics_px, projection.intrinsics_px)


def test_halving_takes_the_middle_of_four_pixels_to_one():
    projection = _projection()
    points = projection.back_project(np.array([[0.5, 0.5], [2.5, 4.5]]), np.array([700.0, 700.0]))
    np.testing.assert_allclose(projection.resized((200, 300)).project(points)[0], [[0.0, 0.0], [1.0, 2.0]], atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(_ROTATIONS, _SHIFTS_MM, st.floats(1e-6, 1e6), st.sampled_from([1.0, -1.0]))
def test_a_pose_is_recovered_from_its_matrix_at_any_scale_and_sign(rotation, shift, scale, sign):
    projection = _projection(rotation, shift)
    pose = camera_from_projection_matrix(sign * scale * projection.matrix(), projection.intrinsics_px)
    np.testing.assert_allclose(pose.matrix, projection.camera_from_lps.matrix, atol=1e-6)


def test_a_pose_is_recovered_for_a_mirrored_picture():
    projection = _projection((0.3, 0.2, 0.1), focal=(-4000.0, -5000.0))
    pose = camera_from_projection_matrix(projection.matrix(), projection.intrinsics_px)
    np.testing.assert_allclose(pose.matrix, projection.camera_from_lps.matrix, atol=1e-9)


def test_a_matrix_for_another_picture_size_is_refused():
    projection = _projection((0.3, 0.2, 0.1))
    with pytest.raises(ValueError, match="does not fit this frame's intrinsics"):
        camera_from_projection_matrix(projection.resized((800, 1200)).matrix(), projection.intrinsics_px)


@pytest.mark.parametrize("matrix", [np.zeros((3, 4)), np.full((3, 4), np.nan), np.eye(4)], ids=["zero", "nan", "4x4"])
def test_what_is_no_projection_is_refused(matrix):
    with pytest.raises(ValueError, match="projection"):
        camera_from_projection_matrix(matrix, _projection().intrinsics_px)
