"""Tracking by rendering holds a right pose, comes nearer to it, and accepts none that the contrast contradicts."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from engines.registration.features.image_features import prepare_view
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import RigidState
from engines.registration.filling.filled_stage import NUDGE_MM
from engines.registration.filling.filled_step import FilledTracker, keenness_of, sharpness_of
from engines.registration.filling.filled_views import filled_views
from engines.registration.filling.vessel_cloud import vessel_cloud
from engines.registration.registration import Registration, RegistrationBackend
from engines.registration.tracking.filled_track import track_filled
from tests.engines.registration.filling.filled_bed import filled_bed


@pytest.fixture(scope="module")
def bed():
    return filled_bed(noise=0.02)


@pytest.fixture(scope="module")
def prepared(bed):
    return PreparedModel.of(bed.model, branch_classes=bed.view.branch_classes)


def accepted(pose) -> Registration:
    return Registration(
        case="c", views=(), isocentre_from_lps=pose, status="accepted", confidence=0.9, expected_error_mm=1.0,
        depth_sigma_mm=4.0, reasons=(), stages=(), elapsed_ms=0.0,
        backend=RegistrationBackend(render="", inference="", device="cpu"),
    )  # fmt: skip


def followed(bed, prepared, pose, *, frames: int, view=None):
    view, tracker = view or bed.view, FilledTracker.of(prepared)
    ready = prepare_view(view, edges=prepared.has_thick)
    found = accepted(pose)
    for _ in range(frames):
        found = track_filled(view, tracker, prepared, found, ready=ready)
        assert found is not None
    return found


def test_a_right_pose_is_held_and_one_beside_it_comes_nearer(bed, prepared):
    held = followed(bed, prepared, bed.pose, frames=3)
    assert held.status == "accepted"
    assert bed.error_mm(held.isocentre_from_lps) < 0.7
    beside = bed.moved(turn_deg=(0.5, 0.3, -0.5), move_mm=(1.5, -1.0, 2.0))
    found = followed(bed, prepared, beside, frames=6)
    assert found.status == "accepted"
    assert bed.error_mm(found.isocentre_from_lps) < 0.6 * bed.error_mm(beside)


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_pose_eight_mm_and_six_degrees_off_is_not_accepted(bed, prepared, side):
    wrong = bed.moved(turn_deg=(3.0, 4.0 * side, 3.5), move_mm=(6.0 * side, 5.5, 0.0))
    found = followed(bed, prepared, wrong, frames=1)
    assert found.status != "accepted" or bed.error_mm(found.isocentre_from_lps) < 5.0


def test_contrast_that_the_model_does_not_explain_is_not_accepted(bed, prepared):
    elsewhere = replace(bed.view, contrast=np.ascontiguousarray(bed.view.contrast[::-1, ::-1].T))
    assert followed(bed, prepared, bed.pose, frames=1, view=elsewhere).status != "accepted"


def test_a_view_that_does_not_tell_contrast_is_left_to_the_centerlines(bed, prepared):
    view = replace(bed.view, contrast=None)
    ready = prepare_view(bed.view, edges=prepared.has_thick)
    assert track_filled(view, FilledTracker.of(prepared), prepared, accepted(bed.pose), ready=ready) is None


def _sharpness_both_ways(bed, prepared, pose, view):
    """`sharpness_of`, and the mean cost of moving the model itself by the same shifts."""
    cloud = vessel_cloud(bed.model)
    pictures = filled_views([view], cloud, prepared.pivot_mm, pixel_mm=1.5, band_mm=5.0)
    picture, state = pictures.pictures[0], RigidState.of(pose, prepared)
    filling, parts = picture.filled(state, pictures.local_mm, cloud, 0)
    sharp, turned = sharpness_of(picture, filling, parts, (100.0, 100.0))
    arm = picture.camera_from_isocentre[:3, :3]
    costs = []
    for x, y in ((NUDGE_MM, 0.0), (-NUDGE_MM, 0.0), (0.0, NUDGE_MM), (0.0, -NUDGE_MM)):
        there = replace(state, pivot_mm=state.pivot_mm + arm.T @ np.array([x, y, 0.0]))
        costs.append(1.0 - pictures.ncc(there) / filling.ncc)
    return sharp, turned, float(np.mean(costs))


def _keenness(bed, prepared, view):
    cloud = vessel_cloud(bed.model)
    pictures = filled_views([view], cloud, prepared.pivot_mm, pixel_mm=1.5, band_mm=5.0)
    filling, parts = pictures.filled(RigidState.of(bed.pose, prepared))[0]
    return keenness_of(pictures.pictures[0], filling, parts, (100.0, 100.0))


def test_a_right_pose_is_keen_also_between_blades_and_a_chance_fit_is_not(bed, prepared):
    right, right_turned = _keenness(bed, prepared, bed.view)
    between_blades, _ = _keenness(bed, prepared, _collimated(bed.view))
    chance, chance_turned = _keenness(
        bed, prepared, replace(bed.view, contrast=cv2.GaussianBlur(bed.view.contrast, (0, 0), 12.0))
    )
    assert min(right, right_turned, between_blades) > 0.75
    assert chance < 0.7 * right
    assert chance_turned < 0.8 * right_turned


def _collimated(view):
    """Blades across the vessels, so that much contrast lies at the border of the field."""
    open_field = np.zeros(view.vessel.shape, bool)
    open_field[110:300, 120:290] = True
    return replace(view, field_of_view=open_field)


def test_moving_the_picture_costs_as_much_as_moving_the_model(bed, prepared):
    sharp, turned, moving_the_model = _sharpness_both_ways(bed, prepared, bed.pose, bed.view)
    assert sharp == pytest.approx(moving_the_model, rel=0.25)
    assert turned > 0.0


@pytest.mark.parametrize("move_mm", [(0.0, 0.0, 0.0), (9.0, -7.0, 0.0), (-8.0, 10.0, 0.0)])
def test_blades_across_the_vessels_make_no_pose_look_sharper(bed, prepared, move_mm):
    pose = bed.moved(turn_deg=(0.0, 0.0, 0.0), move_mm=move_mm)
    sharp, _, moving_the_model = _sharpness_both_ways(bed, prepared, pose, _collimated(bed.view))
    # Where moving the model even helps, the pose is not sharp at all, and by how much less tells nothing.
    assert sharp < max(moving_the_model, 0.0) + 0.01
    if not any(move_mm):
        assert sharp == pytest.approx(moving_the_model, abs=0.02)


def test_a_field_too_small_to_move_in_tells_nothing(bed, prepared):
    open_field = np.zeros(bed.view.vessel.shape, bool)
    open_field[190:215, 190:215] = True
    sharp, turned, _ = _sharpness_both_ways(bed, prepared, bed.pose, replace(bed.view, field_of_view=open_field))
    assert (sharp, turned) == (0.0, 0.0)
