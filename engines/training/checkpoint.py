"""The average of a training's weights, and the checkpoint from which an interrupted training goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch

from calibration.errors import InputError
from calibration.store import write_atomically


class Part(Protocol):
    """Anything with a state to save: a network, an optimiser."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any: ...


class WeightAverage:
    """Exponential average of a network's weights over the steps; integer counts, as batch norm's, are copied.

    Args:
        decay: share of the old average that a step keeps.
        young: number of steps after which a step keeps half. The average follows quickly at first; otherwise the
            random initial weights would stay in it as long as the decay lasts.
    """

    def __init__(self, net: torch.nn.Module, decay: float, *, young: int = 20) -> None:
        self.weights = {name: value.detach().clone() for name, value in net.state_dict().items()}
        self._decay, self._young = decay, young

    @torch.no_grad()
    def add(self, net: torch.nn.Module, step: int) -> None:
        """Add the weights after `step` steps."""
        for name, value in net.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value, 1.0 - min(self._decay, step / (step + self._young)))
            else:
                self.weights[name].copy_(value)


class Checkpoint:
    """The file from which an interrupted training goes on.

    Args:
        recipe: everything that determines the weights; a file of another recipe is refused.
        of: what is trained, for messages.
        parts: network, optimiser and similar objects by their name in the file.
    """

    def __init__(
        self, path: Path, recipe: dict[str, Any], *, of: str, average: WeightAverage, parts: dict[str, Part]
    ) -> None:
        self.path, self.recipe, self.of, self.average, self.parts = path, recipe, of, average, parts

    def save(self, step: int) -> None:
        """Write the complete file, or nothing."""
        states = {name: part.state_dict() for name, part in self.parts.items()}
        content = {"recipe": self.recipe, "step": step, "average": self.average.weights, **states}
        write_atomically(self.path, lambda beside: torch.save(content, beside))

    def resume(self, device: str = "cpu") -> int:
        """Restore every part; returns the number of steps done, 0 if there is no file yet.

        Raises:
            InputError: the file is not readable, or belongs to another recipe.
        """
        if not self.path.exists():
            return 0
        content = self._read(device)
        for name, part in self.parts.items():
            part.load_state_dict(content[name])
        self.average.weights.update(content["average"])
        return int(content["step"])

    def _read(self, device: str) -> dict[str, Any]:
        try:
            content = torch.load(self.path, map_location=device, weights_only=True)
            found = content["recipe"]
        except Exception as error:  # torch raises any error that its unpickler meets
            raise InputError(f"{self.path}: no checkpoint of {self.of} ({error}); remove it to begin anew") from error
        if found != self.recipe:
            raise InputError(f"{self.path}: belongs to another recipe ({found}); choose another --out, or remove it")
        return content
