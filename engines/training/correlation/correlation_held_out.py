"""Measure how well a similarity's gradient points to the right pose on unseen patients, and write its model card."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from engines.evaluation.statistics import Interval, median
from engines.registration.correlation.learned_similarity import Similarity
from engines.registration.correlation.similarity_weights import SimilarityRecord
from engines.training.correlation.correlation_bank import Bank
from engines.training.correlation.correlation_recipe import BankPlan, CorrelationRecipe, angles_deg, draw_batch

HELD_OUT = BankPlan(heads=2, chests=2, arteries=2, first_seed=1200, moving=10, per_moving=10, seed=2)
_BANDS = ((0.02, 0.1), (0.1, 0.4), (0.4, 1.6))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointing:
    """Angles between descent and right direction, for pairs with this distance (rad, 100 mm, 400 mm of depth)."""

    similarity: str
    near: float
    far: float
    rotation_deg: Interval
    translation_deg: Interval


def held_out_pointing(similarity: Similarity, bank: Bank, *, batches: int = 12, seed: int = 5) -> list[Pointing]:
    """Angles on a bank of unseen patients, with fixed pictures randomised as in training; 90 degrees is chance."""
    recipe = CorrelationRecipe(batch=24)
    rotation, translation, length = [], [], []
    for number in range(batches):
        fixed, moving, jacobian, displacement = draw_batch(bank, recipe, np.random.default_rng([seed, number, 44]))
        by_pixel = similarity.value_and_grad_image(fixed, moving).gradient
        turn, move = angles_deg(torch.einsum("nkhw,nhw->nk", jacobian, by_pixel[:, 0]), displacement)
        rotation.append(turn)
        translation.append(move)
        length.append(displacement.norm(dim=1))
    turns, moves, lengths = (torch.cat(parts).double().numpy() for parts in (rotation, translation, length))
    found = []
    for near, far in _BANDS:
        chosen = (lengths >= near) & (lengths < far)
        found.append(
            Pointing(
                similarity=similarity.name,
                near=near,
                far=far,
                rotation_deg=median(turns[chosen]),
                translation_deg=median(moves[chosen]),
            )
        )
    return found


def model_card(name: str, record: SimilarityRecord, recipe: CorrelationRecipe, weights: int, effort: str,
               pointing: list[Pointing]) -> str:  # fmt: skip
    """The model card in Markdown, to be stored beside the weights."""
    plan = recipe.bank
    rows = "\n".join(
        f"| {p.similarity} | {p.near:g} to {p.far:g} | {p.rotation_deg.n} "
        f"| {_shown(p.rotation_deg)} | {_shown(p.translation_deg)} |"
        for p in pointing
    )
    return f"""# Model card: {name}

A similarity of two pictures for 2D/3D registration: {recipe.design.branches} encoder, \
{"gated heads" if recipe.design.gate else "no gate"}, {weights:,} weights, half precision, any picture size from 32 px.

Research use only, not a medical device.

## Training
- Data: {record.data}.
- Loss: gradient approximation (direction, magnitude weight {recipe.magnitude:g}); decomposition: \
{recipe.decomposition}; fixed pictures {"randomised" if recipe.randomise else "as rendered"}.
- Seed {record.seed}, {record.steps} steps of {recipe.batch} pairs at 64x64. {effort}.
- Machine: {record.machine}.
- Again: `guidance-app train {name} --steps {recipe.steps} --seed {record.seed}`.

## Unseen simulated patients (seeds from {HELD_OUT.first_seed})
Angle between the descent and the direction to the right pose, median with 95 % interval; 90 degrees is chance. The
same pairs for all, fixed pictures randomised as in training.

| similarity | distance (rad, 100 mm, 400 mm of depth) | pairs | rotation, deg | translation, deg |
| --- | --- | --- | --- | --- |
{rows}

## Limits
Trained on {plan.heads} heads, {plan.chests} chests and {plan.arteries} vessel trees, all simulated, on one CPU core; \
no real picture was seen. Depth shows little in one view and is the worst of the six. A score of this similarity says \
nothing about whether a registration is right.
"""


def _shown(figure: Interval) -> str:
    return f"{figure.value:.0f} ({figure.low:.0f}-{figure.high:.0f})" if figure.value is not None else "-"
