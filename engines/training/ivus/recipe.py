"""All that CCTA-IVUS registration learns, from a seed: landmark network, weights of evidence, model of trust."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from calibration.store import make_folder, write_json
from engines.evaluation.ivus.study import IvusTask, evaluate_ivus
from engines.evaluation.ivus.trust_fit import as_json, fit_trust
from engines.ivus.features.landmark_weights import save_landmark_network
from engines.ivus.features.radial_profiles import landmark_probabilities
from engines.ivus.search.evidence import ANGULAR, PLAIN, EvidenceWeights
from engines.networks.ivus_network import PolarLandmarkNet
from engines.training.ivus.evidence_fit import TruePair, fit_evidence
from engines.training.ivus.landmark_fit import LandmarkRecipe, ct_window, train_landmarks, ultrasound_window
from engines.training.ivus.prepared import PreparedCase, prepare


@dataclass(frozen=True, slots=True, kw_only=True)
class IvusRecipe:
    """Args:
    cases: simulated patients of the split train, seeds from 0.
    validation: patients that trust is fitted on; 0 leaves the shipped model.
    """

    cases: int = 120
    steps: int = 1200
    seed: int = 1
    validation: int = 0


def train_ivus(
    recipe: IvusRecipe, out: Path, *, resume: bool = False, progress: Callable[[str], None] = lambda _: None,
    stepped: Callable[[int, float], None] = lambda *_: None,
) -> dict[str, Any]:  # fmt: skip
    """Write both landmark networks, `ivus_evidence.json` and perhaps `ivus_trust.json` into a folder.

    What an interrupted run needs lies in `unfinished/` meanwhile: every prepared case and a checkpoint of each network.

    Args:
        resume: go on from there; else begin anew.
        progress: told in words.
        stepped: told step and loss; the CT's network goes on counting where that of the frames ended.

    Raises:
        InputError: the folder cannot be written to, or the checkpoints are of another recipe.
    """
    make_folder(out)
    unfinished = out / "unfinished"
    if unfinished.exists() and not resume:
        shutil.rmtree(unfinished)
    make_folder(unfinished)
    cases = []
    for seed in range(recipe.cases):
        progress(f"case {seed + 1} of {recipe.cases}")
        cases.append(prepare(seed, unfinished))
    plan = LandmarkRecipe(steps=recipe.steps, seed=recipe.seed)
    nets: dict[str, PolarLandmarkNet] = {}
    for name, part, window in (
        ("ivus_landmarks", "frames", ultrasound_window),
        ("ivus_ct_landmarks", "course", ct_window),
    ):
        nets[part] = train_landmarks(
            [getattr(case, part) for case in cases], plan, window=window, checkpoint=unfinished / f"{name}.pt",
            progress=_told(progress, stepped, name, recipe.steps, before=len(nets) * recipe.steps),
        )  # fmt: skip
        save_landmark_network(nets[part], out / f"{name}.safetensors", steps=recipe.steps, seed=recipe.seed)
    pairs = [_learned(case, nets) for case in cases if not case.flawed]
    weights, gain = fit_evidence(pairs)
    about: dict[str, Any] = {"data": f"simulated, split train, seeds 0 to {recipe.cases - 1}", "seed": recipe.seed,
                             "gain_nats_a_frame": round(gain, 3)}  # fmt: skip
    write_json(out / "ivus_evidence.json", evidence_json(weights, about))
    if recipe.validation:
        about["validation"] = _trust(recipe.validation, out, progress)
    shutil.rmtree(unfinished)
    return about


def _learned(case: PreparedCase, nets: dict[str, PolarLandmarkNet]) -> TruePair:
    """The pair as the program will see it: landmarks by the networks."""
    branch, calcium = landmark_probabilities(nets["frames"], case.frames.profiles)
    frames = replace(case.pair.frames, branch=branch * case.pair.frames.valid, calcium=calcium * case.pair.frames.valid)
    branch, calcium = landmark_probabilities(nets["course"], case.course.profiles)
    return replace(case.pair, frames=frames, course=replace(case.pair.course, branch=branch, calcium=calcium))


def _told(
    progress: Callable[[str], None], stepped: Callable[[int, float], None], name: str, steps: int, *, before: int
) -> Callable[[int, float], None]:
    def told(step: int, loss: float) -> None:
        stepped(before + step, loss)
        if step % 50 == 0:
            progress(f"{name}, step {step} of {steps}, loss {loss:.3f}")

    return told


def evidence_json(weights: EvidenceWeights, about: dict[str, Any]) -> dict[str, Any]:
    """What `assets/models/ivus_evidence.json` holds."""
    return {
        "schema": "guidance-app/ivus-evidence/1",
        "angular": dict(zip(ANGULAR, weights.angular, strict=True)),
        "plain": dict(zip(PLAIN, weights.plain, strict=True)),
        "temper": weights.temper,
        "about": about,
    }


def _trust(count: int, out: Path, progress: Callable[[str], None]) -> dict[str, Any]:
    """Trust in the shipped features and weights: install what was learned before fitting it anew."""
    tasks = [IvusTask(split="validation", seed=seed, arm="frames", method="ours") for seed in range(count)]
    report = evaluate_ivus(tasks, report=out / "ivus_trust.json", progress=progress)
    right = np.array([record.right for record in report.cases])
    model = fit_trust([record.signs for record in report.cases], right)
    about = {"data": f"simulated, split validation, seeds 0 to {count - 1}", "cases": len(right),
             "right": int(right.sum())}  # fmt: skip
    write_json(out / "ivus_trust.json", as_json(model, about))
    return about
