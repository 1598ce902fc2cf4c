"""The pose network's output and input, and that its start is never worse than the given one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from calibration.errors import InputError
from engines.anatomy.vessel_model import VesselModel
from engines.networks.affine_network import AffineNetwork
from engines.networks.pose_answer import PICTURE_PX
from engines.networks.pose_network import PoseNetwork
from engines.registration.initial_pose import start_near
from engines.registration.methods.networked import AfterNetwork, NetworkAlone
from engines.registration.methods.ours import Ours
from engines.registration.networks.network_start import camera_view, network_start
from engines.registration.networks.pose_weights import load_pose_network, save_affine_network, save_pose_network
from engines.registration.networks.shown_to_network import small_picture
from tests.engines.registration.vessel_bed import Bed, bed


class _Says(PoseNetwork):
    """A network that gives the same answer for every picture."""

    def __init__(self, *outputs: float) -> None:
        super().__init__(4)
        self.outputs = torch.tensor([outputs])

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.outputs.expand(len(pictures), 6)


@pytest.fixture(scope="module")
def scene() -> Bed:
    return bed(3, missing=0.0, false_curves=0)


def test_outputs_turn_about_the_pivot_and_shift_on_the_picture(scene: Bed) -> None:
    pivot = scene.model.centroid_mm()
    view = camera_view([scene.pose], pivot, scene.geometry)
    small = scene.geometry.projection(scene.pose).resized((PICTURE_PX, PICTURE_PX))

    def pivot_px(moved) -> np.ndarray:
        pose = moved.camera_from_lps[0].double().numpy()
        camera = pose[:3, :3] @ pivot + pose[:3, 3]
        return camera[:2] / camera[2] * small.intrinsics_px.diagonal()[:2] + small.intrinsics_px[:2, 2]

    before = small.project(pivot[None])[0][0]
    assert pivot_px(view.moved(torch.zeros(1, 6))) == pytest.approx(before, abs=0.05)
    turned = view.moved(torch.tensor([[1.0, -1.0, 0.5, 0.0, 0.0, 0.0]]))
    assert pivot_px(turned) == pytest.approx(before, abs=0.05)
    assert not torch.allclose(turned.camera_from_lps[0, :3, :3], view.camera_from_lps[0, :3, :3], atol=1e-2)
    shifted = view.moved(torch.tensor([[0.0, 0.0, 0.0, 1.0, 0.0, 1.0]]))
    assert pivot_px(shifted) - before == pytest.approx([0.1 * PICTURE_PX, 0.0], abs=0.05)


def test_an_untrained_network_changes_nothing(scene: Bed) -> None:
    begin = scene.moved(1, deg=3.0, mm=5.0, depth_mm=5.0)
    found = network_start(PoseNetwork(4).eval(), [scene.view], scene.model, begin)
    assert np.allclose(found.isocentre_from_lps.matrix, begin.matrix, atol=1e-3)


def test_a_start_that_explains_the_picture_worse_is_not_taken(scene: Bed) -> None:
    misled = _Says(0.0, 0.0, 0.0, 3.0, 3.0, 0.0)
    found = network_start(misled, [scene.view], scene.model, scene.pose)
    assert scene.error_mm(found.isocentre_from_lps) < 0.1


def test_another_method_finds_the_pose_from_a_good_networks_start(scene: Bed) -> None:
    right = scene.geometry.camera_from_isocentre().rotation[0]
    pose = scene.pose.matrix.copy()
    pose[:3, 3] -= 30.0 * right
    start = start_near(replace(scene.pose, matrix=pose))
    shift_px = 30.0 / scene.geometry.isocentre_mm_per_px * PICTURE_PX / 512
    knows = _Says(0.0, 0.0, 0.0, shift_px / (0.1 * PICTURE_PX), 0.0, 0.0)
    alone = NetworkAlone(knows).register([scene.view], scene.model, start)
    assert scene.error_mm(alone.isocentre_from_lps) < 3.0
    both = AfterNetwork("ours-network", knows, Ours()).register([scene.view], scene.model, start)
    assert scene.error_mm(both.isocentre_from_lps) < 1.0
    assert both.stages[0].name == "pose network"
    assert both.registration is not None


def test_the_small_picture_keeps_place_and_leaves_out_what_the_collimator_hides(scene: Bed) -> None:
    geometry = replace(scene.geometry, shape_px=(256, 512))
    wide = np.zeros((256, 512), dtype=np.float32)
    wide[64:128, 256:512] = 1.0
    open_left = np.zeros((256, 512), dtype=bool)
    open_left[:, :384] = True
    view = replace(scene.view, geometry=geometry, vessel=wide, field_of_view=open_left)
    small = small_picture(view)
    assert small.shape == (PICTURE_PX, PICTURE_PX)
    assert small[12:24, 48:72].min() == 1.0
    assert small.sum() == 12 * 24
    assert small_picture(replace(view, field_of_view=None)).sum() == 12 * 48


def test_a_view_or_a_model_without_vessels_is_refused(scene: Bed) -> None:
    net = PoseNetwork(4).eval()
    empty = replace(scene.view, vessel=np.zeros_like(scene.view.vessel))
    with pytest.raises(InputError, match="shows no vessel"):
        network_start(net, [empty], scene.model, scene.pose)
    with pytest.raises(InputError, match="no branch"):
        network_start(net, [replace(scene.view, branch_classes=("vein",))], scene.model, scene.pose)
    bare = VesselModel(labels=None, surface=_triangle())
    with pytest.raises(InputError, match="centerlines"):
        network_start(net, [scene.view], bare, scene.pose)


def test_weights_come_back_as_they_were_written(tmp_path) -> None:
    torch.manual_seed(0)
    net = PoseNetwork(4).eval()
    torch.nn.init.normal_(net.head[-1].weight)
    save_pose_network(net, tmp_path / "pose.safetensors", steps=3, seed=1)
    pictures = torch.rand(2, 2, PICTURE_PX, PICTURE_PX)
    with torch.no_grad():
        assert torch.allclose(net(pictures), load_pose_network(tmp_path / "pose.safetensors")(pictures), atol=0.05)


def test_missing_unlisted_changed_and_foreign_weights_are_named(tmp_path) -> None:
    path = tmp_path / "pose.safetensors"
    with pytest.raises(InputError, match=r"cannot read the list of networks .*train pose"):
        load_pose_network(path)
    path.write_bytes(b"not weights")
    save_pose_network(PoseNetwork(4), tmp_path / "other.safetensors", steps=3, seed=1)
    with pytest.raises(InputError, match=r"not listed in pose_networks\.json"):
        load_pose_network(path)
    save_pose_network(PoseNetwork(4), path, steps=3, seed=1)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="refused, its sha-256"):
        load_pose_network(path)
    save_affine_network(AffineNetwork(32, 0.05), path, steps=3, seed=1)
    with pytest.raises(InputError, match="do not fit the network"):
        load_pose_network(path)


def _triangle():
    from engines.anatomy.vessel_model import SurfaceMesh

    return SurfaceMesh(vertices_mm=np.eye(3), triangles=np.array([[0, 1, 2]]))
