"""The interface of similarities: a distance of two pictures, and its gradient with respect to the rendered one."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float

from calibration.errors import InputError
from engines.networks.correlation_network import CorrelationNetwork
from engines.registration.rendered.image_similarity import gradient_ncc, mutual_information, ncc

Pictures = Float[torch.Tensor, "n 1 rows columns"]


@runtime_checkable
class Similarity(Protocol):
    """A distance of two pictures: lower is more alike.

    Attributes:
        name: its name in `measured_similarity`, or the network's name.
    """

    name: str

    def __call__(self, fixed: Pictures, moving: Pictures) -> Float[torch.Tensor, " n"]:
        """One value per pair, differentiable in `moving`; `fixed` may be one picture for all."""
        ...

    def value_and_grad_image(self, fixed: Pictures, moving: Pictures) -> ValueAndGradient:
        """The values, and their derivatives with respect to every pixel of `moving`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ValueAndGradient:
    """A similarity and its derivative with respect to the moving pictures."""

    value: Float[torch.Tensor, " n"]
    gradient: Pictures


class MeasuredSimilarity:
    """A classical measure of similarity as a distance: 1 - measure."""

    def __init__(self, name: str, measure: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        self.name, self._measure = name, measure

    def __call__(self, fixed: Pictures, moving: Pictures) -> Float[torch.Tensor, " n"]:
        return 1.0 - self._measure(moving, fixed)

    def value_and_grad_image(self, fixed: Pictures, moving: Pictures) -> ValueAndGradient:
        return _value_and_gradient(self, fixed, moving)


class LearnedSimilarity:
    """The distance computed by a network with fixed weights.

    Args:
        name: the method's name.
    """

    def __init__(self, name: str, net: CorrelationNetwork) -> None:
        self.name = name
        self._net = net.eval()
        for weight in self._net.parameters():
            weight.requires_grad_(False)

    def __call__(self, fixed: Pictures, moving: Pictures) -> Float[torch.Tensor, " n"]:
        return self._net(fixed.to(moving).expand_as(moving), moving).distance

    def value_and_grad_image(self, fixed: Pictures, moving: Pictures) -> ValueAndGradient:
        return _value_and_gradient(self, fixed, moving)


MEASURES = {"ncc": ncc, "gradient-ncc": gradient_ncc, "mutual-information": mutual_information}


def measured_similarity(name: str) -> MeasuredSimilarity:
    """A classical similarity by name.

    Raises:
        InputError: there is no such measure.
    """
    if name not in MEASURES:
        near = difflib.get_close_matches(name, MEASURES, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else "choose one of them"
        raise InputError(f"no similarity is called {name!r}; there are {', '.join(MEASURES)}; {hint}")
    return MeasuredSimilarity(name, MEASURES[name])


def _value_and_gradient(similarity: Similarity, fixed: Pictures, moving: Pictures) -> ValueAndGradient:
    with torch.enable_grad():
        picture = moving.detach().requires_grad_()
        value = similarity(fixed.detach(), picture)
        (gradient,) = torch.autograd.grad(value.sum(), picture)
    return ValueAndGradient(value=value.detach(), gradient=gradient)
