"""Measure figures on unseen synthetic pictures, and write the model card that states them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch

from engines.evaluation.segmentation.mask_agreement import MaskScores, Spread, score_mask, summarise
from engines.inference.model_files import ModelRecord
from engines.networks.dru_net import DruNet, ProbabilityNet
from engines.segmentation.arrival import WITH_ARRIVAL, channels_for
from engines.segmentation.islands import without_islands
from engines.segmentation.scenes import Scene, is_bundled, scene_of_model
from engines.simulation.angiograms.angiogram_synthesis import WORKING_PX, Sample
from engines.training.segmentation.drawn_arrival import sample_for
from engines.training.segmentation.simulated_cases import SimulatedFrames

_TUNING_SEED = 2_000_000  # training seeds are smaller than both
_TEST_SEED = 3_000_000
_THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
_SMALLEST_PX = (0, 50, 100, 200)
_NEAR_BEST = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Results on unseen synthetic pictures: the settings chosen on one set, and each class's figures on another.

    Args:
        threshold: probability from which a pixel counts as found.
        smallest_px: smaller connected pieces are discarded.
        figures: maps class name and measure to median and quartiles.
        pictures: number of pictures in each set.
    """

    threshold: float
    smallest_px: int
    figures: dict[str, dict[str, Spread]]
    pictures: int


def hold_out(net: DruNet, scene: Scene, *, pictures: int = 40, cases: SimulatedFrames | None = None) -> HeldOut:
    """Choose threshold and smallest piece by the vessels' Dice, then score other pictures with them.

    `cases`, which no training used, add as many pictures as the synthetic ones to the choice.

    For coronaries, the most cautious choice (specks removed, high threshold) within half a point of the best is taken:
    their readers follow the main branches, and real thoraces contain more structures that resemble small vessels than
    synthetic ones.
    """
    tuning = _predict(net, _synthetic(scene, _TUNING_SEED, pictures, net.channels))
    if cases is not None:
        arrival = net.channels == WITH_ARRIVAL
        drawn = (cases.sample(_TUNING_SEED, number, WORKING_PX, arrival=arrival) for number in range(pictures))
        tuning += _predict(net, [sample for sample in drawn if sample is not None])
    dice = {choice: _pooled_vessel_dice(scene, tuning, *choice) for choice in product(_THRESHOLDS, _SMALLEST_PX)}
    margin = _NEAR_BEST if scene.name == "coronary" else 0.0
    near_best = [choice for choice, value in dice.items() if value >= max(dice.values()) - margin]
    threshold, smallest_px = max(near_best, key=lambda choice: (choice[1] > 0, choice[0], choice[1]))
    return held_out_at(net, scene, threshold, smallest_px, pictures=pictures)


def held_out_at(net: DruNet, scene: Scene, threshold: float, smallest_px: int, *, pictures: int = 40) -> HeldOut:
    """Score unseen synthetic pictures with a threshold and a smallest piece that were chosen on others."""
    figures: dict[str, dict[str, Spread]] = {}
    tests = [
        (without_islands(p, threshold, smallest_px, scene.classes), m)
        for p, m in _predict(net, _synthetic(scene, _TEST_SEED, pictures, net.channels))
    ]
    for channel, name in enumerate(scene.classes):
        scores = [score_mask(p[channel] >= threshold, m[channel] > 0.5) for p, m in tests]
        figures[name] = summarise(scores)
    return HeldOut(threshold=threshold, smallest_px=smallest_px, figures=figures, pictures=pictures)


def model_card(name: str, record: ModelRecord, held_out: HeldOut | None, notes: str = "") -> str:
    """The network's model card in Markdown: what it is, its training data, its figures, its limits."""
    lines = [
        f"# Model card: {name}",
        "",
        f"DRU-Net (four residual blocks), widths {'-'.join(str(record.width * 2**k) for k in range(4))}, "
        f"{record.channels} input channels at {record.working_px}x{record.working_px}; classes "
        f"{', '.join(record.classes)}, each an independent probability; threshold {record.threshold}; "
        f"pieces below {record.smallest_px} px are left out.",
        "",
        "Research use only, not a medical device.",
        "",
        "## Training",
        f"- Data: {record.data}.",
        f"- Seed {record.seed}, {record.steps} steps, loss {record.loss}, "
        f"start: {f'the weights of {record.initial}' if record.initial else 'random weights'}.",
        f"- Machine: {record.machine}.",
    ]
    if not record.initial:
        lines.append(f"- Again: `{_command(name, record)}`.")
    lines.append("")
    arrived = ", most with what arrived" if record.channels == WITH_ARRIVAL else ""
    if held_out is not None:
        lines += [
            f"## Unseen synthetic pictures ({held_out.pictures}, full size{arrived}; median [quartiles])",
            "| class | Dice | clDice | precision | recall |",
            "| --- | --- | --- | --- | --- |",
        ]
        for class_name, figures in held_out.figures.items():
            cells = " | ".join(_cell(figures[key]) for key in ("dice", "cl_dice", "precision", "recall"))
            lines.append(f"| {class_name} | {cells} |")
        lines.append("")
    return "\n".join(lines) + (f"\n{notes.rstrip()}\n" if notes else "")


def _command(name: str, record: ModelRecord) -> str:
    trained = scene_of_model(name).name if is_bundled(name) else name
    command = f"guidance-app train {trained} --steps {record.steps} --seed {record.seed}"
    command += " --arrival" if record.channels == WITH_ARRIVAL else ""
    share = re.search(r"(\d+)% of the patches", record.data)
    return f"{command} --cases FOLDER --case-share {int(share[1]) / 100:g}" if share else command


@torch.inference_mode()
def _predict(net: DruNet, samples: list[Sample]) -> list[tuple[np.ndarray, np.ndarray]]:
    network = ProbabilityNet(net).eval()
    return [
        (network(torch.from_numpy(channels_for(sample.channels, net.channels)[None]))[0].numpy(), sample.masks)
        for sample in samples
    ]


def _synthetic(scene: Scene, seed: int, pictures: int, channels: int) -> list[Sample]:
    return [sample_for(channels, scene, seed, index, WORKING_PX) for index in range(pictures)]


def _pooled_vessel_dice(
    scene: Scene, pairs: list[tuple[np.ndarray, np.ndarray]], threshold: float, smallest_px: int
) -> float:
    """The pooled area Dice of vessels; clDice would be slow and does not change the choice."""
    vessels = [number for number, name in enumerate(scene.classes) if name != "device"]
    pairs = [(without_islands(p, threshold, smallest_px, scene.classes)[vessels], m[vessels]) for p, m in pairs]
    overlap = sum(float(((p >= threshold) * m).sum()) for p, m in pairs)
    total = sum(float((p >= threshold).sum() + m.sum()) for p, m in pairs)
    return 2 * overlap / total if total else 0.0


def _cell(spread: Spread) -> str:
    if spread.count == 0:
        return "-"
    return f"{spread.median:.2f} [{spread.lower_quartile:.2f}, {spread.upper_quartile:.2f}]"


__all__ = ["HeldOut", "MaskScores", "hold_out", "model_card"]
