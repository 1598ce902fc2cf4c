"""A pose of another method is judged where it is: right ones are trusted, wrong ones never."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calibration.pose import RigidPose
from engines.anatomy.vessel_model import SurfaceMesh, VesselModel
from engines.registration.initial_pose import start_near
from engines.registration.judged_pose import judged_pose
from engines.registration.registration import Registration, RegistrationBackend, Stage
from tests.engines.registration.vessel_bed import Bed, bed

_BACKEND = RegistrationBackend(render="none", inference="", device="cpu")


@pytest.fixture(scope="module")
def scene() -> Bed:
    return bed(3, missing=0.0, false_curves=0)


def _judged(scene: Bed, pose: RigidPose, *, model: VesselModel | None = None, empty: bool = False) -> Registration:
    view = replace(scene.view, vessel=np.zeros_like(scene.view.vessel)) if empty else scene.view
    return judged_pose(
        pose, [view], model or scene.model, init=start_near(scene.pose), case_id="c",
        stages=[Stage(name="found", similarity=0.5, elapsed_ms=1.0)], seconds=0.25, backend=_BACKEND,
    )  # fmt: skip


def test_a_right_pose_is_more_credible_than_a_wrong_one_and_neither_is_moved(scene: Bed) -> None:
    wrong_pose = scene.moved(5, deg=6.0, mm=12.0, depth_mm=5.0)
    assert scene.error_mm(wrong_pose) > 8.0
    right, wrong = _judged(scene, scene.pose), _judged(scene, wrong_pose)
    assert np.array_equal(right.isocentre_from_lps.matrix, scene.pose.matrix)
    assert np.array_equal(wrong.isocentre_from_lps.matrix, wrong_pose.matrix)
    assert right.status == "accepted"
    assert wrong.status != "accepted"
    assert right.confidence > wrong.confidence + 0.3
    assert right.expected_error_mm < wrong.expected_error_mm


def test_the_judgement_is_a_stage_and_its_time_counts(scene: Bed) -> None:
    found = _judged(scene, scene.pose)
    assert [stage.name for stage in found.stages] == ["found", "judgement"]
    assert found.elapsed_ms > 250.0


def test_without_contrast_or_centerlines_nothing_can_be_judged(scene: Bed) -> None:
    empty = _judged(scene, scene.pose, empty=True)
    assert (empty.status, empty.confidence) == ("rejected", 0.0)
    assert "no contrast-filled vessel" in empty.reasons[0]
    corner = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    bare = VesselModel(surface=SurfaceMesh(vertices_mm=corner, triangles=np.array([[0, 1, 2]])))
    unjudged = _judged(scene, scene.pose, model=bare)
    assert (unjudged.status, unjudged.confidence) == ("rejected", 0.0)
    assert "cannot be judged" in unjudged.reasons[0]
