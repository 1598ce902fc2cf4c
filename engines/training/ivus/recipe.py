"""All that CCTA-IVUS registration learns, from a seed: landmark network, weights of evidence, model of trust."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from calibration.store import make_folder, write_json
from engines.evaluation.ivus.study import IvusTask, evaluate_ivus
from engines.evaluation.ivus.trust_fit import as_json, fit_trust
from engines.ivus.features.ct_maps import learned_ct_maps
from engines.ivus.features.landmark_weights import save_landmark_network
from engines.ivus.features.lumen_border import DEPTHS
from engines.ivus.features.radial_profiles import landmark_probabilities
from engines.ivus.search.evidence import ANGULAR, PLAIN, EvidenceWeights
from engines.networks.ivus_network import PolarLandmarkNet
from engines.training.ivus.evidence_fit import TruePair, fit_evidence
from engines.training.ivus.landmark_fit import (
    LabelledPullback,
    LandmarkRecipe,
    Loss,
    Window,
    border_loss,
    border_window,
    ct_window,
    landmark_loss,
    seeded_network,
    train_landmarks,
    ultrasound_window,
)
from engines.training.ivus.prepared import DrawnCase, PreparedCase, drawn, prepared

NETWORKS = ("ivus_border", "ivus_landmarks", "ivus_ct_landmarks")
_UNSEEN_WIDE = 1000  # first seed of the split wide that no network is trained on
BORDER_DESIGN = {"outputs": DEPTHS, "width": 32, "blocks": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class IvusRecipe:
    """Args:
    cases: simulated patients, seeds from 0; every third is of the split train, the others of the split wide.
    validation: patients that trust is fitted on, of the split validation and as many of the split wide, which the
        networks have not seen; 0 leaves the shipped model.
    """

    cases: int = 27
    steps: int = 900
    seed: int = 1
    validation: int = 0


def train_ivus(
    recipe: IvusRecipe, out: Path, *, resume: bool = False, progress: Callable[[str], None] = lambda _: None,
    stepped: Callable[[int, float], None] = lambda *_: None,
) -> dict[str, Any]:  # fmt: skip
    """Write the three networks, `ivus_evidence.json` and perhaps `ivus_trust.json` into a folder.

    What an interrupted run needs lies in `unfinished/` meanwhile: every prepared case and a checkpoint of each network.

    Args:
        resume: go on from there; else begin anew.
        progress: told in words.
        stepped: told step and loss; each network goes on counting where the one before ended.

    Raises:
        InputError: the folder cannot be written to, or the checkpoints are of another recipe.
    """
    make_folder(out)
    unfinished = out / "unfinished"
    if unfinished.exists() and not resume:
        shutil.rmtree(unfinished)
    make_folder(unfinished)
    cases: list[DrawnCase] = []
    for seed in range(recipe.cases):
        progress(f"case {seed + 1} of {recipe.cases}")
        cases.append(drawn(seed, unfinished))
    plan = LandmarkRecipe(steps=recipe.steps, seed=recipe.seed)

    def fitted(name: str, examples: Sequence[LabelledPullback], window: Window, loss: Loss,
               **design: int) -> PolarLandmarkNet:  # fmt: skip
        before = NETWORKS.index(name) * recipe.steps
        net = train_landmarks(
            examples, plan, net=seeded_network(plan, examples[0].profiles.shape[2], **design), window=window, loss=loss,
            checkpoint=unfinished / f"{name}.pt", progress=_told(progress, stepped, name, recipe.steps, before=before),
        )  # fmt: skip
        save_landmark_network(net, out / f"{name}.safetensors", steps=recipe.steps, seed=recipe.seed)
        return net

    border = fitted("ivus_border", [case.border for case in cases], border_window, border_loss, **BORDER_DESIGN)
    ready = [prepared(case, border) for case in cases]
    frames = fitted("ivus_landmarks", [case.frames for case in ready], ultrasound_window, landmark_loss)
    course = fitted("ivus_ct_landmarks", [case.course for case in cases], ct_window, landmark_loss, outputs=3)
    pairs = [learned(one, two, frames, course) for one, two in zip(cases, ready, strict=True) if not one.flawed]
    weights, gain = fit_evidence(pairs)
    data = f"simulated, splits train and wide, seeds 0 to {recipe.cases - 1}"
    about: dict[str, Any] = {"data": data, "seed": recipe.seed, "gain_nats_a_frame": round(gain, 3)}
    write_json(out / "ivus_evidence.json", evidence_json(weights, about))
    if recipe.validation:
        about["validation"] = _trust(recipe.validation, out, progress)
    shutil.rmtree(unfinished)
    return about


def learned(drawn_case: DrawnCase, case: PreparedCase, frames: PolarLandmarkNet, course: PolarLandmarkNet) -> TruePair:
    """The pair as the program will see it: landmarks by the networks."""
    valid = case.pair.frames.valid
    branch, calcium = landmark_probabilities(frames, case.frames.profiles)
    return replace(
        case.pair, frames=replace(case.pair.frames, branch=branch * valid, calcium=calcium * valid),
        course=learned_ct_maps(case.pair.course, drawn_case.course.profiles, course),
    )  # fmt: skip


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
    tasks = [
        IvusTask(split=split, seed=first + seed, runs=(("frames", "ours"),))
        for split, first in (("validation", 0), ("wide", _UNSEEN_WIDE))
        for seed in range(count)
    ]
    report = evaluate_ivus(tasks, report=out / "ivus_trust.json", progress=progress)
    right = np.array([record.right for record in report.cases])
    model = fit_trust([record.signs for record in report.cases], right)
    about = {
        "data": f"simulated, split validation, seeds 0 to {count - 1}, and split wide, seeds {_UNSEEN_WIDE} to "
                f"{_UNSEEN_WIDE + count - 1}",
        "cases": len(right), "right": int(right.sum()),
    }  # fmt: skip
    write_json(out / "ivus_trust.json", as_json(model, about))
    return about
