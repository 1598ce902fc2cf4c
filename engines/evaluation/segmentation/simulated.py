"""Evaluate a network on simulated cases with exact labels: every class, and catheters and wires called vessel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from calibration.errors import InputError
from engines.angiography.dsa import subtract
from engines.angiography.files.open_run import open_run
from engines.angiography.frame import Frame
from engines.evaluation.segmentation.labelled import (
    SYNTHETIC_TUNING_SEED,
    dark_vessels,
    device_rather,
    spreads_as_json,
    tuned_on_synthetic,
)
from engines.evaluation.segmentation.mask_agreement import MaskScores, score_mask, summarise
from engines.evaluation.segmentation.vesselness import FilterName, filter_mask
from engines.segmentation.scenes import is_bundled, scene_of_model
from engines.segmentation.segmentation import Segmentation
from engines.segmentation.segmenter import Segmenter

LABELS = {"vessel": 1, "artery": 1, "vein": 2, "aorta": 3, "device": 4}
TRUTH_NAMES = ("background", "vessel or artery", "vein", "aorta", "device")
_LUMEN_GAP_PX = 15  # at 512 px: gaps of a lumen up to this width, from a wire or catheter inside, are closed
Mask = Bool[np.ndarray, "rows columns"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TruthFrame:
    """A frame of a simulated run with its label picture."""

    run: str
    index: int
    frame: Frame
    labels: UInt8[np.ndarray, "rows columns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameScores:
    """The scores of one frame.

    Args:
        run: name of the run's file.
        index: index of the frame.
        classes: agreement for each class; undefined for a class that is neither present nor found.
        vessels: agreement of all vessels together.
        vessels_without_device: the same without found pixels that are rather device; None for a network without a
            device class.
        confusion: pixel counts by (true label 0 to 4, found class: 0 background or 1 + class index); a pixel's class is
            the most probable one above the threshold.
        device_as_vessel: counts of device pixels outside any lumen: (all, found as vessel, found as vessel without
            those that are rather device).
        filled: whether the frame shows any contrast.
    """

    run: str
    index: int
    classes: dict[str, MaskScores]
    vessels: MaskScores
    vessels_without_device: MaskScores | None
    confusion: tuple[tuple[int, ...], ...]
    device_as_vessel: tuple[int, int, int]
    filled: bool


class SyntheticPeers:
    """Frangi and Sato, tuned on a scene's synthetic pictures and scored on frames with contrast.

    Args:
        scene: name of the network they are compared with; a scene without synthetic pictures gets no peers.
        count: number of pictures for tuning; 0 for no peers.
    """

    def __init__(self, scene: str, count: int) -> None:
        self._settings = tuned_on_synthetic(scene_of_model(scene), count) if count and is_bundled(scene) else {}
        self._tuned_on = f"{count} synthetic pictures (seed {SYNTHETIC_TUNING_SEED})"
        self._scores: dict[FilterName, list[MaskScores]] = {method: [] for method in self._settings}

    def look(self, truth: TruthFrame) -> None:
        lumen = lumen_mask(truth.labels)
        if not self._settings or not lumen.any():
            return
        picture = dark_vessels(truth.frame)
        for method, setting in self._settings.items():
            self._scores[method].append(score_mask(filter_mask(setting, picture), lumen))

    def as_json(self) -> list[dict[str, Any]]:
        return [
            {"name": method, "tuned_on": self._tuned_on, "settings": [asdict(self._settings[method])],
             "total": spreads_as_json(summarise(scores))}
            for method, scores in self._scores.items()
        ]  # fmt: skip


def truth_frames(case: Path, *, subtracted: bool, every: int = 1) -> Iterator[TruthFrame]:
    """Every `every`-th frame of all runs that have labels.

    Raises:
        InputError: the folder is no simulated case, or its labels do not fit its pictures.
    """
    runs = sorted((case / "xa").glob("*.dcm"))
    with_labels = [(run, case / "truth" / f"{run.stem}_labels.npz") for run in runs]
    with_labels = [(run, labels) for run, labels in with_labels if labels.exists()]
    if not with_labels:
        raise InputError(
            f"{case}: has no xa/*.dcm with truth/*_labels.npz; make such cases with `guidance-app simulate`"
        )
    for path, label_file in with_labels:
        try:
            with np.load(label_file, allow_pickle=False) as archive:
                truth = archive["labels"]
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise InputError(f"{label_file}: no readable labels ({type(error).__name__}); simulate again") from error
        run = open_run(path)
        if len(truth) != run.frame_count:
            raise InputError(f"{label_file}: labels of {len(truth)} frames, the run has {run.frame_count}")
        if subtracted and run.kind != "dsa" and run.mask:
            run = subtract(run)
        for index in range(0, run.frame_count, every):
            frame = run.frame(index)
            if truth[index].shape != frame.shape_px:
                raise InputError(f"{label_file}: labels of {truth[index].shape}, frames of {frame.shape_px}")
            yield TruthFrame(run=path.name, index=index, frame=frame, labels=truth[index])


def score_case(
    case: Path,
    segmenter: Segmenter,
    *,
    every: int = 1,
    look: Callable[[TruthFrame, Mask, FrameScores], None] = lambda *_: None,
) -> list[FrameScores]:
    """Score the frames of a case; `look` is called with each frame and the found vessel mask."""
    scores = []
    for truth in truth_frames(case, subtracted=segmenter.name == "cerebral", every=every):
        outcome = segmenter.segment(truth.frame)
        scores.append(score_frame(outcome, truth, segmenter.threshold))
        look(truth, outcome.vessel() >= segmenter.threshold, scores[-1])
    return scores


def score_frame(outcome: Segmentation, truth: TruthFrame, threshold: float) -> FrameScores:
    """Compare a frame's probabilities with its labels."""
    labels = truth.labels
    reference = {name: class_mask(labels, name) for name in outcome.classes}
    lumen = lumen_mask(labels)
    found = outcome.vessel() >= threshold
    cleaned = found & ~device_rather(outcome) if "device" in outcome.classes else found
    device = (labels == LABELS["device"]) & ~lumen
    return FrameScores(
        run=truth.run,
        index=truth.index,
        classes={
            name: score_mask(outcome.probability(name) >= threshold, reference[name]) for name in outcome.classes
        },
        vessels=score_mask(found, lumen),
        vessels_without_device=score_mask(cleaned, lumen) if "device" in outcome.classes else None,
        confusion=_confusion(outcome, labels, threshold),
        device_as_vessel=(int(device.sum()), int((found & device).sum()), int((cleaned & device).sum())),
        filled=bool(lumen.any()),
    )  # fmt: skip


