import numpy as np
import pytest

from engines.angiography.anatomy_anchor import NOWHERE, InPlaneMove
from engines.registration.tracking.anatomy_follow import followed_in_plane
from tests.engines.registration.vessel_bed import bed


@pytest.mark.parametrize(
    "move",
    [
        InPlaneMove(shift_px=(12.0, -7.0), turn_rad=0.0, agreement=1.0),
        InPlaneMove(shift_px=(0.0, 0.0), turn_rad=0.05, agreement=1.0),
        InPlaneMove(shift_px=(-5.0, 9.0), turn_rad=-0.04, agreement=1.0),
    ],
)
def test_the_projection_moves_as_the_bones_do(move):
    made = bed(3)
    points = made.model.centerlines.points_mm()
    before, _ = made.geometry.projection(made.pose).project(points)
    pose = followed_in_plane(made.pose, made.geometry, move, made.model.centroid_mm())
    after, _ = made.geometry.projection(pose).project(points)
    wanted = move.moved_px(before, made.geometry.shape_px)
    # Off the pivot's depth a shift is magnified a little differently.
    assert np.linalg.norm(after - wanted, axis=1).max() < 0.08 * max(1.0, move.length_px) + 0.05


def test_no_move_leaves_the_pose():
    made = bed(3)
    pose = followed_in_plane(made.pose, made.geometry, NOWHERE, made.model.centroid_mm())
    assert np.allclose(pose.matrix, made.pose.matrix, atol=1e-9)
