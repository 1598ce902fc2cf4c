"""After a turn of the C-arm two alignments find what all nine would."""

from dataclasses import replace

import numpy as np
import pytest

from calibration.pose import RigidPose
from engines.registration.engine import register
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.initial_pose import start_near
from engines.registration.tracking.likeliest_places import likeliest_places
from engines.registration.tracking.pose_after_move import places_after_move
from engines.registration.tracking.track import prepare_to_track, track
from tests.engines.registration.vessel_bed import bed


@pytest.fixture(scope="module")
def turned():
    """A scene, what its model looks like prepared, and the geometry before a turn of 50 degrees."""
    scene = bed(3)
    found = register([scene.view], scene.model, case_id="x", init=start_near(scene.pose))
    before = replace(scene.geometry, primary_rad=scene.geometry.primary_rad + np.deg2rad(50.0))
    return scene, replace(found, isocentre_from_lps=scene.pose, depth_sigma_mm=9.0), before


def _off(scene, found, before, along_mm: float):
    """The true pose, `along_mm` too far along the old view's beam."""
    matrix = scene.pose.matrix.copy()
    matrix[:3, 3] += along_mm * before.camera_from_isocentre().rotation[2]
    return replace(found, isocentre_from_lps=RigidPose(matrix=matrix, target="isocentre", source="lps"))


@pytest.mark.parametrize("along_mm", [-12.0, 0.0, 8.0, 14.0])
def test_best_two_places_lead_to_the_true_pose(turned, along_mm):
    scene, found, before = turned
    places = places_after_move(_off(scene, found, before, along_mm), before, scene.geometry)
    prepared = PreparedModel.of(scene.model)
    likeliest = likeliest_places(places, prepare_to_track(scene.view, prepared), prepared)
    assert len(places) == 7
    assert len(likeliest) == 2
    tracked = [track(scene.view, prepared, place) for place in likeliest]
    best = max(tracked, key=lambda one: (one.status == "accepted", one.confidence))
    assert best.status == "accepted"
    assert scene.error_mm(best.isocentre_from_lps) < 1.0


def test_one_or_two_places_are_kept_as_they_are(turned):
    scene, found, _ = turned
    prepared = PreparedModel.of(scene.model)
    ready = prepare_to_track(scene.view, prepared)
    assert likeliest_places((found,), ready, prepared) == (found,)
    assert likeliest_places((found, found), ready, prepared) == (found, found)
