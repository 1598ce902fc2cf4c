"""A small move lowers the fit of a right pose much, that of a chance pose hardly."""

from dataclasses import replace

import numpy as np
import pytest

from engines.registration.alignment.cold_start import cold_start
from engines.registration.alignment.sharpness import Sharpness, sharpness
from engines.registration.features.image_features import prepare_view
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import RigidState
from engines.registration.initial_pose import start_near
from tests.engines.registration.vessel_bed import Bed, bed


def _of_stranger(scene: Bed, stranger: Bed) -> Sharpness:
    """The pose at which another patient's model fits this patient's picture best."""
    model, view = PreparedModel.of(stranger.model), prepare_view(scene.view)
    found = cold_start(model, [view], start_near(stranger.pose).prior(model, 1, 0.0))
    assert found is not None
    return sharpness(found.alignment.state, found.system, [view])


@pytest.mark.parametrize("seed", [1, 2])
def test_the_right_pose_is_sharper_than_another_patients(seed: int) -> None:
    scene = bed(seed)
    model = PreparedModel.of(scene.model)
    own = sharpness(RigidState.of(scene.pose, model), model, [prepare_view(scene.view)])
    other = _of_stranger(scene, bed(30 + seed))
    assert own.sharp > other.sharp
    assert own.turn_sharp > other.turn_sharp
    assert own.chance < other.chance


def test_beside_the_right_pose_a_move_costs_less_and_may_gain() -> None:
    scene = bed(1)
    model, view = PreparedModel.of(scene.model), prepare_view(scene.view)
    state = RigidState.of(scene.pose, model)
    beside = replace(state, pivot_mm=state.pivot_mm + 1.5 * view.camera_from_isocentre[0, :3])
    assert sharpness(beside, model, [view]).sharp < sharpness(state, model, [view]).sharp - 0.1


def test_without_visible_vessels_nothing_is_sharp() -> None:
    scene = bed(1)
    model = PreparedModel.of(scene.model)
    view = prepare_view(replace(scene.view, vessel=np.zeros((512, 512), np.float32)))
    found = sharpness(RigidState.of(scene.pose, model), model, [view])
    assert (found.sharp, found.turn_sharp, found.chance) == (0.0, 0.0, 2.0)
