"""The pose moves with the table, and only the tracker makes it valid again."""

from dataclasses import replace

import numpy as np
import pytest

from calibration.pose import RigidPose
from engines.registration.engine import register
from engines.registration.initial_pose import start_near
from engines.registration.tracking.pose_after_move import places_after_move
from engines.registration.tracking.track import track
from tests.engines.registration.vessel_bed import bed

BEFORE = (10.0, -20.0, 5.0)


@pytest.fixture(scope="module")
def locked():
    scene = bed(3)
    return scene, register([scene.view], scene.model, case_id="x", init=start_near(scene.pose))


def _at_table(scene, table_mm):
    return replace(scene.geometry, table_mm=table_mm)


def test_longitudinal_goes_left_lateral_to_the_head_and_vertical_down(locked):
    scene, found = locked
    now = _at_table(scene, (BEFORE[0] + 30.0, BEFORE[1] + 20.0, BEFORE[2] + 7.0))
    first = places_after_move(found, _at_table(scene, BEFORE), now)[0]
    moved = first.isocentre_from_lps.matrix[:3, 3] - found.isocentre_from_lps.matrix[:3, 3]
    assert moved == pytest.approx([20.0, 7.0, 30.0])


@pytest.mark.parametrize("now", [BEFORE, (10.5, -20.5, 5.0), None])
def test_without_a_stated_move_the_pose_itself_is_tried(locked, now):
    scene, found = locked
    places = places_after_move(found, _at_table(scene, BEFORE), _at_table(scene, now))
    assert len(places) == 1
    assert places[0] is found


@pytest.mark.parametrize("swapped", [False, True], ids=["by the standard", "by the plain names"])
def test_tracker_confirms_the_place_where_the_patient_lies(locked, swapped):
    scene, found = locked
    left_mm, head_mm = 24.0, 15.0
    there = scene.pose.matrix.copy()
    there[:3, 3] += (left_mm, 0.0, head_mm)
    table = (BEFORE[0] + head_mm, BEFORE[1] + left_mm, BEFORE[2])
    if swapped:
        table = (BEFORE[0] + left_mm, BEFORE[1] + head_mm, BEFORE[2])
    # A camera moved the opposite way sees the same picture as with a moved patient.
    places = places_after_move(found, _at_table(scene, BEFORE), _at_table(scene, table))
    moved_back = np.eye(4)
    moved_back[:3, 3] = (-left_mm, 0.0, -head_mm)
    tracked = [track(scene.view, scene.model, _moved(place, moved_back)) for place in places]
    right = 1 if swapped else 0
    assert tracked[right].status == "accepted"
    assert scene.error_mm(tracked[right].isocentre_from_lps) < 0.6
    assert max(tracked, key=lambda t: t.confidence) is tracked[right]


def _moved(found, by):
    pose = RigidPose(matrix=by @ found.isocentre_from_lps.matrix, target="isocentre", source="lps")
    return replace(found, isocentre_from_lps=pose)


def test_depth_that_one_angle_left_open_is_found_from_the_next(locked):
    scene, found = locked
    before = replace(scene.geometry, primary_rad=scene.geometry.primary_rad + np.deg2rad(50.0))
    wrong_depth = np.eye(4)
    wrong_depth[:3, 3] = 14.0 * before.camera_from_isocentre().rotation[2]
    off = replace(_moved(replace(found, isocentre_from_lps=scene.pose), wrong_depth), depth_sigma_mm=9.0)
    alone = track(scene.view, scene.model, off)
    assert alone.status != "accepted" or scene.error_mm(alone.isocentre_from_lps) > 2.0
    tracked = [track(scene.view, scene.model, place) for place in places_after_move(off, before, scene.geometry)]
    best = max(tracked, key=lambda t: (t.status == "accepted", t.confidence))
    assert best.status == "accepted"
    assert scene.error_mm(best.isocentre_from_lps) < 1.0
