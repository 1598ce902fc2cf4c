"""The pose moves with the table, and only the tracker makes it valid again."""

from dataclasses import replace

import numpy as np
import pytest

from calibration.pose import RigidPose
from engines.registration.engine import register
from engines.registration.follow import after_table_move
from engines.registration.initial_pose import start_near
from engines.registration.track import track
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
    first = after_table_move(found, _at_table(scene, BEFORE), now)[0]
    moved = first.isocentre_from_lps.matrix[:3, 3] - found.isocentre_from_lps.matrix[:3, 3]
    assert moved == pytest.approx([20.0, 7.0, 30.0])


@pytest.mark.parametrize("now", [BEFORE, (10.5, -20.5, 5.0), None])
def test_no_stated_move_leaves_nothing_to_follow(locked, now):
    scene, found = locked
    assert after_table_move(found, _at_table(scene, BEFORE), _at_table(scene, now)) == ()


@pytest.mark.parametrize("swapped", [False, True], ids=["by the standard", "by the plain names"])
def test_tracker_confirms_the_place_where_the_patient_lies(locked, swapped):
    scene, found = locked
    left_mm, head_mm = 24.0, 15.0
    there = scene.pose.matrix.copy()
    there[:3, 3] += (left_mm, 0.0, head_mm)
    table = (BEFORE[0] + head_mm, BEFORE[1] + left_mm, BEFORE[2])
    if swapped:
        table = (BEFORE[0] + left_mm, BEFORE[1] + head_mm, BEFORE[2])
    # The camera moved the other way sees the very picture that a moved patient gives.
    places = after_table_move(found, _at_table(scene, BEFORE), _at_table(scene, table))
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
