"""Decide whether a motion may be shown: it must fit held-out vessels better, stay small, and not fold the tree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from engines.registration.motion.deform_fit import DeformScene, fit
from engines.registration.motion.deform_match import matched

_CELL_MM = 12.0  # cell of the checkerboard whose one colour is held out; longer than a match can slide
_SCALE_MM = 1.5  # robust scale; much larger distances belong to other vessels
_MAX_MM = 8.0
_MAX_MEAN_MM = 5.0
# Soft share of the picture's vessels that the moved tree leaves unexplained. A right pose ends below 0.3, a pose
# 15 mm off above 0.49 (in 95 % of frames of seeds 1100-1105).
_MAX_UNEXPLAINED = 0.4
_MAX_STRAIN = 0.5  # change of motion per length of vessel; from 1 on, a vessel could fold onto itself


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldOut:
    """The result of two fits, each to one half of the picture.

    Args:
        gain: share of the robust distance between tree and vessels that the fits remove in their held-out half.
        amplitudes: mean of both fits, the start for a fit to the whole picture.
    """

    gain: float
    amplitudes: Float[np.ndarray, "m 2"]


def held_out(
    scene: DeformScene, expected: Float[np.ndarray, "m 2"], trust: float, scales_mm: tuple[float, ...]
) -> HeldOut:
    """Divide the picture into a checkerboard, fit each colour alone, and judge it on the other colour."""
    still = np.zeros_like(expected)
    model_dark, image_dark = _dark(scene.part.plane_mm), _dark(scene.seen.points_mm)
    before = after = 0.0
    total = still
    for fold in (False, True):
        fitted = fit(
            scene, expected, expected, trust, scales_mm, of_model=model_dark == fold, of_image=image_dark == fold
        )
        before += _distance(scene, still, model_dark != fold, image_dark != fold)
        after += _distance(scene, fitted, model_dark != fold, image_dark != fold)
        total = total + 0.5 * fitted
    return HeldOut(gain=1.0 - after / before if before > 0 else 0.0, amplitudes=total)


def why_unsafe(scene: DeformScene, amplitudes: Float[np.ndarray, "m 2"]) -> str:
    """Why the motion must not be shown; "" if it may be."""
    motion_mm = scene.motion_mm(amplitudes)
    size_mm = np.linalg.norm(motion_mm, axis=1)
    if size_mm.max() > _MAX_MM or size_mm.mean() > _MAX_MEAN_MM:
        return f"a motion of {size_mm.max():.0f} mm is too large for a pose that is right"
    along = np.flatnonzero(np.diff(scene.model.branch) == 0)
    step_mm = np.linalg.norm(np.diff(scene.model.points_mm, axis=0)[along], axis=1)
    strain = np.linalg.norm(np.diff(motion_mm, axis=0)[along], axis=1) / np.maximum(step_mm, 1e-6)
    if len(strain) and strain.max() > _MAX_STRAIN:
        return f"a motion would stretch a branch by {100 * strain.max():.0f} %"
    pairs = matched(scene.part, motion_mm * scene.shown[:, None], scene.seen)
    left = 1.0 if pairs is None else pairs.unexplained(_SCALE_MM)
    if left > _MAX_UNEXPLAINED:
        return f"after a motion {100 * left:.0f} % of the seen vessels would still lie elsewhere"
    return ""


def _dark(plane_mm: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
    return np.floor(plane_mm / _CELL_MM).sum(axis=1) % 2 == 1


def _distance(
    scene: DeformScene,
    amplitudes: Float[np.ndarray, "m 2"],
    of_model: Bool[np.ndarray, " n"],
    of_image: Bool[np.ndarray, " k"],
) -> float:
    offset_mm = scene.motion_mm(amplitudes) * scene.shown[:, None]
    pairs = matched(scene.part, offset_mm, scene.seen, of_model=of_model, of_image=of_image)
    return 0.0 if pairs is None else pairs.loss(_SCALE_MM)
