"""Train the affine matching network on invented aortas, unsupervised: with 1 - Dice alone, without reference poses."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from engines.networks.affine_network import PAPER_PX, AffineNetwork, transformed
from engines.networks.pose_answer import PICTURE_PX
from engines.registration.networks.affine_matching import unsupervised_loss
from engines.registration.networks.matching_pictures import Region, cropped, region_of_mask
from engines.registration.rendered.image_similarity import dice
from engines.simulation.training_patients.patients import PoseKind, TrainingPatient, draw_patient
from engines.training.checkpoint import Checkpoint, Part, WeightAverage
from engines.training.pose.pose_pictures import OffsetSpread, draw_batch, drawn

_KIND: PoseKind = "tavi"  # the paper matches aortas
_HELD_OUT = 1_000_000  # patients from this number on are never trained on


@dataclass(frozen=True, slots=True, kw_only=True)
class AffineRecipe:
    """Everything that determines the weights.

    Args:
        share: share of the paper's filters and units; 1 with `size_px` 256 is the published network.
        views: views per step, with `poses` starts each; the paper's batch is 4 pairs.
        rate: largest learning rate, which falls along a cosine; the paper has 1e-4 for its larger network and longer
            training.
    """

    steps: int = 1200
    seed: int = 1
    share: float = 0.25
    size_px: int = PICTURE_PX
    patients: int = 60
    views: int = 3
    poses: int = 4
    rate: float = 1e-3


_SAVE_EVERY = 100

PAPER = AffineRecipe(steps=20_000, share=1.0, size_px=PAPER_PX, views=4, poses=1, rate=1e-4)


def train_affine(
    recipe: AffineRecipe,
    checkpoint: Path | None = None,
    *,
    device: str = "cpu",
    patient_of: Callable[[int], TrainingPatient] | None = None,
    budget_s: float = math.inf,
    progress: Callable[[int, float], None] = lambda *_: None,
) -> tuple[AffineNetwork, int]:
    """Train on 1 - Dice of the moved projection; returns the network in evaluation mode and the steps done.

    Args:
        checkpoint: written every 100 steps and at the end; a training that was interrupted goes on from it.
        patient_of: gives patients by number; None invents them.
        budget_s: time after which to stop early; the learning rate then also follows the clock.

    Raises:
        InputError: the checkpoint belongs to another recipe or cannot be read.
    """
    began = time.monotonic()
    torch.manual_seed(recipe.seed)
    patient_of = patient_of or lru_cache(maxsize=None)(lambda number: _patient(recipe.seed, number))
    net = AffineNetwork(recipe.size_px, recipe.share).to(device).train()
    optimiser = torch.optim.Adam(net.parameters(), lr=recipe.rate)
    kept, step = None, 0
    if checkpoint is not None:
        average = WeightAverage(net, 0.0)  # the file's form has one; here it is the weights themselves
        parts: dict[str, Part] = {"net": net, "optimiser": optimiser}
        kept = Checkpoint(checkpoint, asdict(recipe), of="an affine network", average=average, parts=parts)
        step = kept.resume(device)
    while step < recipe.steps and time.monotonic() - began < budget_s:
        done = max(step / recipe.steps, (time.monotonic() - began) / budget_s)
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * min(1.0, (step + 1) / 30) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        pairs = [_pair(recipe, step, view, patient_of) for view in range(recipe.views)]
        moving, fixed = (torch.cat(pictures).to(device) for pictures in zip(*pairs, strict=True))
        optimiser.zero_grad(set_to_none=True)
        loss = unsupervised_loss(moving, fixed, net(moving, fixed))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        progress(step, float(loss.detach()))
        if kept is not None and (step % _SAVE_EVERY == 0 or step == recipe.steps):
            kept.save(step)
    return net.eval(), step


def held_out_dice(
    net: AffineNetwork, *, seed: int, patients: int = 8, views: int = 3
) -> tuple[list[float], list[float]]:
    """Dice of projection and mask before and after one answer, on unseen aortas."""
    before, after = [], []
    recipe = AffineRecipe(seed=seed, size_px=net.size_px)
    with torch.no_grad():
        for number in range(patients):
            patient = draw_patient(_KIND, seed, _HELD_OUT + number)
            for view in range(views):
                moving, fixed = _pictures(recipe, np.random.default_rng([seed, number, view, 15]), patient)
                before += dice(moving, fixed).tolist()
                after += dice(transformed(moving, net(moving, fixed)), fixed).tolist()
    return before, after


def affine_card(recipe: AffineRecipe, steps: int, effort: str, dice_: tuple[list[float], list[float]]) -> str:
    """The model card: what the weights are, how they were made and how good they are."""
    before, after = dice_
    lines = [
        "# affine: model-to-image matching",
        "",
        "> Research use only. Not a medical device.",
        "",
        f"Affine CNN after Li et al. 2021 with {recipe.share:g} of its filters and units, on two "
        f"{recipe.size_px}x{recipe.size_px} pictures: the model's projection and the seen vessels. A spatial "
        "transformer moves the first onto the second.",
        "",
        f"- Trained without reference poses, on 1 - Dice, on {recipe.patients} invented aortas from ever new angles, "
        "masks spoilt by holes, false curves and collimators. No patient, no real picture.",
        f"- {steps} of {recipe.steps} steps of {recipe.views} views with {recipe.poses} starts, seed {recipe.seed}; "
        f"{effort}.",
        f"- Dice on unseen aortas, median over {len(before)} starts: {np.median(before):.2f} before, "
        f"{np.median(after):.2f} after one answer.",
        "- An affine map says nothing of turns out of the picture's plane: the C-arm's angles must be right.",
    ]
    return "\n".join(lines) + "\n"


def _pair(
    recipe: AffineRecipe, step: int, view: int, patient_of: Callable[[int], TrainingPatient]
) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng([recipe.seed, step, view, 13])
    return _pictures(recipe, rng, patient_of(int(rng.integers(min(recipe.patients, 8 + step // 4)))))


def _pictures(
    recipe: AffineRecipe, rng: np.random.Generator, patient: TrainingPatient
) -> tuple[torch.Tensor, torch.Tensor]:
    """Projections and masks in a region around the segmented vessel, with a person's inaccuracy in drawing it."""
    batch = draw_batch(patient, rng, OffsetSpread(), poses=recipe.poses)
    moving, fixed = drawn(batch.cloud, batch.begin), batch.seen
    centres, halves = [], []
    for picture in fixed[:, 0].numpy():
        region = region_of_mask(picture > 0.5)
        if region is None:
            region = Region(column_px=PICTURE_PX / 2, row_px=PICTURE_PX / 2, half_px=PICTURE_PX / 2)
        loose = rng.normal(scale=0.08, size=2) * region.half_px
        centre = (np.array([region.column_px, region.row_px]) + loose + 0.5) * 2 / PICTURE_PX - 1
        centres.append(centre)
        halves.append(region.half_px * 2 / PICTURE_PX * np.exp(rng.normal(scale=0.12)))
    centre, half = torch.tensor(np.array(centres), dtype=torch.float32), torch.tensor(halves, dtype=torch.float32)
    pictures = [cropped(picture, centre, half) for picture in (moving, fixed)]
    if recipe.size_px != PICTURE_PX:
        pictures = [torch.nn.functional.interpolate(p, size=recipe.size_px, mode="bilinear") for p in pictures]
    return pictures[0], pictures[1]


def _patient(seed: int, number: int) -> TrainingPatient:
    return draw_patient(_KIND, seed, number)
