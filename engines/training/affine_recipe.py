"""Unsupervised training of the affine matching network, on the same invented patients as the pose network.

    python -m engines.training.affine_recipe --out out/models [--steps 2000] [--share 0.25] [--device cpu]

The published network is `--share 1` with 256 px pictures; no weights of it are shipped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from calibration.store import write_bytes
from engines.registration.affine_network import AffineNetwork, unsupervised_loss
from engines.registration.pose_network import PICTURE_PX
from engines.training.pose_patients import POSE_KINDS, TrainingPatient, draw_patient
from engines.training.pose_pictures import OffsetSpread, draw_batch, drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class AffineRecipe:
    """Everything that decides the weights.

    Args:
        share: of the paper's filters and units.
        views: views a step, one start each; the paper's batch is 4.
        rate: the paper's is 1e-4.
    """

    steps: int = 2000
    seed: int = 1
    share: float = 0.25
    patients: int = 60
    views: int = 4
    rate: float = 1e-4


def train_affine(
    recipe: AffineRecipe,
    *,
    device: str = "cpu",
    patient_of: Callable[[int], TrainingPatient] | None = None,
    progress: Callable[[int, float], None] = lambda *_: None,
) -> AffineNetwork:
    """Train on 1 - Dice of the moved projection alone; returns the network in evaluation mode.

    Args:
        patient_of: patients by number; invented where none are given.
    """
    torch.manual_seed(recipe.seed)
    patient_of = patient_of or lru_cache(maxsize=None)(lambda number: _patient(recipe.seed, number))
    net = AffineNetwork(PICTURE_PX, recipe.share).to(device).train()
    optimiser = torch.optim.Adam(net.parameters(), lr=recipe.rate)
    for step in range(recipe.steps):
        pairs = [_pair(recipe, step, view, patient_of) for view in range(recipe.views)]
        moving, fixed = (torch.cat(pictures).to(device) for pictures in zip(*pairs, strict=True))
        optimiser.zero_grad(set_to_none=True)
        loss = unsupervised_loss(moving, fixed, net(moving, fixed))
        loss.backward()
        optimiser.step()
        progress(step + 1, float(loss.detach()))
    return net.eval()


def _pair(
    recipe: AffineRecipe, step: int, view: int, patient_of: Callable[[int], TrainingPatient]
) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng([recipe.seed, step, view, 13])
    batch = draw_batch(patient_of(int(rng.integers(recipe.patients))), rng, OffsetSpread(), poses=1)
    return drawn(batch.cloud, batch.begin), batch.seen


def _patient(seed: int, number: int) -> TrainingPatient:
    return draw_patient(POSE_KINDS[number % len(POSE_KINDS)], seed, number)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    standard = AffineRecipe()
    parser.add_argument("--out", type=Path, default=Path("out/models"))
    parser.add_argument("--steps", type=int, default=standard.steps)
    parser.add_argument("--seed", type=int, default=standard.seed)
    parser.add_argument("--share", type=float, default=standard.share)
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args(arguments)
    recipe = AffineRecipe(steps=chosen.steps, seed=chosen.seed, share=chosen.share)

    def say(step: int, loss: float) -> None:
        if step % 25 == 0 or step == recipe.steps:
            print(f"step {step}/{recipe.steps}  1 - Dice {loss:.3f}", file=sys.stderr, flush=True)

    net = train_affine(recipe, device=chosen.device, progress=say).cpu()
    header = {"schema": "guidance-app/affine-network/1", "share": str(recipe.share), "size_px": str(PICTURE_PX)}
    tensors = {name: value.contiguous() for name, value in net.state_dict().items()}
    write_bytes(chosen.out / "affine.safetensors", safetensors.torch.save(tensors, metadata=header))
    print(f"{chosen.out / 'affine.safetensors'} written")


if __name__ == "__main__":
    main(sys.argv[1:])
