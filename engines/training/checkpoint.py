"""What a training leaves behind: a slow average of its weights, and all that lets it go on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch

from calibration.errors import InputError
from calibration.store import write_atomically


class Part(Protocol):
    """A network, an optimiser: whatever has a state."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any: ...


class WeightAverage:
    """Exponential average of a network's weights over the steps; counts, such as batch norm's, are the last ones.

    Args:
        decay: share of the old average that a step keeps.
        young: steps after which a step keeps half. Young averages follow quickly, or the random start would weigh on
            them for as long as the decay lasts.
    """

    def __init__(self, net: torch.nn.Module, decay: float, *, young: int = 20) -> None:
        self.weights = {name: value.detach().clone() for name, value in net.state_dict().items()}
        self._decay, self._young = decay, young

    @torch.no_grad()
    def add(self, net: torch.nn.Module, step: int) -> None:
        """Take in the weights after `step` steps."""
        for name, value in net.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value, 1.0 - min(self._decay, step / (step + self._young)))
            else:
                self.weights[name].copy_(value)


class Checkpoint:
    """The file that an interrupted training goes on from.

    Args:
        recipe: all that decides the weights; a file of another one is refused.
        of: what is trained, for a person.
        parts: network, optimiser and the like, by the name that each has in the file.
    """

    def __init__(
        self, path: Path, recipe: dict[str, Any], *, of: str, average: WeightAverage, parts: dict[str, Part]
    ) -> None:
        self.path, self.recipe, self.of, self.average, self.parts = path, recipe, of, average, parts

    def save(self, step: int) -> None:
        """Whole or not at all."""
        states = {name: part.state_dict() for name, part in self.parts.items()}
        content = {"recipe": self.recipe, "step": step, "average": self.average.weights, **states}
        write_atomically(self.path, lambda beside: torch.save(content, beside))

    def resume(self, device: str = "cpu") -> int:
        """Put every part back, and the number of steps done; 0 where there is no file yet.

        Raises:
            InputError: not readable, or of another recipe.
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
        except Exception as error:  # torch raises whatever its unpickler meets
            raise InputError(f"{self.path}: no checkpoint of {self.of} ({error}); remove it to begin anew") from error
        if found != self.recipe:
            raise InputError(f"{self.path}: belongs to another recipe ({found}); choose another --out, or remove it")
        return content
