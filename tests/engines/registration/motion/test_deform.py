"""Non-rigid motion is found if it exists, and refused if it does not."""

from dataclasses import replace

import numpy as np
import pytest

from calibration.pose import RigidPose
from engines.registration.features.image_features import prepare_view
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import RigidState
from engines.registration.motion.deform import deformed
from engines.registration.motion.deform_basis import MotionBasis, influence_of
from engines.registration.motion.deform_fit import DeformScene
from engines.registration.motion.deform_gate import why_unsafe
from tests.engines.registration.moving_bed import MovingBed, moving_bed


def followed(scene: MovingBed, status="accepted", last=None):
    model = PreparedModel.of(scene.model)
    return deformed(scene.registration(status), prepare_view(scene.view), model, MotionBasis.of(model), last=last)


@pytest.mark.parametrize("seed", [2, 3, 4, 5])
def test_two_millimetres_of_motion_are_followed(seed):
    scene = moving_bed(seed, size_mm=2.0)
    found = followed(scene)
    assert found.deformation is not None
    rigid, now = scene.errors_mm(None), scene.errors_mm(found.deformation)
    assert np.median(now) < 0.8 < np.median(rigid)
    assert (now < 2.0).mean() >= 0.9
    assert "motion-compensated" in found.reasons[-1]
    assert found.stages[-1].name == "deform"


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_a_tree_that_has_not_moved_stays_rigid(seed):
    scene = moving_bed(seed, size_mm=1e-6)
    found = followed(scene)
    assert found.deformation is None
    assert "rigid" in found.reasons[-1]


@pytest.mark.parametrize("status", ["caution", "rejected"])
def test_only_an_accepted_pose_is_deformed(status):
    found = followed(moving_bed(2, size_mm=2.0), status)
    assert found.deformation is None
    assert found.status == status


@pytest.mark.parametrize("seed", [2, 4, 6, 8])
def test_a_pose_that_is_wrong_by_centimetres_is_not_deformed_to_fit(seed):
    scene = moving_bed(seed, size_mm=1e-6)
    matrix = scene.pose.matrix.copy()
    matrix[:3, 3] += 15.0 * scene.geometry.camera_from_isocentre().rotation[seed % 2]
    wrong = replace(scene, pose=RigidPose(matrix=matrix, target="isocentre", source="lps"))
    assert followed(wrong).deformation is None


def test_pose_status_and_confidence_stay_as_they_were_judged():
    scene = moving_bed(2, size_mm=2.0)
    before, after = scene.registration(), followed(scene)
    assert np.array_equal(after.isocentre_from_lps.matrix, before.isocentre_from_lps.matrix)
    assert (after.status, after.confidence) == (before.status, before.confidence)
    assert (after.expected_error_mm, after.depth_sigma_mm) == (before.expected_error_mm, before.depth_sigma_mm)


def test_nothing_moves_along_the_beam():
    scene = moving_bed(3, size_mm=2.0)
    motion = followed(scene).deformation
    points = scene.model.centerlines.points_mm()
    offsets = motion.offsets_mm(influence_of(motion.knots_mm, points))
    beam = scene.geometry.camera_from_isocentre().rotation[2] @ scene.pose.rotation
    assert np.abs(offsets @ beam).max() < 1e-9
    assert np.linalg.norm(offsets, axis=1).max() < 8.0


def test_branches_stay_joined_at_bifurcations():
    scene = moving_bed(4, size_mm=2.0)
    motion = followed(scene).deformation
    branches = scene.model.centerlines.branches
    for branch in branches:
        if branch.parent < 0:
            continue
        mother = branches[branch.parent].points_mm
        nearest = mother[np.argmin(np.linalg.norm(mother - branch.points_mm[0], axis=1))]
        both = np.stack([branch.points_mm[0], nearest])
        moved = both + motion.offsets_mm(influence_of(motion.knots_mm, both))
        assert np.linalg.norm(moved[0] - moved[1]) - np.linalg.norm(both[0] - both[1]) < 0.2


def test_a_branch_that_does_not_fill_follows_its_neighbours():
    whole = moving_bed(5, size_mm=2.0)
    branches = whole.model.centerlines.branches
    tips = [i for i in range(len(branches)) if all(b.parent != i for b in branches)]
    unseen = tips[-1]
    scene = moving_bed(5, size_mm=2.0, missing=(unseen,))
    found = followed(scene)
    part = branches[unseen].points_mm
    first = sum(len(b.points_mm) for b in branches[:unseen])
    projection = scene.geometry.projection(scene.pose)
    true, _ = projection.project(scene.moved_mm[first : first + len(part)])
    motion = found.deformation
    moved, _ = projection.project(part + motion.offsets_mm(influence_of(motion.knots_mm, part)))
    still, _ = projection.project(part)
    away = [np.linalg.norm(px - true, axis=1).mean() for px in (moved, still)]
    assert away[0] < away[1]


def test_an_empty_picture_moves_nothing():
    scene = moving_bed(2, size_mm=2.0)
    found = followed(replace(scene, view=replace(scene.view, vessel=np.zeros_like(scene.view.vessel))))
    assert found.deformation is None
    assert "no vessels" in found.reasons[-1]


def test_the_last_frame_helps_in_the_same_view_and_is_forgotten_in_another():
    scene = moving_bed(3, size_mm=2.0)
    last = followed(scene).deformation
    again = followed(scene, last=last).deformation
    assert np.median(scene.errors_mm(again)) < 0.8
    turned = replace(last, axes_lps=np.roll(last.axes_lps, 1, axis=1))
    fresh = followed(scene, last=turned).deformation
    np.testing.assert_allclose(fresh.amplitudes, last.amplitudes)


def test_large_or_folding_motion_is_refused():
    scene = moving_bed(2, size_mm=0.0)
    model = PreparedModel.of(scene.model)
    basis = MotionBasis.of(model)
    state = RigidState.of(scene.pose, model)
    view = prepare_view(scene.view, edges=False)
    ready = DeformScene.of(state, model, basis, view)
    count = basis.modes.shape[1]
    assert why_unsafe(ready, np.zeros((count, 2))) == ""
    everywhere = np.zeros((count, 2))
    everywhere[0] = 6.0
    assert "too large" in why_unsafe(ready, everywhere)
    jagged = np.zeros((count, 2))
    jagged[-12:] = np.where(np.arange(12) % 2, 25.0, -25.0)[:, None]
    assert why_unsafe(ready, jagged)
