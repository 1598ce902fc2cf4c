"""Train the similarity network: seeded, resumable, on a bank of invented patients only."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from calibration.errors import InputError
from engines.networks.correlation_network import Comparison, CorrelationNetwork, Design
from engines.registration.correlation.metric import DEPTH_SHARE
from engines.simulation.training_patients.small_volumes import Scene, tissue_scene, vessel_scene
from engines.training.checkpoint import Checkpoint, Part, WeightAverage
from engines.training.correlation.correlation_bank import Bank, make_bank
from engines.training.correlation.correlation_losses import (
    Decomposition,
    UncertaintyWeights,
    approximation_loss,
    decomposition_loss,
)
from engines.training.correlation.correlation_randomise import randomised

_SAVE_EVERY = 50
_EMA_DECAY = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class BankPlan:
    """The plan of what is rendered before training; seeds from 1000 on are held out for evaluation.

    Args:
        heads, chests, arteries: number of simulated cases of each sort (arteries: of brain and heart in turn).
        moving: number of pictures with derivatives per scene.
        per_moving: number of fixed pictures for each of them.
    """

    heads: int = 5
    chests: int = 4
    arteries: int = 4
    first_seed: int = 100
    moving: int = 40
    per_moving: int = 10
    seed: int = 1

    def scenes(self) -> Sequence[Callable[[], Scene]]:
        seed = self.first_seed
        heads = [lambda k=k: tissue_scene("evt", seed + k, lateral=k % 2 == 1) for k in range(self.heads)]
        chests = [lambda k=k: tissue_scene("tavi", seed + k, lateral=k % 3 == 2) for k in range(self.chests)]
        kinds = ("evt", "coronary")
        trees = [lambda k=k: vessel_scene(kinds[k % 2], seed + 50 + k, view=k) for k in range(self.arteries)]  # pyright: ignore[reportArgumentType]
        return [*heads, *chests, *trees]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrelationRecipe:
    """Everything that determines the weights.

    Args:
        decomposition: form of the loss that separates global from local features.
        magnitude: weight of the gradient's length; 0 is the published loss.
        randomise: whether to change the fixed pictures' appearance; otherwise only their poses differ.
    """

    design: Design = field(default_factory=Design)
    decomposition: Decomposition = "cddfuse"
    magnitude: float = 0.1
    randomise: bool = True
    steps: int = 1000
    batch: int = 16
    rate: float = 2e-3
    seed: int = 1
    bank: BankPlan = field(default_factory=BankPlan)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFigures:
    """The losses of one step, and the angles between descent and right direction."""

    loss: float
    approximation: float
    decomposition: float
    rotation_deg: float
    translation_deg: float


def rendered_bank(plan: BankPlan, path: Path, *, progress: Callable[[str], None] = lambda _: None) -> Bank:
    """The bank of `plan`, rendered once and stored at `path`.

    Raises:
        InputError: the file there is no bank, or a bank of another plan.
    """
    words = json.dumps(asdict(plan), sort_keys=True)
    if path.exists():
        bank = Bank.load(path)
        if bank.plan != words:
            raise InputError(f"{path}: was rendered by another plan ({bank.plan}); choose another --out, or remove it")
        return bank
    bank = make_bank(
        plan.scenes(),
        moving=plan.moving,
        per_moving=plan.per_moving,
        seed=plan.seed,
        plan=words,
        progress=progress,
    )
    bank.save(path)
    return bank


def train_correlation(
    recipe: CorrelationRecipe,
    bank: Bank,
    checkpoint: Path,
    *,
    budget_s: float = math.inf,
    progress: Callable[[int, StepFigures], None] = lambda *_: None,
) -> tuple[CorrelationNetwork, int]:
    """Train, or go on from `checkpoint`; returns the averaged network in evaluation mode and the steps done.

    Args:
        budget_s: time after which to stop early; the learning rate then also follows the clock.

    Raises:
        InputError: the checkpoint belongs to another recipe or cannot be read.
    """
    began = time.monotonic()
    torch.manual_seed(recipe.seed)
    net, weights = CorrelationNetwork(recipe.design), UncertaintyWeights()
    average = WeightAverage(net, _EMA_DECAY)
    optimiser = torch.optim.AdamW([*net.parameters(), *weights.parameters()], lr=recipe.rate, weight_decay=1e-4)
    parts: dict[str, Part] = {"net": net, "weights": weights, "optimiser": optimiser}
    kept = Checkpoint(checkpoint, asdict(recipe), of="a similarity", average=average, parts=parts)
    step = first = kept.resume()
    while step < recipe.steps and time.monotonic() - began < budget_s:
        spent = (time.monotonic() - began) / budget_s
        done = max(step / recipe.steps, first / recipe.steps + (1 - first / recipe.steps) * spent)
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * min(1.0, (step + 1) / 50) * (0.02 + 0.49 * (1 + math.cos(math.pi * done)))
        fixed, moving, jacobian, displacement = draw_batch(bank, recipe, np.random.default_rng([recipe.seed, step, 43]))
        optimiser.zero_grad(set_to_none=True)
        loss, figures = _step(net, weights, recipe, fixed, moving, jacobian, displacement)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)  # as ProST does
        optimiser.step()
        step += 1
        average.add(net, step)
        progress(step, figures)
        if step % _SAVE_EVERY == 0:
            kept.save(step)
    if step % _SAVE_EVERY:
        kept.save(step)
    net.load_state_dict(average.weights)
    return net.eval(), step


def draw_batch(
    bank: Bank, recipe: CorrelationRecipe, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor, Float[Tensor, "n 6"]]:
    """Draw pairs of one scene each: fixed and moving pictures, derivatives, and displacements from moving to fixed.

    Most pairs were rendered as pairs, at log-uniform distances; the others are any two pictures of a scene. Depth is
    counted in units of 400 mm: counted like the other moves, it would dominate most directions, although a picture
    shows it several times less.
    """
    moving = rng.integers(len(bank.moving), size=recipe.batch)
    partner = moving.copy()
    for place in np.flatnonzero(rng.uniform(size=recipe.batch) < 0.2):
        same = np.flatnonzero(bank.scene == bank.scene[moving[place]])
        partner[place] = rng.choice(same)
    fixed = partner * bank.per_moving + rng.integers(bank.per_moving, size=recipe.batch)
    pictures = [bank.fixed[k] for k in fixed]
    if recipe.randomise:
        pictures = [randomised(picture, rng) for picture in pictures]
    weigh = np.array([1.0, 1.0, 1.0, 1.0, 1.0, DEPTH_SHARE])
    jacobian = bank.jacobian[moving] * weigh[:, None, None]
    arrays = (np.stack(pictures)[:, None], bank.moving[moving][:, None], jacobian)
    displacement = bank.displacement(moving, fixed) / weigh
    a, b, c, d = (torch.from_numpy(np.asarray(array, dtype=np.float32)) for array in (*arrays, displacement))
    return a, b, c, d


def pose_gradient(
    net: CorrelationNetwork, fixed: Tensor, moving: Tensor, jacobian: Tensor, *, keep: bool = True
) -> tuple[Comparison, Float[Tensor, "n 6"]]:
    """The network's comparison, and the gradient of its distance by the moving pose: J^T dS/dI."""
    moving = moving.detach().requires_grad_()
    found = net(fixed, moving)
    (gradient,) = torch.autograd.grad(found.distance.sum(), moving, create_graph=keep)
    return found, torch.einsum("nkhw,nhw->nk", jacobian, gradient[:, 0])


