"""A network on simulated cases, whose labels are exact: every class, and what becomes of catheters and wires."""

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
from engines.segmentation.scenes import SCENES
from engines.segmentation.segmentation import Segmentation
from engines.segmentation.segmenter import Segmenter

LABELS = {"vessel": 1, "artery": 1, "vein": 2, "aorta": 3, "device": 4}
TRUTH_NAMES = ("background", "vessel or artery", "vein", "aorta", "device")
_LUMEN_GAP_PX = 15  # at 512: a wire or catheter inside a lumen is bridged by this much
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
    """Of one frame.

    Args:
        run: name of the run's file.
        index: of the frame.
        classes: agreement a class; a class that is neither there nor found has undefined figures.
        vessels: agreement of all vessels together.
        vessels_without_device: the same after pixels that are rather device were taken out of what was found; None
            for a network without that class.
        confusion: pixels by (truth label 0 to 4, called 0 background or 1 + class index); a pixel is called the most
            probable class above the threshold.
        device_as_vessel: of the pixels that are device and not inside a lumen: (all, found as vessel, found as vessel
            once pixels that are rather device are taken out).
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
    """Frangi and Sato, tuned on a scene's synthetic pictures, on the frames with contrast that they are shown.

    Args:
        scene: name of the network they stand beside; without pictures of its own it gets no peers.
        count: pictures they are tuned on; 0 for no peers.
    """

    def __init__(self, scene: str, count: int) -> None:
        self._settings = tuned_on_synthetic(SCENES[scene], count) if count and scene in SCENES else {}
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
    """Every so many frames of all runs that have labels.

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
    """Score the frames of a case; `look` is shown each frame with the vessel mask that was found."""
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
    """All that is filled with contrast, whatever its name."""
    return np.logical_or.reduce([class_mask(labels, name) for name in ("artery", "vein", "aorta")])


def class_mask(labels: UInt8[np.ndarray, "rows columns"], name: str) -> Mask:
    """Where a class is. One label a pixel: where a wire lies inside a lumen, the lumen is there all the same."""
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
