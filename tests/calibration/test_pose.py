import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from calibration.pose import RigidPose

_VECTORS = hnp.arrays(np.float64, 3, elements=st.floats(-3.0, 3.0))
_SHIFTS_MM = hnp.arrays(np.float64, 3, elements=st.floats(-500.0, 500.0))


def _pose(rotation_rad=(0.0, 0.0, 0.0), translation_mm=(0.0, 0.0, 0.0), target="b", source="a") -> RigidPose:
    return RigidPose.from_rotation_vector(
        np.array(rotation_rad), np.array(translation_mm), target=target, source=source
    )


def test_identity_moves_nothing():
    points = np.array([[1.0, -2.0, 3.0], [0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(RigidPose.identity(target="a", source="a").apply(points), points)


def test_no_points_stay_no_points():
    assert _pose((0.1, 0.2, 0.3)).apply(np.empty((0, 3))).shape == (0, 3)


def test_a_quarter_turn_about_the_head_axis_takes_left_to_posterior():
    turned = _pose((0.0, 0.0, np.pi / 2), (0.0, 0.0, 5.0)).apply(np.array([[10.0, 0.0, 0.0]]))
    np.testing.assert_allclose(turned, [[0.0, 10.0, 5.0]], atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(_VECTORS, _SHIFTS_MM, _SHIFTS_MM)
def test_the_inverse_brings_points_back(rotation, shift, point):
    pose = _pose(rotation, shift)
    np.testing.assert_allclose(pose.inverse().apply(pose.apply(point[None])), point[None], atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(_VECTORS, _SHIFTS_MM, _VECTORS, _SHIFTS_MM)
def test_composition_is_one_after_the_other(rotation_1, shift_1, rotation_2, shift_2):
    b_from_a, c_from_b = _pose(rotation_1, shift_1), _pose(rotation_2, shift_2, target="c", source="b")
    points = np.array([[10.0, -20.0, 30.0]])
    together = c_from_b @ b_from_a
    assert (together.target, together.source) == ("c", "a")
    np.testing.assert_allclose(together.apply(points), c_from_b.apply(b_from_a.apply(points)), atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.float64, 3, elements=st.floats(-1.7, 1.7)))
def test_rotation_vectors_are_given_back(rotation):
    np.testing.assert_allclose(_pose(rotation).rotation_vector_rad(), rotation, atol=1e-9)


def test_a_thousand_small_steps_stay_rigid():
    step, pose = _pose((1e-3, 2e-3, -1e-3), (0.1, 0.0, 0.0), target="a"), RigidPose.identity(target="a", source="a")
    for _ in range(1000):
        pose = step @ pose
    assert np.linalg.norm(pose.rotation @ pose.rotation.T - np.eye(3)) < 1e-12


def test_frames_that_do_not_meet_do_not_compose():
    with pytest.raises(ValueError, match="does not chain"):
        _pose() @ _pose()


@pytest.mark.parametrize(
    "matrix",
    [
        np.eye(3),
        np.full((4, 4), np.nan),
        np.diag([1.0, 1.0, -1.0, 1.0]),
        np.diag([2.0, 2.0, 2.0, 1.0]),
        np.diag([1.0, 1.0, 1.0, 2.0]),
    ],
    ids=["3x3", "nan", "mirrored", "scaled", "homogeneous scale"],
)
def test_what_is_not_rigid_is_refused(matrix):
    with pytest.raises(ValueError, match="b from a"):
        RigidPose(matrix=matrix, target="b", source="a")


def test_a_pose_cannot_be_changed_from_outside():
    matrix = np.eye(4)
    pose = RigidPose(matrix=matrix, target="b", source="a")
    matrix[0, 3] = 100.0
    assert pose.translation_mm[0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        pose.matrix[0, 3] = 1.0