def _step(
    net: CorrelationNetwork,
    weights: UncertaintyWeights,
    recipe: CorrelationRecipe,
    fixed: Tensor,
    moving: Tensor,
    jacobian: Tensor,
    displacement: Tensor,
) -> tuple[Tensor, StepFigures]:
    found, gradient = pose_gradient(net, fixed, moving, jacobian)
    approximation = approximation_loss(gradient, displacement, magnitude=recipe.magnitude)
    parting = decomposition_loss(found, recipe.decomposition)
    if recipe.decomposition == "none" or recipe.design.branches == "single":
        loss = approximation
    else:
        loss = weights(approximation, parting)
    rotation, translation = angles_deg(gradient.detach(), displacement)
    return loss, StepFigures(
        loss=float(loss.detach()),
        approximation=float(approximation.detach()),
        decomposition=float(parting.detach()),
        rotation_deg=float(rotation.median()),
        translation_deg=float(translation.median()),
    )


def angles_deg(gradient: Float[Tensor, "n 6"], displacement: Float[Tensor, "n 6"]) -> tuple[Tensor, Tensor]:
    """Angles between descent and right direction, of rotations and of translations."""
    cosines = [
        torch.cosine_similarity(-gradient[:, part], displacement[:, part], dim=1).clamp(-1.0, 1.0)
        for part in (slice(0, 3), slice(3, 6))
    ]
    return torch.rad2deg(cosines[0].acos()), torch.rad2deg(cosines[1].acos())
