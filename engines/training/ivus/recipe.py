"""All that CCTA-IVUS registration learns, from a seed: landmark network, weights of evidence, model of trust."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from calibration.store import make_folder, write_json
from engines.evaluation.ivus.study import IvusTask, evaluate_ivus
from engines.evaluation.ivus.trust_fit import as_json, fit_trust
from engines.ivus.features.contour_maps import covered_angles
from engines.ivus.features.landmark_maps import ANGLES
from engines.ivus.features.landmark_weights import save_landmark_network
from engines.ivus.features.radial_profiles import landmark_probabilities
from engines.ivus.features.ultrasound_maps import maps_and_profiles
from engines.ivus.files.contour_tables import read_contours
from engines.ivus.files.pullback import Pullback
from engines.ivus.registration import oriented_course
from engines.ivus.search.evidence import ANGULAR, PLAIN, EvidenceWeights
from engines.simulation.ivus.case import IvusCase, draw_case
from engines.simulation.ivus.contours import contour_tables
from engines.simulation.ivus.ultrasound import PIXEL_MM
from engines.training.ivus.evidence_fit import TruePair, fit_evidence
from engines.training.ivus.landmark_fit import LabelledPullback, LandmarkRecipe, train_landmarks


@dataclass(frozen=True, slots=True, kw_only=True)
class IvusRecipe:
    """Args:
    cases: simulated patients of the split train, seeds from 0.
    validation: patients that trust is fitted on; 0 leaves the shipped model.
    """

    cases: int = 40
    steps: int = 500
    seed: int = 1
    validation: int = 0


def train_ivus(
    recipe: IvusRecipe,
    out: Path,
    *,
    progress: Callable[[str], None] = lambda _: None,
    stepped: Callable[[int, float], None] = lambda *_: None,
) -> dict[str, Any]:
    """Write `ivus_landmarks.safetensors`, `ivus_evidence.json` and perhaps `ivus_trust.json` into a folder.

    Args:
        progress: told in words.
        stepped: told step and loss of the network.

    Raises:
        InputError: the folder cannot be written to.
    """
    make_folder(out)
    labelled, pairs = [], []
    for seed in range(recipe.cases):
        progress(f"case {seed + 1} of {recipe.cases}")
        pullback, pair = _prepared(seed)
        labelled.append(pullback)
        if pair is not None:
            pairs.append((seed, pair))

    def told(step: int, loss: float) -> None:
        stepped(step, loss)
        if step % 50 == 0:
            progress(f"step {step} of {recipe.steps}, loss {loss:.3f}")

    net = train_landmarks(
        labelled, LandmarkRecipe(steps=recipe.steps, seed=recipe.seed),
        progress=told,
    )  # fmt: skip
    save_landmark_network(net, out / "ivus_landmarks.safetensors", steps=recipe.steps, seed=recipe.seed)
    learned = []
    for seed, pair in pairs:
        branch, calcium = landmark_probabilities(net, labelled[seed].profiles)
        frames = replace(pair.frames, branch=branch * pair.frames.valid, calcium=calcium * pair.frames.valid)
        learned.append(replace(pair, frames=frames))
    weights, gain = fit_evidence(learned)
    about: dict[str, Any] = {"data": f"simulated, split train, seeds 0 to {recipe.cases - 1}", "seed": recipe.seed,
                             "gain_nats_a_frame": round(gain, 3)}  # fmt: skip
    write_json(out / "ivus_evidence.json", evidence_json(weights, about))
    if recipe.validation:
        about["validation"] = _trust(recipe.validation, out, progress)
    return about


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


def _prepared(seed: int) -> tuple[LabelledPullback, TruePair | None]:
    """Profiles and labels of a case, and its maps with the truth; None where its centerline is flawed."""
    case = draw_case("train", seed)
    middle = case.frames.shape[1] // 2
    pullback = Pullback(frames=case.frames, pixel_mm=PIXEL_MM, centre_px=(middle, middle),
                        z_mm=case.pullback.nominal_mm, source=f"train-{seed}")  # fmt: skip
    maps, profiles = maps_and_profiles(pullback)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in contour_tables(case.shapes, case.pullback).items():
            (Path(folder) / f"{name}.csv").write_text(text)
        contours = read_contours(folder)
    labels = np.stack([covered_angles(polygons, maps.centre_mm) for polygons in (contours.branch, contours.calcium)])
    labelled = LabelledPullback(profiles=profiles, labels=labels.astype(np.float32))
    if case.flaws:
        return labelled, None
    course, course_maps, _ = oriented_course(case.ct, case.centerline_mm)
    place, turn, handedness = true_states(case, course.frame)
    return labelled, TruePair(frames=maps, course=course_maps, place=place, turn=turn, handedness=handedness)


def true_states(case: IvusCase, frame: Any) -> tuple[np.ndarray, np.ndarray, int]:
    """Row, angle bin and handedness of each frame in a course's maps."""
    pull = case.pullback
    row = np.asarray(KDTree(frame.points_mm).query(pull.points_mm)[1])
    along_u, along_v = (np.sum(pull.u * axis[row], axis=1) for axis in (frame.u, frame.v))
    turn = np.rint(np.arctan2(along_v, along_u) / (2 * np.pi) * ANGLES).astype(int) % ANGLES
    sign = np.median(np.sign(np.sum(np.cross(pull.u, pull.v) * frame.tangent[row], axis=1)))
    return row, turn, int(sign)
