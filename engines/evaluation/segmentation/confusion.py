"""Total figures of scored simulated frames: for each class, the confusion, and devices called vessel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from engines.evaluation.segmentation.labelled import scores_as_json, spreads_as_json
from engines.evaluation.segmentation.mask_agreement import summarise
from engines.evaluation.segmentation.simulated import LABELS, TRUTH_NAMES, FrameScores


def total_as_json(scores: Sequence[FrameScores], classes: Sequence[str]) -> dict[str, Any]:
    """Figures over all frames.

    Frames without a class do not enter its Dice, which would be 0 or undefined. False detections in them have their own
    figure: of `frames_without` the class, `false_frames` have more than 1 in 1000 pixels called this class.
    """
    content: dict[str, Any] = {
        "frames": len(scores),
        "classes": {name: _class_total(scores, name) for name in classes},
        "vessels": spreads_as_json(summarise(score.vessels for score in scores if score.filled)),
    }
    without = [s.vessels_without_device for s in scores if s.filled and s.vessels_without_device is not None]
    if without:
        content["vessels_without_device"] = spreads_as_json(summarise(without))
    content["confusion"] = _confusion(scores, classes)
    content["device_as_vessel"] = _device(scores, separable="device" in classes)
    return content


def frame_as_json(score: FrameScores) -> dict[str, Any]:
    """One frame's own figures."""
    return {
        "run": score.run, "frame": score.index, "contrast": score.filled, "vessels": scores_as_json(score.vessels),
        "classes": {name: scores_as_json(figures) for name, figures in score.classes.items()},
    }  # fmt: skip


def _class_total(scores: Sequence[FrameScores], name: str) -> dict[str, Any]:
    there = [score for score in scores if _labelled(score, name)]
    absent = [score for score in scores if not _labelled(score, name)]
    return {
        **spreads_as_json(summarise(score.classes[name] for score in there)),
        "frames_without": len(absent),
        "false_frames": sum(_invented_share(score, name) > 1e-3 for score in absent),
    }


def _labelled(score: FrameScores, name: str) -> bool:
    return sum(score.confusion[LABELS[name]]) > 0


def _invented_share(score: FrameScores, name: str) -> float:
    """The share of a frame's pixels called this class, for a frame that has none of it."""
    column = 1 + list(score.classes).index(name)
    table = np.array(score.confusion)
    return float(table[:, column].sum() / max(table.sum(), 1))


def _confusion(scores: Sequence[FrameScores], classes: Sequence[str]) -> dict[str, Any]:
    table = np.sum([score.confusion for score in scores], axis=0) if scores else np.zeros((5, 1 + len(classes)), int)
    rows = {
        truth: {called: int(count) for called, count in zip(("background", *classes), row, strict=True)}
        for truth, row in zip(TRUTH_NAMES, table, strict=True)
        if row.sum()
    }
    return {"unit": "pixels, called the most probable class above the threshold", "truth": rows}


def _device(scores: Sequence[FrameScores], *, separable: bool) -> dict[str, Any]:
    pixels, found, cleaned = (sum(score.device_as_vessel[k] for score in scores) for k in range(3))
    return {
        "device_pixels_outside_lumen": pixels,
        "called_vessel": found,
        "called_vessel_share": found / pixels if pixels else None,
        "called_vessel_with_device_class": cleaned if separable else None,
        "called_vessel_share_with_device_class": cleaned / pixels if pixels and separable else None,
    }


def report_lines(total: dict[str, Any]) -> list[str]:
    """The total as lines for a terminal."""
    lines = [f"{total['frames']} frames"]
    for name, figures in total["classes"].items():
        false = f"found in {figures['false_frames']} of {figures['frames_without']} frames without it"
        lines.append(f"{name}: {figures_line(figures)}; {false}")
    lines.append(f"all vessels: {figures_line(total['vessels'])}")
    if "vessels_without_device" in total:
        lines.append(f"all vessels, device pixels taken out: {figures_line(total['vessels_without_device'])}")
    device = total["device_as_vessel"]
    if device["called_vessel_share"] is not None:
        line = f"device pixels called vessel: {device['called_vessel_share']:.1%}"
        if device["called_vessel_share_with_device_class"] is not None:
            line += f", with the device class {device['called_vessel_share_with_device_class']:.1%}"
        lines.append(line)
    lines += ["pixels, truth down, called across:", *_table(total["confusion"]["truth"])]
    return lines


def figures_line(figures: dict[str, Any]) -> str:
    """Dice, clDice, precision and recall with quartiles."""

    def one(name: str, word: str) -> str:
        spread = figures[name]
        if spread["median"] is None:
            return f"{word} -"
        return f"{word} {spread['median']:.3f} [{spread['lower_quartile']:.3f}, {spread['upper_quartile']:.3f}]"

    return ", ".join(
        one(*pair)
        for pair in (("dice", "Dice"), ("cl_dice", "clDice"), ("precision", "precision"), ("recall", "recall"))
    )


def _table(rows: dict[str, dict[str, int]]) -> list[str]:
    if not rows:
        return []
    heads = list(next(iter(rows.values())))
    lines = [" " * 18 + "".join(f"{head:>12}" for head in heads)]
    for truth, counts in rows.items():
        whole = max(sum(counts.values()), 1)
        lines.append(f"  {truth:<16}" + "".join(f"{counts[head] / whole:>12.2%}" for head in heads))
    return lines
