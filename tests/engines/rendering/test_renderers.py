"""One contract for every renderer: known integrals, known places, and the same gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from calibration.errors import InputError
from calibration.pose import RigidPose
from engines.rendering.factory import RENDERERS, make_renderer
from engines.rendering.renderer import Renderer
from tests.engines.rendering.scene import BLOB_CENTRE_MM, affine, blob, blob_integral, positions_mm, tensors, view

SHAPE = (56, 48, 40)


@pytest.fixture(params=RENDERERS)
def name(request: pytest.FixtureRequest) -> str:
    if request.param.startswith("diffdrr"):
        pytest.importorskip("diffdrr")
    return request.param


def _blob_renderer(name: str, **grid) -> Renderer:
    return make_renderer(name, blob(SHAPE, affine(**grid)), affine(**grid))


def _picture(renderer: Renderer, projection) -> np.ndarray:
    pose, intrinsics = tensors(projection)
    return renderer.render(pose, intrinsics, projection.shape_px)[0, 0].numpy()


def test_follows_the_renderer_interface(name):
    renderer = _blob_renderer(name)
    assert isinstance(renderer, Renderer)
    assert renderer.name == name
    np.testing.assert_allclose(renderer.centroid_lps_mm.numpy(), BLOB_CENTRE_MM, atol=0.2)


@pytest.mark.parametrize(
    "projection",
    [view(), view(mirrored=True), view(0.0, 0.0), view(-90.0, 30.0, principal_point_px=(60.0, -4.0))],
    ids=["oblique", "mirrored", "frontal", "principal point outside"],
)
def test_blob_on_an_oblique_anisotropic_flipped_grid_has_its_exact_integral(name, projection):
    expected = blob_integral(projection)
    found = _picture(_blob_renderer(name), projection)
    assert np.abs(found - expected).max() < 0.02 * blob_integral(view()).max()


def test_cube_along_the_beam_gives_value_times_thickness(name):
    values = np.zeros((24, 24, 24), dtype=np.float32)
    values[6:18, 6:18, 6:18] = 0.5
    grid = affine((2.0, 2.0, 2.0), (0.0, 0.0, 0.0), flip=False, shape=values.shape)
    projection = view(0.0, 0.0, shape_px=(31, 31), principal_point_px=(15.0, 15.0), translation_mm=(0.0, 0.0, 0.0))
    projection = projection.with_camera(RigidPose(matrix=_frontal(750.0), target="camera", source="lps"))
    assert _picture(make_renderer(name, values, grid), projection)[15, 15] == pytest.approx(0.5 * 24.0, rel=0.03)


def _frontal(sod_mm: float) -> np.ndarray:
    return np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, sod_mm], [0, 0, 0, 1]])


@pytest.mark.parametrize("mirrored", [False, True])
def test_markers_appear_where_the_projection_says(name, mirrored):
    grid = affine()
    markers = positions_mm(SHAPE, grid)[[12, 36, 27], [11, 31, 38], [10, 25, 32]]
    projection = view(shape_px=(180, 200), spacing_mm=(0.8, 0.7), principal_point_px=(70.0, 110.0), mirrored=mirrored)
    expected, _ = projection.project(markers)
    for marker, place in zip(markers, expected, strict=True):
        values = np.exp(-0.5 * (np.linalg.norm(positions_mm(SHAPE, grid) - marker, axis=-1) / 2.5) ** 2)
        picture = _picture(make_renderer(name, values.astype(np.float32), grid), projection)
        rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
        found = np.array([(picture * columns).sum(), (picture * rows).sum()]) / picture.sum()
        np.testing.assert_allclose(found, place, atol=0.25)


def test_batch_of_poses_equals_one_at_a_time(name):
    renderer = _blob_renderer(name)
    first, second = view(), view(-40.0, 20.0)
    intrinsics = tensors(first)[1]
    poses = torch.cat([tensors(first)[0], tensors(second)[0]])
    both = renderer.render(poses, intrinsics, first.shape_px)
    assert both.shape == (2, 1, *first.shape_px)
    for index in range(2):
        alone = renderer.render(poses[index : index + 1], intrinsics, first.shape_px)[0]
        torch.testing.assert_close(both[index], alone, atol=0.02, rtol=5e-3)


def test_chosen_pixels_equal_the_picture(name):
    renderer, projection = _blob_renderer(name), view()
    pose, intrinsics = tensors(projection)
    picture = renderer.render(pose, intrinsics, projection.shape_px)[0, 0]
    pixels = torch.tensor([[20.0, 18.0], [3.0, 39.0], [15.0, 20.0]])
    rays = renderer.render_rays(pose, intrinsics, pixels)
    assert rays.shape == (1, 3)
    torch.testing.assert_close(rays[0], picture[[18, 39, 20], [20, 3, 15]], atol=0.02, rtol=5e-3)


@pytest.mark.parametrize("depth_mm", [750.0, -750.0], ids=["beside", "behind the source"])
def test_rays_that_miss_give_zero_and_finite_gradients(name, depth_mm):
    renderer = _blob_renderer(name)
    matrix = _frontal(depth_mm)
    if depth_mm > 0:
        matrix[0, 3] = 900.0
    pose = torch.tensor(matrix)[None].requires_grad_()
    projection = view(0.0, 0.0)
    picture = renderer.render(pose, tensors(projection)[1], projection.shape_px)
    assert float(picture.detach().abs().max()) == 0.0
    (gradient,) = torch.autograd.grad(picture.sum(), pose)
    assert bool(torch.isfinite(gradient).all())


def test_pose_gradient_matches_finite_differences_and_the_reference(name):
    pytest.importorskip("diffdrr")
    found, reference = (_gradient(_blob_renderer(each)) for each in (name, "diffdrr-trilinear"))
    difference = _finite_differences(_blob_renderer(name))
    assert _cosine(found, reference) > 0.99
    assert _cosine(found, difference) > 0.99
    np.testing.assert_allclose(np.linalg.norm(found), np.linalg.norm(difference), rtol=0.1)


def test_fast_renderer_equals_the_reference():
    pytest.importorskip("diffdrr")
    pictures = [_picture(_blob_renderer(each), view()) for each in RENDERERS]
    for other in pictures[1:]:
        assert np.abs(pictures[0] - other).max() < 0.02 * pictures[0].max()


def _loss(renderer: Renderer, shift_and_turn: torch.Tensor) -> torch.Tensor:
    """How far the picture is from one taken 3 mm and 2 degrees away; smooth in the pose."""
    projection = view()
    pose, intrinsics = tensors(projection)
    target = torch.tensor(blob_integral(view(27.0, -14.0, translation_mm=(5.0, -8.0, 3.0))), dtype=torch.float32)
    generator = torch.zeros(4, 4, dtype=torch.float64)
    generator = generator + _skew(shift_and_turn)
    moved = pose[0] @ torch.linalg.matrix_exp(generator)
    return ((renderer.render(moved[None], intrinsics, projection.shape_px)[0, 0] - target) ** 2).mean()


def _skew(six: torch.Tensor) -> torch.Tensor:
    zero = six.new_zeros(())
    turn = six[3:] / 50.0
    return torch.stack(
        [
            torch.stack([zero, -turn[2], turn[1], six[0]]),
            torch.stack([turn[2], zero, -turn[0], six[1]]),
            torch.stack([-turn[1], turn[0], zero, six[2]]),
            torch.stack([zero, zero, zero, zero]),
        ]
    )


def _gradient(renderer: Renderer) -> np.ndarray:
    six = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(_loss(renderer, six), six)
    return gradient.numpy()


def _finite_differences(renderer: Renderer, step: float = 0.5) -> np.ndarray:
    steps = torch.eye(6, dtype=torch.float64) * step
    with torch.no_grad():
        return np.array([float(_loss(renderer, s) - _loss(renderer, -s)) / (2 * step) for s in steps])


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def test_unknown_renderer_names_the_nearest():
    with pytest.raises(InputError, match="did you mean nanodrr"):
        make_renderer("nanodr", np.zeros((2, 2, 2), dtype=np.float32), np.eye(4))


def test_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(InputError, match=r"guidance-app\[diffdrr\]"):
        make_renderer("diffdrr", np.zeros((2, 2, 2), dtype=np.float32), np.eye(4))


@pytest.mark.parametrize("device", ["gpu-of-dreams", "cuda"])
def test_missing_device_is_named(device, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InputError, match=device):
        make_renderer("nanodrr", np.zeros((2, 2, 2), dtype=np.float32), np.eye(4), device)


@pytest.mark.parametrize(
    ("values", "grid"),
    [
        (np.zeros((2, 2)), np.eye(4)),
        (np.full((2, 2, 2), np.nan), np.eye(4)),
        (np.zeros((2, 2, 2)), np.diag([1.0, 0, 1, 1])),
    ],
    ids=["flat", "not finite", "singular"],
)
def test_unusable_volume_is_refused(values, grid):
    with pytest.raises(ValueError, match=r"volume|affine|singular"):
        make_renderer("nanodrr", values.astype(np.float32), grid)
