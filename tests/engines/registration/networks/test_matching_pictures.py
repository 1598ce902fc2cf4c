"""Model-to-image matching as a method: region, pictures, and the pose of the network's map."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from calibration.errors import InputError
from engines.anatomy.vessel_model import LabelVolume, VesselModel
from engines.networks.affine_network import AffineNetwork
from engines.registration.initial_pose import start_near
from engines.registration.methods.model_matching import ModelMatching
from engines.registration.networks.matching_pictures import (
    Region,
    projected_picture,
    region_of_box,
    region_of_mask,
    seen_picture,
)
from engines.registration.networks.pose_weights import load_affine_network, save_affine_network
from engines.registration.rendered.image_similarity import dice
from tests.engines.registration.vessel_bed import Bed, bed

_SIZE_PX = 64


@pytest.fixture(scope="module")
def scene() -> Bed:
    return bed(3, missing=0.0, false_curves=0)


class _Says(AffineNetwork):
    """A network that answers one map first, then the identity."""

    def __init__(self, map_: list[list[float]]) -> None:
        super().__init__(_SIZE_PX, 0.05)
        self.map_, self.asked = torch.tensor([map_]), 0

    def forward(self, moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        self.asked += 1
        return self.map_ if self.asked == 1 else torch.eye(2, 3)[None]


def test_the_region_holds_the_vessel_and_not_a_stray_pixel() -> None:
    mask = np.zeros((512, 512), dtype=bool)
    mask[200:300, 100:180] = True
    mask[0, 511] = True
    region = region_of_mask(mask)
    assert region is not None
    assert (region.column_px, region.row_px) == pytest.approx((139.5, 249.5), abs=1.5)
    assert 60 < region.half_px < 100
    assert region_of_mask(np.zeros((8, 8), dtype=bool)) is None
    assert region_of_box(10, 20, 50, 40) == Region(column_px=30, row_px=30, half_px=20)
    with pytest.raises(InputError, match="is empty"):
        region_of_box(50, 20, 10, 40)


def test_model_and_mask_lie_alike_in_the_region_at_the_truth(scene: Bed) -> None:
    region = region_of_mask(scene.view.vessel > 0.5)
    assert region is not None
    seen = seen_picture(scene.view, region, _SIZE_PX)
    drawn = projected_picture(scene.model, scene.geometry.projection(scene.pose), region, _SIZE_PX)
    assert float(dice(drawn, seen)) > 0.8


def test_a_map_in_the_region_is_the_same_move_of_the_frame() -> None:
    region, points = Region(column_px=130.0, row_px=300.0, half_px=90.0), np.array([[100.0, 280.0], [190.0, 350.0]])
    map_ = np.array([[0.9, -0.2, 0.1], [0.2, 0.95, -0.3]])
    inside = (points - (region.column_px, region.row_px)) / region.half_px
    there = (inside @ map_[:, :2].T + map_[:, 2]) * region.half_px + (region.column_px, region.row_px)
    whole = region.map_of_frame(map_, 512)
    units = (points + 0.5) / 256 - 1
    assert (units @ whole[:, :2].T + whole[:, 2] + 1) * 256 - 0.5 == pytest.approx(there)


def test_a_network_that_predicts_the_shift_finds_the_pose(scene: Bed) -> None:
    region = region_of_mask(scene.view.vessel > 0.5)
    assert region is not None
    off_mm = 12.0
    matrix = scene.pose.matrix.copy()
    matrix[:3, 3] -= off_mm * scene.geometry.camera_from_isocentre().rotation[0]
    start = start_near(replace(scene.pose, matrix=matrix))
    shift = off_mm / scene.geometry.isocentre_mm_per_px / region.half_px
    found = ModelMatching(_Says([[1, 0, shift], [0, 1, 0]])).register([scene.view], scene.model, start)
    assert scene.error_mm(found.isocentre_from_lps) < 1.0
    assert scene.error_mm(replace(scene.pose, matrix=matrix)) > 10.0
    misled = ModelMatching(_Says([[1, 0, 0.8], [0, 1, 0.8]])).register(
        [scene.view], scene.model, start_near(scene.pose)
    )
    assert scene.error_mm(misled.isocentre_from_lps) < 0.1  # an answer that fits the picture worse is not taken


def test_nothing_to_match_is_refused(scene: Bed) -> None:
    method = ModelMatching(AffineNetwork(_SIZE_PX, 0.05).eval())
    empty = replace(scene.view, vessel=np.zeros_like(scene.view.vessel))
    with pytest.raises(InputError, match="no vessel to match"):
        method.register([empty], scene.model, start_near(scene.pose))
    labels = LabelVolume(labels=np.ones((2, 2, 2), dtype=np.uint8), lps_from_index=np.eye(4))
    with pytest.raises(InputError, match="needs a surface or centerlines"):
        method.register([scene.view], VesselModel(labels=labels), start_near(scene.pose))


def test_weights_come_back_with_size_and_share(tmp_path) -> None:
    net = AffineNetwork(32, 0.05).eval()
    save_affine_network(net, tmp_path / "affine.safetensors", steps=1, seed=1)
    again = load_affine_network(tmp_path / "affine.safetensors")
    assert (again.size_px, again.share) == (32, 0.05)
    pictures = torch.rand(1, 1, 32, 32)
    assert torch.allclose(net(pictures, pictures), again(pictures, pictures), atol=0.05)
