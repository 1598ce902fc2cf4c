"""Training of the pose network: stated spread of offsets, losses smallest at the truth, and resuming."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from calibration.errors import InputError
from engines.evaluation.registration.metrics import box_corners_mm, projection_error_mm
from engines.simulation.training_patients.patients import TrainingPatient, draw_geometry, draw_patient
from engines.training.pose import pose_recipe
from engines.training.pose.pose_held_out import model_card
from engines.training.pose.pose_losses import (
    angle_rad,
    double_geodesic_mm,
    geodesic_mm,
    pose_loss,
    projected_distance_mm,
    relative,
)
from engines.training.pose.pose_pictures import OffsetSpread, draw_batch, offset
from engines.training.pose.pose_recipe import PoseRecipe, train_pose
from tests.engines.registration.vessel_bed import bed

_PAPER_MM_PER_PX = 22.7 / 26.0  # of Downs et al. 2025: 26 px are 22.7 mm


@pytest.fixture(scope="module")
def patient() -> TrainingPatient:
    tree = bed(2).model.centerlines
    return TrainingPatient(kind="coronary", tree=tree, groups=("LCA",) * len(tree.branches))


def test_the_95th_percentile_of_the_offsets_is_at_least_55_px():
    tree, rng = draw_patient("evt", 1, 0).tree, np.random.default_rng(0)
    points = tree.points_mm()
    pivot, corners = points.mean(axis=0), box_corners_mm(points)
    true, errors = bed(1).pose, []
    for _ in range(300):
        geometry = draw_geometry("evt", rng)
        begin = geometry.projection(offset(true, pivot, OffsetSpread(), rng))
        errors.append(projection_error_mm(begin, geometry.projection(true), corners, geometry))
    assert np.percentile(errors, 95) / _PAPER_MM_PER_PX > 55.0
    turn, move = OffsetSpread().turn_deg, OffsetSpread().move_mm
    assert move[1] > move[2]  # anterior-posterior more than superior-inferior
    assert turn[0] > turn[1]


def test_losses_are_smallest_at_the_truth_and_have_finite_gradients_there(patient):
    batch = draw_batch(patient, np.random.default_rng(0), OffsetSpread(), poses=3)
    still = torch.zeros(3, 6, requires_grad=True)
    at_truth = pose_loss(batch, batch.true.moved(still), "paper+projection")
    at_truth.backward()
    assert torch.isfinite(still.grad).all()
    assert float(at_truth.detach()) < 0.02
    assert float(pose_loss(batch, batch.begin, "paper+projection")) > 10 * float(at_truth.detach())
    assert projected_distance_mm(batch, batch.true).max() < 0.05


def test_geodesics_of_a_known_move():
    turn = torch.eye(4)[None].repeat(3, 1, 1)
    turn[0, :3, 3] = torch.tensor([3.0, 4.0, 0.0])
    turn[1, :3, :3] = torch.linalg.matrix_exp(torch.tensor([[0.0, -0.2, 0.0], [0.2, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    assert angle_rad(turn[:, :3, :3]).tolist() == pytest.approx([0.0, 0.2, 0.0], abs=1e-5)
    assert geodesic_mm(turn).tolist() == pytest.approx([5.0, 50.0, 0.0], abs=2e-3)
    assert double_geodesic_mm(turn).tolist() == pytest.approx([5.0, 50.0, 0.0], abs=2e-3)


def test_the_paper_s_loss_weighs_angles_by_half_the_source_to_detector_distance(patient):
    batch = draw_batch(patient, np.random.default_rng(1), OffsetSpread(), poses=1)
    turn = torch.eye(4)[None].clone()
    turn[0, :3, :3] = torch.linalg.matrix_exp(torch.tensor([[0.0, -0.2, 0.0], [0.2, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    assert 900.0 < batch.sid_mm < 1400.0
    assert double_geodesic_mm(turn, 0.5 * batch.sid_mm).item() == pytest.approx(0.1 * batch.sid_mm, rel=1e-4)
    nearer = replace(batch, sid_mm=0.5 * batch.sid_mm)
    near, far = (float(pose_loss(one, one.begin, "paper")) for one in (nearer, batch))
    assert near < far
    ours, same = (float(pose_loss(one, one.begin, "paper+projection")) for one in (nearer, batch))
    assert ours == same


def test_the_relative_move_of_equal_cameras_is_none(patient):
    batch = draw_batch(patient, np.random.default_rng(1), OffsetSpread(), poses=2)
    assert torch.allclose(relative(batch.true, batch.true), torch.eye(4).expand(2, 4, 4), atol=1e-5)


def test_a_few_steps_learn_go_on_and_refuse_another_recipe(tmp_path, monkeypatch, patient):
    monkeypatch.setattr(pose_recipe, "draw_patient", lambda *_: patient)
    recipe = PoseRecipe(steps=2, width=4, patients=2, views=1, rounds=1)
    checkpoint = tmp_path / "pose.checkpoint.pt"
    seen: list[int] = []
    first, steps = train_pose(recipe, checkpoint, progress=lambda step, *_: seen.append(step))
    assert (steps, seen) == (2, [1, 2])
    again, steps = train_pose(recipe, checkpoint, progress=lambda step, *_: seen.append(step))
    assert seen == [1, 2]
    for one, two in zip(first.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, two)
    with pytest.raises(InputError, match="another recipe"):
        train_pose(PoseRecipe(steps=3, width=4), checkpoint)
    checkpoint.write_bytes(b"torn")
    with pytest.raises(InputError, match="no checkpoint"):
        train_pose(recipe, checkpoint)


def test_the_card_tells_how_little_was_trained():
    card = model_card(PoseRecipe(), 12, "3 minutes on x", {"evt": [[9.0], [2.0]], "coronary": [[8.0], [3.0]]})
    assert "12 of 2400 steps" in card
    assert "| evt | 9.0 / 9.0 | 2.0 / 2.0 |" in card
    assert "Not a medical device" in card


@pytest.mark.parametrize("kind", ["paper", "paper+projection"])
def test_descending_the_loss_leads_to_the_truth(patient, kind):
    batch = draw_batch(patient, np.random.default_rng(3), OffsetSpread(), poses=2)
    outputs = torch.zeros(2, 6, requires_grad=True)
    adam = torch.optim.Adam([outputs], lr=0.15)
    for _ in range(40):
        adam.zero_grad()
        pose_loss(batch, batch.begin.moved(outputs), kind).backward()
        adam.step()
    assert projected_distance_mm(batch, batch.begin).min() > 5.0
    assert projected_distance_mm(batch, batch.begin.moved(outputs.detach())).max() < 2.0
