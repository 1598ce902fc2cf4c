"""The loop of a training whose result is the average of its weights: step, clip, average, save, tell."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engines.networks.dru_net import DruNet
from engines.training.checkpoint import Checkpoint, WeightAverage

_CLIP = 1.0

Progress = Callable[[int, float, Callable[[], DruNet]], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AveragedTraining:
    """A network under training.

    Args:
        kept: its checkpoint, which holds network and optimiser.
        save_every_s: seconds between checkpoints; one is written at the end and on an interruption too.
    """

    net: DruNet
    average: WeightAverage
    optimiser: torch.optim.Optimizer
    kept: Checkpoint
    save_every_s: float

    def run(
        self,
        step: int,
        *,
        rate: Callable[[int], float],
        loss: Callable[[int], Tensor],
        goes_on: Callable[[int], bool],
        progress: Progress,
    ) -> int:
        """Steps from `step` on while `goes_on`; returns how many there are then.

        Args:
            rate, loss: of a step by its number.
            progress: told step, loss and how to get the averaged network so far.
        """
        self.net.train()
        saved_at = time.monotonic()
        try:
            while goes_on(step):
                for group in self.optimiser.param_groups:
                    group["lr"] = rate(step)
                self.optimiser.zero_grad(set_to_none=True)
                value = loss(step)
                value.backward()
                torch.nn.utils.clip_grad_norm_(self.net.parameters(), _CLIP)
                self.optimiser.step()
                step += 1
                self.average.add(self.net, step)
                if time.monotonic() - saved_at > self.save_every_s:
                    self.kept.save(step)
                    saved_at = time.monotonic()
                progress(step, float(value.detach()), self.averaged)
        finally:
            self.kept.save(step)
        return step

    def averaged(self) -> DruNet:
        """A network of the averaged weights, in evaluation mode."""
        result = DruNet(self.net.classes, self.net.width, self.net.channels, drawn=self.net.drawn)
        result.load_state_dict(self.average.weights)
        return result.eval()
