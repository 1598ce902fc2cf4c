"""The published method: its sampler, its losses, its start and its flags."""

import numpy as np
import torch

from engines.anatomy.centerlines.moving_frame import moving_frame
from engines.ivus.features.landmark_maps import ANGLES
from engines.ivus.published.losses import dice_ce, nmi_loss
from engines.ivus.published.pipeline import known_share_right, register_published, warped_maps
from engines.ivus.published.pre_alignment import starts
from engines.ivus.published.warp import LineTensors, Warp
from tests.engines.ivus.small_case import pullback_of, rich_case


def bent_line():
    s = np.linspace(0, 1, 200)
    return moving_frame(np.column_stack([30 * np.sin(1.5 * s), 30 * np.cos(1.5 * s), 25 * s]), step_mm=0.3)


def small_warp(handedness=1, turn=0.3):
    zeta = torch.linspace(-1.0, 1.0, 12, dtype=torch.float64)
    return Warp(zeta, scale=0.4, shift=0.1, turn_rad=turn, handedness=handedness)


def test_places_are_differentiable_in_every_parameter():
    line, warp = LineTensors.of(bent_line()), small_warp()
    x = torch.tensor([[1.0]], dtype=torch.float64).expand(12, 1)
    points, u, v = line.at(warp.place(line))
    a, b = warp.in_plane(x, torch.zeros_like(x))
    (points + a * u + b * v).square().sum().backward()
    for name, parameter in warp.named_parameters():
        if name != "theta":
            assert parameter.grad is not None
            assert parameter.grad.abs().sum() > 0, name


def test_axes_stand_upright_on_the_line_in_either_handedness():
    line = LineTensors.of(bent_line())
    for handedness in (1, -1):
        points, u, v = small_warp(handedness).poses(line)
        forwards = np.gradient(points, axis=0)
        assert np.abs((u * v).sum(axis=1)).max() < 1e-9
        assert np.sign((np.cross(u, v) * forwards).sum(axis=1)).tolist() == [handedness] * 12


def test_turned_maps_are_rolled_maps():
    line = LineTensors.of(bent_line())
    maps = torch.rand((2, len(line.arc), ANGLES), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    straight = warped_maps(small_warp(turn=0.0), line, maps)
    turned = warped_maps(small_warp(turn=5 * 2 * np.pi / ANGLES), line, maps)
    torch.testing.assert_close(turned, torch.roll(straight, -5, dims=2))


def test_equal_maps_and_equal_pictures_cost_least():
    generator = torch.Generator().manual_seed(1)
    maps = (torch.rand((2, 400), generator=generator) > 0.8).double()
    assert dice_ce(maps, maps) < 0.05 < dice_ce(maps, maps.roll(1, dims=1))
    grey = torch.rand(5000, generator=generator).double()
    assert nmi_loss(grey, 1.0 - grey) < nmi_loss(grey, grey.roll(1)) - 0.3


def test_the_sequential_start_finds_place_direction_turn_and_hand():
    rng = np.random.default_rng(3)
    line = np.zeros((2, 200, ANGLES))
    for _ in range(7):
        row, column = rng.integers(20, 180), rng.integers(ANGLES)
        line[rng.integers(2), row - 2 : row + 3, (column + np.arange(-2, 3)[:, None]) % ANGLES] = 1.0
    rows = 150 - np.arange(100)  # distal first
    columns = (11 - np.arange(ANGLES)) % ANGLES
    frames = line[:, rows][:, :, columns]
    best = starts(torch.from_numpy(frames), 0.3 * np.arange(100), torch.from_numpy(line), 0.3 * np.arange(200))[0]
    assert (best.along, best.turn, best.handedness) == (-1, 11, -1)
    assert abs(best.middle_mm - 0.3 * 100.5) < 0.31


def test_a_rich_case_is_laid_and_never_trusted_by_itself():
    case = rich_case()
    fusion = register_published(case.ct, case.centerline_mm, pullback_of(case))
    assert fusion.method == "paper"
    assert "NO_SELF_CHECK" in fusion.flags
    assert fusion.confidence == known_share_right()
    assert 0.0 < fusion.confidence < 1.0
    assert np.isfinite(fusion.points_mm).all()
    assert len(fusion.points_mm) == len(case.frames)
    assert fusion.signs["steps"] >= 30
