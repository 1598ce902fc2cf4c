"""`train correlation` and its variants: the similarities of 2D/3D registration."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engines.training.training_log import TrainingLog


def train_similarity(
    name: str, out: Path, log: TrainingLog, *, steps: int, seed: int, threads: int, minutes: float = math.inf
) -> None:
    """Write weights, list and card into `out`; goes on where an interrupted run of the same recipe stopped."""
    import torch

    from calibration.store import make_folder, write_bytes
    from engines.registration.correlation.learned_similarity import LearnedSimilarity, measured_similarity
    from engines.registration.correlation.similarity_weights import save_similarity
    from engines.training.correlation.correlation_held_out import HELD_OUT, held_out_pointing, model_card
    from engines.training.correlation.correlation_recipe import StepFigures, rendered_bank, train_correlation
    from engines.training.correlation.correlation_variants import variant_named
    from engines.training.segmentation.segmentation_recipe import machine

    torch.set_num_threads(threads)
    make_folder(out)
    standard = variant_named(name)
    recipe = replace(standard, steps=steps or standard.steps, seed=seed)
    bank = rendered_bank(recipe.bank, out / "correlation.bank.npz", progress=_say)
    began = time.monotonic()

    log.begin("simulated scenes", recipe.steps)

    def tell(step: int, figures: StepFigures) -> None:
        log.tell(step, figures.loss)
        if step % 25 == 0 or step == recipe.steps:
            _say(
                f"step {step}/{recipe.steps}  loss {figures.loss:.3f}  turn {figures.rotation_deg:.0f} deg, "
                f"move {figures.translation_deg:.0f} deg off  {(time.monotonic() - began) / 60:.1f} min"
            )

    net, done = train_correlation(recipe, bank, out / f"{name}.checkpoint.pt", budget_s=60.0 * minutes, progress=tell)
    effort = f"{(time.monotonic() - began) / 60:.0f} minutes on a CPU, {threads} thread(s)"
    _say("rendering and scoring unseen patients")
    unseen = rendered_bank(HELD_OUT, out / "held-out.bank.npz", progress=_say)
    judged = [LearnedSimilarity(name, net), measured_similarity("ncc"), measured_similarity("gradient-ncc")]
    pointing = [figure for similarity in judged for figure in held_out_pointing(similarity, unseen)]
    plan = recipe.bank
    data = (
        f"{len(bank.moving)} DRRs with derivatives and {len(bank.fixed)} fixed ones of {len(plan.scenes())} simulated "
        f"scenes, seeds {plan.first_seed} on; no patient, no real picture"
    )
    record = save_similarity(
        name, net, out, recipe=recipe.decomposition, steps=done, seed=seed, data=data, machine=machine()
    )
    weights = sum(weight.numel() for weight in net.parameters())
    card = model_card(name, record, recipe, weights, effort, pointing)
    write_bytes(out / f"{name}.md", card.encode())
    print(card)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
