"""Model-to-image matching: the paper's layers, the spatial transformer, and the pose of an affine map."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from calibration.pose import RigidPose
from engines.networks.affine_network import AffineNetwork, identity_maps, transformed
from engines.registration.networks.affine_matching import posed, rigid_explanations, unsupervised_loss
from tests.engines.registration.vessel_bed import Bed, bed


@pytest.fixture(scope="module")
def scene() -> Bed:
    return bed(3)


def test_the_network_has_the_papers_layers() -> None:
    net = AffineNetwork(96)
    convolutions = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [32, 64, 64, 128, 128, 128, 128, 256, 256]
    assert [layer.kernel_size[0] for layer in convolutions] == [5] + [3] * 8
    assert [layer.out_features for layer in net.modules() if isinstance(layer, nn.Linear)] == [1024, 6]
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in net.modules()) == 4


def test_an_untrained_network_leaves_the_projection_where_it_is() -> None:
    picture = torch.rand(2, 1, 32, 32)
    net = AffineNetwork(32, share=0.1).eval()
    maps = net(picture, torch.rand(2, 1, 32, 32))
    assert torch.allclose(maps, identity_maps(2))
    assert torch.allclose(transformed(picture, maps), picture, atol=1e-5)


def test_the_transformer_moves_forwards() -> None:
    picture = torch.zeros(1, 1, 32, 32)
    picture[0, 0, 10, 8] = 1.0
    maps = identity_maps(1)
    maps[0, 0, 2], maps[0, 1, 2] = 5 * 2 / 32, 3 * 2 / 32  # 5 columns, 3 rows
    moved = transformed(picture, maps)
    assert np.unravel_index(int(moved.argmax()), (32, 32)) == (13, 13)


def test_descending_the_unsupervised_loss_finds_a_shift() -> None:
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")

    def blob(row: float, column: float) -> torch.Tensor:
        return torch.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 50.0)[None, None]

    moving, fixed = blob(13, 13), blob(17, 18)
    maps = identity_maps(1).requires_grad_()
    adam = torch.optim.Adam([maps], lr=0.02)
    for _ in range(40):
        adam.zero_grad()
        loss = unsupervised_loss(moving, fixed, maps)
        loss.backward()
        adam.step()
    assert float(loss.detach()) < 0.1
    assert float(unsupervised_loss(moving, fixed, identity_maps(1))) > 0.3


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_pose_behind_a_map_moves_the_projection_as_the_map_does(mirrored: bool) -> None:
    scene = bed(3, mirrored=mirrored)
    pivot, angle, half = scene.model.centroid_mm(), np.deg2rad(8.0), 256.0
    turn = 1.05 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    map_ = np.column_stack([turn, [0.08, -0.05]])
    found = posed(scene.pose, map_, pivot, scene.geometry)
    # A flat patch across the beam, because parts at different depths would scale differently.
    beam = scene.geometry.camera_from_isocentre().rotation
    patch = scene.pose.inverse().apply(
        scene.pose.apply(pivot[None]) + np.array([[0, 0], [20, 0], [0, 20], [-20, 10]]) @ beam[:2]
    )
    before = scene.geometry.projection(scene.pose).project(patch)[0]
    after = scene.geometry.projection(found).project(patch)[0]
    units = (before + 0.5) / half - 1.0
    wanted = (units @ map_[:, :2].T + map_[:, 2] + 1.0) * half - 0.5
    assert np.linalg.norm(after - wanted, axis=1).max() < 3.0
    assert np.linalg.norm(before - wanted, axis=1).min() > 8.0


def test_a_map_is_read_as_a_shift_a_turn_and_a_size() -> None:
    angle, centre = 0.2, np.array([0.3, -0.1])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    map_ = np.column_stack([1.1 * turn, [0.05, 0.02]])
    shifted, turned, sized = rigid_explanations(map_, centre)
    for found in (shifted, turned, sized):
        assert found[:, :2] @ centre + found[:, 2] == pytest.approx(map_[:, :2] @ centre + map_[:, 2])
    assert shifted[:, :2] == pytest.approx(np.eye(2))
    assert turned[:, :2] == pytest.approx(turn)
    assert sized == pytest.approx(map_)


def test_a_change_of_size_is_a_depth_only_within_its_limit(scene: Bed) -> None:
    small = np.column_stack([0.5 * np.eye(2), [0.0, 0.0]])
    pivot = scene.model.centroid_mm()
    found = posed(scene.pose, small, pivot, scene.geometry, largest_scale=1.05)
    before, after = (scene.geometry.projection(pose).project(pivot[None])[1][0] for pose in (scene.pose, found))
    assert after / before == pytest.approx(1.05)


def test_the_identity_is_the_start(scene: Bed) -> None:
    found = posed(scene.pose, np.eye(2, 3), scene.model.centroid_mm(), scene.geometry)
    assert isinstance(found, RigidPose)
    assert np.allclose(found.matrix, scene.pose.matrix, atol=1e-6)
