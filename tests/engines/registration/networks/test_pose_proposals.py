"""The pose network on ONNX Runtime answers as the one in torch does, and a search needs no torch for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from calibration.errors import InputError
from engines.networks.pose_answer import PICTURE_PX
from engines.networks.pose_network import PoseNetwork
from engines.registration.networks.network_start import network_poses
from engines.registration.networks.pose_list import shipped_weights
from engines.registration.networks.pose_proposals import load_answers, proposed_poses
from engines.registration.networks.pose_weights import load_pose_network, save_pose_network
from engines.training.pose.pose_export import pose_graph
from tests.engines.registration.vessel_bed import Bed, bed


@pytest.fixture(scope="module")
def scene() -> Bed:
    return bed(3, missing=0.0, false_curves=0)


def test_the_shipped_graph_proposes_the_poses_of_the_shipped_weights(scene: Bed) -> None:
    path = shipped_weights("pose")
    begins = [scene.pose, scene.moved(1, deg=6.0, mm=12.0, depth_mm=15.0), scene.moved(2, deg=8.0, mm=20.0, depth_mm=0)]
    torch_poses = network_poses(load_pose_network(path), scene.view, scene.model, begins, rounds=3)
    found = proposed_poses(load_answers(path.with_suffix(".onnx")), scene.view, scene.model, begins, rounds=3)
    assert [asked for _, asked in found] == [asked for _, asked in torch_poses]
    assert any(asked for _, asked in found)
    points_mm = scene.model.centroid_mm() + 50.0 * np.vstack([np.eye(3), -np.eye(3)])
    for (pose, _), (expected, _) in zip(found, torch_poses, strict=True):
        assert np.abs(pose.apply(points_mm) - expected.apply(points_mm)).max() < 0.05


def test_a_written_network_comes_back_as_a_graph(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = PoseNetwork(4).eval()
    last = net.head[-1]
    assert isinstance(last, torch.nn.Linear)
    torch.nn.init.normal_(last.weight)
    path = tmp_path / "pose.safetensors"
    save_pose_network(net, path, steps=3, seed=1, graph=pose_graph(net))
    pictures = np.random.default_rng(0).random((3, 2, PICTURE_PX, PICTURE_PX), dtype=np.float32)
    with torch.no_grad():
        expected = load_pose_network(path)(torch.from_numpy(pictures)).numpy()
    assert load_answers(path.with_suffix(".onnx"))(pictures) == pytest.approx(expected, abs=1e-4)


def test_a_changed_or_unlisted_graph_is_refused(tmp_path: Path) -> None:
    save_pose_network(PoseNetwork(4), tmp_path / "pose.safetensors", steps=3, seed=1)
    with pytest.raises(InputError, match=r"not listed in pose_networks\.json"):
        load_answers(tmp_path / "pose.onnx")
    shipped = shipped_weights("pose")
    shutil.copy(shipped.parent / "pose_networks.json", tmp_path)
    (tmp_path / "pose.onnx").write_bytes(shipped.with_suffix(".onnx").read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match="refused"):
        load_answers(tmp_path / "pose.onnx")


def test_a_view_without_vessels_is_refused(scene: Bed) -> None:
    empty = replace(scene.view, vessel=np.zeros_like(scene.view.vessel))
    with pytest.raises(InputError, match="shows no vessel"):
        proposed_poses(lambda pictures: np.zeros((len(pictures), 6)), empty, scene.model, [scene.pose], rounds=1)


def test_a_live_search_loads_no_torch() -> None:
    program = (
        "import sys; import guidance_app.live.engine.case_pipeline, engines.registration.networks.network_proposal; "
        "from engines.registration.networks.network_proposal import _shipped_network as ask; "
        "assert ask() is not None; assert 'torch' not in sys.modules, 'torch was loaded'"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
