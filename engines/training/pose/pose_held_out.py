"""Measure a pose initialiser on unseen patients, and write its model card."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from engines.networks.pose_answer import PICTURE_PX
from engines.networks.pose_network import PoseNetwork
from engines.simulation.training_patients.patients import POSE_KINDS, draw_patient
from engines.training.pose.pose_losses import projected_distance_mm
from engines.training.pose.pose_pictures import POSES_PER_VIEW, OffsetSpread, draw_batch, drawn

if TYPE_CHECKING:
    from engines.training.pose.pose_recipe import PoseRecipe

_HELD_OUT = 1_000_000  # patients from this number on are never trained on


def held_out_distances(
    net: PoseNetwork, *, seed: int, patients: int = 8, views: int = 4, rounds: int = 3
) -> dict[str, list[list[float]]]:
    """Projected distances in mm at the start and after each round, on unseen patients, for each kind."""
    found: dict[str, list[list[float]]] = {}
    with torch.no_grad():
        for kind in POSE_KINDS:
            rows: list[list[float]] = [[] for _ in range(rounds + 1)]
            for number in range(patients):
                patient = draw_patient(kind, seed, _HELD_OUT + number)
                rng = np.random.default_rng([seed, number, 5])
                for _ in range(views):
                    batch = draw_batch(patient, rng, OffsetSpread())
                    view = batch.begin
                    rows[0] += projected_distance_mm(batch, view).tolist()
                    for round_ in range(rounds):
                        view = view.moved(net(torch.cat([drawn(batch.cloud, view), batch.seen], dim=1)))
                        rows[round_ + 1] += projected_distance_mm(batch, view).tolist()
            found[kind] = rows
    return found


def model_card(recipe: PoseRecipe, steps: int, effort: str, held_out: dict[str, list[list[float]]]) -> str:
    """The model card: what the weights are, how they were made and how good they are."""
    spread, starts = OffsetSpread(), recipe.views * POSES_PER_VIEW
    projection = "" if recipe.loss == "paper" else " and projected distance"
    rounds = max(len(rows) for rows in held_out.values())
    lines = [
        "# pose: initialiser of 2D/3D registration",
        "",
        "> Research use only. Not a medical device.",
        "",
        f"ResNet18 of width {recipe.width} (the published one is 64) on two {PICTURE_PX}x{PICTURE_PX} pictures, the "
        "drawn model and the seen vessels; gives rotation and translation. After the initialisation of DeepIterReg "
        "(doi:10.1007/s11548-025-03412-2).",
        "",
        f"- Trained on invented patients alone: {recipe.patients} vessel trees (heads: arteries of one side, or veins; "
        "coronaries: left, right or both; aortas with their arch), drawn as soft masks from ever new angles, spoilt by "
        "holes, false curves, collimators and missing branches. No patient, no real picture.",
        f"- Starts: normal offsets, {spread.turn_deg} degrees about and {spread.move_mm} mm along the LPS axes.",
        f"- Loss: Dice, geodesic and double geodesic distance{projection}.",
        f"- {steps} of {recipe.steps} steps ({starts} starts, {recipe.rounds} rounds), seed {recipe.seed}; {effort}.",
        "",
        "Mean projected distance in mm in the isocentre plane on unseen trees, median / 95th percentile over "
        f"{len(held_out[POSE_KINDS[0]][0])} starts of each kind:",
        "",
        "| kind | start | " + " | ".join(f"round {number}" for number in range(1, rounds)) + " |",
        "| --- |" + " --- |" * rounds,
    ]
    for kind, rows in held_out.items():
        cells = [f"{np.median(row):.1f} / {np.percentile(row, 95):.1f}" for row in rows]
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
