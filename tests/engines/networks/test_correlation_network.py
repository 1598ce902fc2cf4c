"""Properties of the similarity network that hold for any weights."""

from __future__ import annotations

import pytest
import torch

from engines.networks.correlation_blocks import Coupling, FourierBlock
from engines.networks.correlation_network import CorrelationNetwork, Design, standardised
from engines.networks.correlation_paper_network import PaperHead, PaperNetwork

_DESIGNS = [Design(), Design(gate=False), Design(branches="single", gate=False)]


def _net(design: Design | None = None, seed: int = 0) -> CorrelationNetwork:
    torch.manual_seed(seed)
    return CorrelationNetwork(design).eval()


def _pictures(count: int = 2, side: int = 32, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.avg_pool2d(torch.rand(count, 1, 4 * side, 4 * side, generator=generator), 4)


def _weights(net: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in net.parameters())


@pytest.mark.parametrize("design", _DESIGNS, ids=["ours", "no gate", "single"])
def test_equal_pictures_are_at_distance_zero_and_a_stationary_point(design):
    net, picture = _net(design), _pictures()
    moving = picture.clone().requires_grad_()
    distance = net(picture, moving).distance
    (gradient,) = torch.autograd.grad(distance.sum(), moving)
    assert float(distance.detach().abs().max()) < 1e-9
    assert float(gradient.abs().max()) < 1e-9


@pytest.mark.parametrize("design", _DESIGNS, ids=["ours", "no gate", "single"])
def test_other_pictures_are_farther_away(design):
    net = _net(design)
    assert bool((net(_pictures(seed=1), _pictures(seed=2)).distance > 1e-4).all())


def test_gain_and_offset_change_nothing():
    net, fixed, moving = _net(), _pictures(seed=1), _pictures(seed=2)
    torch.testing.assert_close(
        net(3.0 * fixed + 7.0, 50.0 * moving - 2.0).distance, net(fixed, moving).distance, rtol=1e-3, atol=1e-5
    )


def test_a_constant_picture_has_a_value_and_a_finite_gradient():
    flat = torch.zeros(1, 1, 32, 32, requires_grad=True)
    distance = _net()(_pictures(1), flat).distance
    (gradient,) = torch.autograd.grad(distance.sum(), flat)
    assert bool(torch.isfinite(distance).all())
    assert bool(torch.isfinite(gradient).all())
    assert float(standardised(torch.full((1, 1, 8, 8), 5.0)).abs().max()) < 1e-3


def test_image_gradient_and_its_own_gradient_agree_with_finite_differences():
    net, fixed, moving = _net().double(), _pictures(1).double(), _pictures(1, seed=3).double()
    direction = _pictures(1, seed=4).double() - 0.5

    for weight in net.parameters():
        weight.requires_grad_(False)

    def slope(at: torch.Tensor) -> torch.Tensor:
        (gradient,) = torch.autograd.grad(net(fixed, at).distance.sum(), at, create_graph=True)
        return (gradient * direction).sum()

    step, at = 1e-4, moving.clone().requires_grad_()
    ahead, behind = (at.detach() + sign * step * direction for sign in (1, -1))
    first = (net(fixed, ahead).distance - net(fixed, behind).distance) / (2 * step)
    assert float(slope(at).detach()) == pytest.approx(float(first), rel=1e-5)
    (second,) = torch.autograd.grad(slope(at), at)
    differences = (slope(ahead.requires_grad_()) - slope(behind.requires_grad_())).detach() / (2 * step)
    assert float((second * direction).sum()) == pytest.approx(float(differences), rel=1e-4)


def test_ours_has_below_half_a_million_weights_and_takes_any_size():
    net = _net()
    assert 200_000 < _weights(net) < 500_000
    for side in (32, 64, 128):
        assert net(_pictures(1, side), _pictures(1, side, 2)).distance.shape == (1,)


def test_a_coupling_is_invertible():
    torch.manual_seed(0)
    step, features = Coupling(16).double(), torch.randn(2, 16, 6, 5, dtype=torch.float64)
    torch.testing.assert_close(step.inverse(step(features)), features)
    assert not torch.allclose(step(features), features)


def test_the_fourier_block_sees_the_whole_picture_at_once():
    torch.manual_seed(0)
    block, features = FourierBlock(8), torch.randn(1, 8, 16, 16, requires_grad=True)
    (reached,) = torch.autograd.grad(block(features)[0, 6, 0, 0], features)
    # Far beyond the three pixels of its local half.
    assert float(reached[0, :, 9, 11].abs().max()) > 0.0


def test_the_published_network_has_its_published_size():
    with torch.device("meta"):
        net, head = PaperNetwork(), PaperHead()
        found = net(torch.empty(2, 1, 256, 256), torch.empty(2, 1, 256, 256))
    assert 2 * _weights(head) == pytest.approx(353.4e6, rel=1e-3)
    assert _weights(net) - 2 * _weights(head) < 0.5e6
    assert found.distance.shape == (2,)
    assert found.fixed_global.shape == (2, 64, 16, 16)
