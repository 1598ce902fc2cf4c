"""A network on runs that another generator made: its masks against the projected lumens, with and without the memory.

The folder is that of `engines.evaluation.registration.foreign`. The truth is the silhouette of the whole lumen,
filled or not: where contrast does not reach, the best mask misses it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float

from calibration.errors import InputError
from engines.anatomy.files.labels import load_labels
from engines.angiography.contrast import contrast_curve, frames_without_contrast
from engines.angiography.files.open_run import open_run
from engines.evaluation.registration.foreign import ForeignRun
from engines.evaluation.segmentation.labelled import scores_as_json, spreads_as_json
from engines.evaluation.segmentation.mask_agreement import MaskScores, score_mask, summarise
from engines.segmentation.run_memory import Network, RunMemory

Looks = dict[str, MaskScores]

_UNFILLED = "false"  # in the name of a structure that contrast does not fill
_OWN_CLASS = ("artery", "vein")
_HALF_FULL = 0.5  # of the run's most contrast: from there on a frame counts as full
LOOKS = ("single frame", "with the memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignFrame:
    """One frame's masks by look and class, `vessels` for all of them.

    Args:
        contrast: of the run's fullest frame, 0..1.
        before_contrast: whether no contrast has come yet.
        found_share: of the picture, by look.
    """

    run: str
    index: int
    contrast: float
    before_contrast: bool
    means: str
    found_share: dict[str, float]
    scores: dict[str, Looks]

    @property
    def full(self) -> bool:
        return self.contrast >= _HALF_FULL


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lumen:
    """Points that fill a lumen, in LPS mm, and their distance from each other."""

    points_mm: Float[np.ndarray, "n 3"]
    step_mm: float


def lumens_of(masks: Path) -> dict[str, Lumen]:
    """Artery and vein, and `aorta` with its branches, without what contrast does not fill.

    Raises:
        InputError: the folder cannot be read as masks.
    """
    volume = load_labels(masks)
    lps = volume.lps_from_index
    found: dict[str, list[np.ndarray]] = {}
    for number, name in volume.names.items():
        if _UNFILLED not in name:
            voxels = np.argwhere(volume.labels == number)
            found.setdefault(name if name in _OWN_CLASS else "aorta", []).append(voxels)
    if not found:
        raise InputError(f"{masks}: holds no filled lumen; give one mask a structure")
    quarters = np.stack(np.meshgrid(*[(-0.25, 0.25)] * 3), axis=-1).reshape(-1, 3)
    step_mm = 0.5 * float(np.linalg.norm(lps[:3, :3], axis=0).max())
    return {
        name: Lumen(
            points_mm=((np.concatenate(parts)[:, None] + quarters).reshape(-1, 3) @ lps[:3, :3].T + lps[:3, 3]),
            step_mm=step_mm,
        )
        for name, parts in found.items()
    }


def silhouette(
    lumen: Lumen, projection: Float[np.ndarray, "3 4"], shape_px: tuple[int, int]
) -> Bool[np.ndarray, "rows columns"]:
    """Where a lumen projects to; gaps between its points are closed."""
    pixels = np.rint(_projected(lumen.points_mm, projection)).astype(int)
    inside = ((pixels >= 0) & (pixels < [shape_px[1], shape_px[0]])).all(axis=1)
    drawn = np.zeros(shape_px, np.uint8)
    drawn[pixels[inside, 1], pixels[inside, 0]] = 1
    middle = lumen.points_mm.mean(axis=0)
    beside = _projected(np.stack([middle, *(middle + lumen.step_mm * np.eye(3))]), projection)
    side = 2 * int(np.ceil(np.linalg.norm(beside[1:] - beside[0], axis=1).max())) + 1
    return cv2.morphologyEx(drawn, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8)) > 0


def _projected(points_mm: Float[np.ndarray, "n 3"], projection: Float[np.ndarray, "3 4"]) -> Float[np.ndarray, "n 2"]:
    seen = points_mm @ projection[:, :3].T + projection[:, 3]
    return seen[:, :2] / seen[:, 2:]


def score_foreign_run(
    foreign: ForeignRun, lumens: Mapping[str, Lumen], network: Network, *, every: int = 3
) -> list[ForeignFrame]:
    """Every `every`-th frame of a run, the scored one and the last one, each looked at twice (`LOOKS`).

    Raises:
        InputError: the run or its truth cannot be used.
    """
    truth_file, run = foreign.folder / "truth.json", open_run(foreign.folder / "xa.dcm")
    try:
        told = json.loads(truth_file.read_text(encoding="utf-8"))["frames"]
        projections = [np.array(frame["projection_px_from_lps_mm"], float) for frame in told]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{truth_file}: cannot be used ({error!r}); frames[i].projection_px_from_lps_mm?") from error
    if len(projections) != run.frame_count:
        raise InputError(f"{truth_file}: tells of {len(projections)} frames, the run has {run.frame_count}")
    memory = RunMemory.of(run, network.single.name)
    segmenters = {LOOKS[0]: network.single, LOOKS[1]: memory.best(network)}
    curve = contrast_curve(run)
    amount = np.interp(np.arange(run.frame_count), curve.frames, curve.amount / max(float(curve.amount.max()), 1e-9))
    before = set(frames_without_contrast(curve)) if curve.rises else set()
    chosen = sorted({*range(0, run.frame_count, every), foreign.scored_frame, run.frame_count - 1, *before})
    results = []
    for index in chosen:
        frame = memory.shown.frame(index)
        masks = {name: silhouette(lumen, projections[index], frame.shape_px) for name, lumen in lumens.items()}
        masks["vessels"] = np.logical_or.reduce(list(masks.values()))
        looks = {
            LOOKS[0]: network.single.segment(run.frame(index)), LOOKS[1]: memory.segment(segmenters[LOOKS[1]], frame)
        }  # fmt: skip
        scores: dict[str, Looks] = {}
        for name, mask in masks.items():
            if name == "vessels" or name in network.single.classes:
                seen = {look: s.vessel() if name == "vessels" else s.probability(name) for look, s in looks.items()}
                scores[name] = {look: score_mask(p >= segmenters[look].threshold, mask) for look, p in seen.items()}
        results.append(
            ForeignFrame(
                run=foreign.folder.name, index=index, contrast=float(amount[index]), before_contrast=index in before,
                means=memory.means(segmenters[LOOKS[1]]), scores=scores,
                found_share={k: float((s.vessel() >= segmenters[k].threshold).mean()) for k, s in looks.items()},
            )
        )  # fmt: skip
    return results


def total(frames: list[ForeignFrame]) -> dict[str, Any]:
    """Figures of the full frames by class and look, and of the frames before contrast how many are not empty."""
    full, before = [f for f in frames if f.full], [f for f in frames if f.before_contrast]
    classes = sorted({name for frame in frames for name in frame.scores})
    return {
        "full_frames": len(full),
        "classes": {
            name: {
                look: spreads_as_json(summarise(f.scores[name][look] for f in full if name in f.scores))
                for look in LOOKS
            }
            for name in classes
        },
        "frames_before_contrast": len(before),
        "not_empty": {look: sum(f.found_share[look] > 0 for f in before) for look in LOOKS},
    }


def frame_as_json(frame: ForeignFrame) -> dict[str, Any]:
    return {
        "run": frame.run, "frame": frame.index, "contrast": round(frame.contrast, 4), "full": frame.full,
        "before_contrast": frame.before_contrast, "memory": frame.means, "found_share": frame.found_share,
        "scores": {
            name: {look: scores_as_json(s) for look, s in looks.items()} for name, looks in frame.scores.items()
        },
    }  # fmt: skip


def evaluate_foreign(
    folder: Path,
    runs: list[ForeignRun],
    networks: Mapping[str, Network],
    *,
    every: int,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """All runs of a folder, by network and in total; `networks` maps a run's patient to its network."""
    lumens: dict[str, dict[str, Lumen]] = {}
    by_model: dict[str, list[ForeignFrame]] = {}
    for run in runs:
        if run.patient not in lumens:
            lumens = {run.patient: lumens_of(folder / run.patient / "masks")}
        network = networks[run.patient]
        by_model.setdefault(network.single.name, []).extend(
            score_foreign_run(run, lumens[run.patient], network, every=every)
        )
        progress(run.folder.name)
    return {
        "total": {model: total(frames) for model, frames in by_model.items()},
        "cases": [frame_as_json(frame) for frames in by_model.values() for frame in frames],
    }
