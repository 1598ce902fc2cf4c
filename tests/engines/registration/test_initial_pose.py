"""A guess near supine is sharpened, because patients usually lie supine; any other guess is kept."""

import numpy as np
import pytest

from calibration.pose import RigidPose
from engines.registration.alignment.rotations import rotation_vector
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.initial_pose import start_near
from tests.engines.registration.vessel_bed import bed


def _prior(turn_deg):
    model = PreparedModel.of(bed(1).model)
    pose = RigidPose.from_rotation_vector(np.deg2rad(turn_deg), np.zeros(3), target="isocentre", source="lps")
    return np.rad2deg(rotation_vector(start_near(pose).prior(model, 1, 0.0).state.rotation)), model, pose


def test_a_guess_a_few_degrees_off_is_drawn_towards_supine():
    turn, _, _ = _prior([10.0, 0.0, 0.0])
    assert turn == pytest.approx([10.0 * 36 / (36 + 49), 0.0, 0.0], abs=1e-6)


@pytest.mark.parametrize("turn_deg", [[90.0, 0.0, 0.0], [0.0, 0.0, 170.0], [0.0, 40.0, 0.0]])
def test_a_patient_who_lies_otherwise_is_left_as_given(turn_deg):
    turn, _, _ = _prior(turn_deg)
    assert turn == pytest.approx(turn_deg, abs=1e-6)


def test_the_place_is_kept():
    _, model, pose = _prior([10.0, 5.0, 0.0])
    prior = start_near(pose).prior(model, 1, 0.0)
    assert prior.state.pivot_mm == pytest.approx(pose.apply(model.pivot_mm[None])[0])
    assert np.rad2deg(prior.rotation_rad) < 7.0
