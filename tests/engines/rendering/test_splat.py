"""The centerline splat is the blurred picture of the tubes, and moves with the pose."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from engines.anatomy.vessel_model import Branch, CenterlineTree
from engines.rendering.splat import centerline_cloud, splat_centerlines
from tests.engines.rendering.scene import tensors, view


def _tree(radius_mm: float = 2.0) -> CenterlineTree:
    s = np.linspace(-1, 1, 30)
    first = np.column_stack([25 * s, 6 * np.sin(3 * s), 20 * s**2 - 8])
    second = np.column_stack([8 * s, 15 * s, -20 * s])
    return CenterlineTree(
        branches=tuple(
            Branch(points_mm=points, radius_mm=np.full(30, radius_mm), vessel_class=name)
            for points, name in ((first, "artery"), (second, "vein"))
        )
    )


def _straight(radius_mm: float) -> CenterlineTree:
    points = np.array([[-30.0, 0, 0], [30.0, 0, 0]])
    return CenterlineTree(branches=(Branch(points_mm=points, radius_mm=np.full(2, radius_mm)),))


def _frontal(shape_px=(41, 161)):
    return view(
        0.0, 0.0, shape_px=shape_px, spacing_mm=(0.8, 0.8), principal_point_px=(80.0, 20.0), translation_mm=(0, 0, 0)
    )


@pytest.mark.parametrize("kind", ["silhouette", "thickness"])
def test_matches_the_blurred_tube(kind):
    projection, radius = _frontal(), 1.5
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3] = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    pose[2, 3] = 750.0
    cloud = centerline_cloud(_straight(radius), step_mm=0.5)
    splat = splat_centerlines(cloud, pose[None], tensors(projection)[1], projection.shape_px, sigma_px=3.0, kind=kind)
    rows = (np.arange(41 * 10) - 204.5) / 10
    half = radius * 1100.0 / 0.8 / 750.0
    profile = (
        np.sqrt(np.clip(1 - (rows / half) ** 2, 0, None)) * 2 * radius if kind == "thickness" else abs(rows) < half
    )
    expected = gaussian_filter(profile.astype(float), 30.0).reshape(41, 10).mean(axis=1)
    np.testing.assert_allclose(splat[0, 0, :, 80].numpy(), expected, atol=0.03 * expected.max())


def test_a_point_lands_where_the_projection_says():
    projection = view(shape_px=(120, 140), principal_point_px=(70.0, 50.0), spacing_mm=(1.0, 0.9))
    dot = CenterlineTree(
        branches=(Branch(points_mm=np.array([[5.0, 4, 3], [5.01, 4, 3]]), radius_mm=np.array([1.0, 1.0])),)
    )
    pose, intrinsics = tensors(projection)
    picture = splat_centerlines(centerline_cloud(dot), pose, intrinsics, projection.shape_px, sigma_px=2.0)[
        0, 0
    ].numpy()
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
    found = np.array([(picture * columns).sum(), (picture * rows).sum()]) / picture.sum()
    np.testing.assert_allclose(found, projection.project(np.array([[5.0, 4, 3]]))[0][0], atol=0.02)


def test_wider_vessels_weigh_more():
    projection = _frontal()
    pose, intrinsics = tensors(projection)
    thin, wide = (
        splat_centerlines(centerline_cloud(_straight(r)), pose, intrinsics, projection.shape_px, sigma_px=2.0).sum()
        for r in (1.0, 2.0)
    )
    assert float(wide / thin) == pytest.approx(2.0, rel=0.05)


def test_batch_equals_one_at_a_time():
    pose, intrinsics = tensors(view())
    poses = torch.cat([pose, tensors(view(-40.0, 20.0))[0]])
    cloud = centerline_cloud(_tree())
    both = splat_centerlines(cloud, poses, intrinsics, (40, 48), sigma_px=2.0)
    for index in range(2):
        alone = splat_centerlines(cloud, poses[index : index + 1], intrinsics, (40, 48), sigma_px=2.0)
        torch.testing.assert_close(both[index : index + 1], alone)


def test_points_behind_the_source_are_not_drawn_and_do_not_break_the_gradient():
    pose = torch.eye(4, dtype=torch.float64)[None].clone()
    pose[:, 2, 3] = -5.0
    pose.requires_grad_()
    picture = splat_centerlines(centerline_cloud(_straight(1.0)), pose, tensors(view())[1], (40, 48), sigma_px=2.0)
    assert float(picture.detach().abs().max()) == 0.0
    (gradient,) = torch.autograd.grad(picture.sum(), pose)
    assert bool(torch.isfinite(gradient).all())


def test_gradient_matches_finite_differences():
    pose, intrinsics = tensors(view())
    cloud = centerline_cloud(_tree())
    goal = splat_centerlines(cloud, tensors(view(27.0, -13.0))[0], intrinsics, (40, 48), sigma_px=2.0)

    def loss(shift: torch.Tensor) -> torch.Tensor:
        moved = pose.clone()
        moved[:, :3, 3] = moved[:, :3, 3] + shift
        return ((splat_centerlines(cloud, moved, intrinsics, (40, 48), sigma_px=2.0) - goal) ** 2).sum()

    shift = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(shift), shift)
    steps = 0.1 * torch.eye(3, dtype=torch.float64)
    difference = torch.tensor([float(loss(s) - loss(-s)) / 0.2 for s in steps])
    torch.testing.assert_close(gradient.float(), difference, rtol=0.05, atol=0.02 * float(difference.abs().max()))


def test_cloud_keeps_length_class_and_replaces_unknown_radius():
    cloud = centerline_cloud(_straight(math.nan), step_mm=1.0, unknown_radius_mm=1.5)
    assert float(cloud.length_mm.sum()) == pytest.approx(60.0)
    assert bool((cloud.radius_mm == 1.5).all())
    assert len(centerline_cloud(_tree(), vessel_classes=("vein",)).points_mm) < len(centerline_cloud(_tree()).points_mm)
    with pytest.raises(ValueError, match="aorta"):
        centerline_cloud(_tree(), vessel_classes=("aorta",))
