"""The losses on features and gradients made by hand."""

from __future__ import annotations

import math

import pytest
import torch

from engines.networks.correlation_network import Comparison
from engines.training.correlation.correlation_losses import (
    EPSILON,
    UncertaintyWeights,
    approximation_loss,
    correlation,
    decomposition_loss,
)


def _features(seed: int) -> torch.Tensor:
    return torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(seed))


def _found(*, whole: str, detail: str) -> Comparison:
    """Features of each branch that are the "same" or "opposite" in the two pictures."""
    sign = {"same": 1.0, "opposite": -1.0, "none": 0.0}
    base, fine = _features(1), _features(2)
    return Comparison(
        distance=torch.zeros(2),
        fixed_global=base,
        moving_global=sign[whole] * base,
        fixed_local=fine,
        moving_local=sign[detail] * fine,
    )


def test_correlation_is_one_for_equal_minus_one_for_opposite_and_zero_for_constant_features():
    base = _features(1)
    torch.testing.assert_close(correlation(base, 3.0 * base + 5.0), torch.ones(2), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(correlation(base, -base), -torch.ones(2), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(correlation(base, torch.ones_like(base)), torch.zeros(2))


def test_default_decomposition_wants_like_global_and_unlike_local_features():
    parted = decomposition_loss(_found(whole="same", detail="none"), "cddfuse")
    mixed = decomposition_loss(_found(whole="same", detail="same"), "cddfuse")
    worst = decomposition_loss(_found(whole="opposite", detail="same"), "cddfuse")
    assert float(parted) == pytest.approx(0.0, abs=1e-6)
    assert float(mixed) == pytest.approx(1.0 / (1.0 + EPSILON), rel=1e-3)
    assert float(worst) > 50.0 * float(mixed)


def test_printed_decomposition_has_the_roles_exchanged():
    same_local = decomposition_loss(_found(whole="none", detail="same"), "poster")
    same_global = decomposition_loss(_found(whole="same", detail="none"), "poster")
    assert float(same_local) == pytest.approx(0.0, abs=1e-6)
    assert float(same_global) == pytest.approx(1.0 / EPSILON, rel=1e-3)


def test_without_local_features_the_decomposition_loss_is_zero():
    single = Comparison(distance=torch.ones(2), fixed_global=_features(1), moving_global=_features(2))
    assert float(decomposition_loss(single, "cddfuse")) == 0.0
    assert float(decomposition_loss(_found(whole="same", detail="same"), "none")) == 0.0


def test_a_gradient_of_the_squared_distance_costs_nothing():
    way = torch.tensor([[0.1, -0.2, 0.05, 0.3, 0.0, -0.4]])
    assert float(approximation_loss(-way, way)) == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize(
    ("gradient", "expected"),
    [
        ([1.0, 0, 0, 0, 1.0, 0], 8.0),
        ([-1.0, 0, 0, 0, 1.0, 0], 4.0),
        ([0, 1.0, 0, 0, -1.0, 0], 2.0),
    ],
    ids=["both uphill", "translation uphill", "rotation at a right angle"],
)
def test_directions_cost_their_squared_distance_part_by_part(gradient, expected):
    way = torch.tensor([[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]])
    assert float(approximation_loss(torch.tensor([gradient]), way, magnitude=0.0)) == pytest.approx(expected, rel=1e-5)


def test_lengths_cost_by_their_ratio_either_way():
    way = torch.tensor([[0.5, 0.0, 0.0, 0.0, 0.5, 0.0]])
    longer, shorter = (float(approximation_loss(-k * way, way, magnitude=0.1)) for k in (4.0, 0.25))
    assert longer == pytest.approx(0.1 * math.log(4.0), rel=1e-4)
    assert shorter == pytest.approx(longer, rel=1e-3)


def test_uncertainty_weights_are_held_within_three():
    weights = UncertaintyWeights()
    assert float(weights(torch.tensor(2.0), torch.tensor(4.0)).detach()) == pytest.approx(3.0)
    with torch.no_grad():
        weights.log_variance.fill_(-50.0)
    assert float(weights(torch.tensor(0.0), torch.tensor(0.0)).detach()) == pytest.approx(-3.0)
