"""Check that each runtime of this machine agrees with the exact reference, in probabilities and in Dice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.errors import InputError
from engines.evaluation.segmentation.pooled_dice import pooled_dice
from engines.inference.model_files import ModelFiles, read_manifest
from engines.inference.parity import parity
from engines.inference.runtimes import RUNTIMES, Runtime, load, weights_of, why_not
from engines.segmentation.arrival import channels_for
from engines.segmentation.scenes import is_bundled, scene_of_model
from engines.simulation.angiograms.angiogram_synthesis import WORKING_PX, Sample, synthesize

REFERENCE = "onnx"
MAX_LOST_POINTS = 0.5
_SEED = 3_000_000  # not used by training or by the calibration of the 8-bit graph


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineCheck:
    """One network on one runtime against the reference.

    Args:
        model: name of the network.
        backend: name of the runtime.
        status: "ok", "failed", or "skipped" if the runtime does not run here.
        reason: why it failed or was skipped.
        largest_difference: largest difference of a probability over all pictures.
        dice: Dice pooled over pictures and classes, in 0..1.
        dice_lost_points: Dice lost against the reference, in percentage points.
    """

    model: str
    backend: str
    status: str
    reason: str
    largest_difference: float | None = None
    dice: float | None = None
    dice_lost_points: float | None = None


def check_engines(
    folder: Path, *, pictures: int = 16, progress: Callable[[str], None] = lambda _: None
) -> list[EngineCheck]:
    """Check hashes, parity and Dice of every network on every runtime; a failure does not stop the others."""
    checks = []
    for name, record in read_manifest(folder).models.items():
        files = ModelFiles(name=name, folder=folder, record=record)
        scene = scene_of_model(name) if is_bundled(name) else None
        samples = [synthesize(scene, _SEED, index, WORKING_PX) for index in range(pictures)] if scene else []
        try:
            reference = _answers(RUNTIMES[REFERENCE], files, samples)
        except InputError as error:
            reference, why = None, f"no reference to compare with: {error}"
        else:
            why = "" if samples else "not a scene that pictures can be made of"
        for runtime in RUNTIMES.values():
            progress(f"{name} on {runtime.name}")
            checks.append(_checked(runtime, files, samples, reference, why))
    return checks


def _checked(
    runtime: Runtime, files: ModelFiles, samples: list[Sample], reference: list[np.ndarray] | None, why: str
) -> EngineCheck:
    reason = why_not(runtime, files)
    if reason is not None:
        return EngineCheck(model=files.name, backend=runtime.name, status="skipped", reason=reason)
    try:
        files.read(weights_of(runtime, files))
        answers = _answers(runtime, files, samples)
    except (InputError, RuntimeError) as error:
        text = " ".join(str(error).split())
        return EngineCheck(model=files.name, backend=runtime.name, status="failed", reason=text)
    if reference is None or not samples:
        return EngineCheck(model=files.name, backend=runtime.name, status="failed", reason=why)
    differs = parity(answers, reference, files.record.threshold)
    dice, exact = (_dice(a, samples, files.record.threshold) for a in (answers, reference))
    lost = 100 * (exact - dice)
    faults = list(differs.faults(runtime.limits))
    # The negated comparison also fails NaN.
    if not lost <= MAX_LOST_POINTS:
        faults.append(f"loses {lost:.2f} points of Dice, allowed is {MAX_LOST_POINTS:g}")
    return EngineCheck(
        model=files.name, backend=runtime.name, status="failed" if faults else "ok", reason="; ".join(faults),
        largest_difference=round(differs.largest, 6), dice=round(dice, 5), dice_lost_points=round(lost, 3),
    )  # fmt: skip


def _answers(runtime: Runtime, files: ModelFiles, samples: list[Sample]) -> list[np.ndarray]:
    backend = load(runtime, files, threads=0)
    channels = files.record.channels_on(runtime.name)
    return [backend.run(channels_for(sample.channels, channels)[None])[0] for sample in samples]


def _dice(answers: list[np.ndarray], samples: list[Sample], threshold: float) -> float:
    return pooled_dice((a >= threshold, s.masks > 0.5) for a, s in zip(answers, samples, strict=True))