def lumen_mask(labels: UInt8[np.ndarray, "rows columns"]) -> Mask:
    """The mask of all vessels filled with contrast, of any class."""
    return np.logical_or.reduce([class_mask(labels, name) for name in ("artery", "vein", "aorta")])


def class_mask(labels: UInt8[np.ndarray, "rows columns"], name: str) -> Mask:
    """The mask of a class. A pixel has one label, so a lumen is closed where a wire inside it hides it."""
    mask = labels == LABELS[name]
    if name == "device":
        return mask
    side = 2 * max(round(_LUMEN_GAP_PX * max(labels.shape) / 512 / 2), 1) + 1
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((side, side), np.uint8)) > 0
    return np.where(labels == LABELS["device"], closed, mask)


def _confusion(outcome: Segmentation, labels: UInt8[np.ndarray, "rows columns"], threshold: float):
    called = np.where(outcome.probabilities.max(axis=0) >= threshold, 1 + outcome.probabilities.argmax(axis=0), 0)
    columns = 1 + len(outcome.classes)
    table = np.bincount(labels.ravel().astype(int) * columns + called.ravel(), minlength=len(TRUTH_NAMES) * columns)
    return tuple(tuple(int(n) for n in row) for row in table.reshape(len(TRUTH_NAMES), columns))
