from dataclasses import replace

import numpy as np
import pytest

from engines.registration.engine import register
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.initial_pose import start_near
from engines.registration.options import RegistrationOptions
from engines.registration.tracking.track import track
from tests.engines.registration.vessel_bed import bed


@pytest.fixture(scope="module")
def locked():
    scene = bed(3)
    start = start_near(scene.moved(1, deg=3, mm=5, depth_mm=8))
    return scene, register(
        [scene.view], scene.model, case_id="x", init=start, options=RegistrationOptions(refine_drr=False)
    )


def test_a_small_move_is_followed(locked):
    scene, result = locked
    off = replace(result, isocentre_from_lps=scene.moved(2, deg=0.7, mm=2, depth_mm=2))
    found = track(scene.view, PreparedModel.of(scene.model), off)
    assert scene.error_mm(off.isocentre_from_lps) > 1.0
    assert scene.error_mm(found.isocentre_from_lps) < 0.6
    assert found.status == "accepted"
    assert found.generation == result.generation


def test_a_frame_without_contrast_keeps_the_pose_as_a_caution(locked):
    scene, result = locked
    empty = replace(scene.view, vessel=np.zeros((512, 512), np.float32))
    found = track(empty, scene.model, result)
    assert found.status == "caution"
    assert found.confidence < result.confidence
    assert np.array_equal(found.isocentre_from_lps.matrix, result.isocentre_from_lps.matrix)
    assert "no contrast" in found.reasons[0]


def test_a_jump_is_not_followed_but_rejected(locked):
    scene, result = locked
    far = replace(result, isocentre_from_lps=scene.moved(2, deg=0.1, mm=16, depth_mm=1))
    found = track(scene.view, scene.model, far)
    assert found.status != "accepted"


def test_a_rejected_pose_is_never_tracked_back_to_accepted(locked):
    scene, result = locked
    assert track(scene.view, scene.model, replace(result, status="rejected")).status == "rejected"
