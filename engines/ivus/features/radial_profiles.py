"""Radial profiles about the lumen's own border: what the landmark network looks at."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32

from engines.ivus.features.landmark_maps import ANGLES
from engines.networks.ivus_network import PolarLandmarkNet

FROM_MM, TO_MM, STEP_MM = -1.2, 2.8, 0.16
COUNT = round((TO_MM - FROM_MM) / STEP_MM)
EXTRA = 3  # evidence without learning: openings, calcium, wires


def radial_profiles(
    polar: Float32[np.ndarray, "f a r"],
    step_mm: float,
    main_mm: Float[np.ndarray, "f a"],
    extra: tuple[np.ndarray, np.ndarray, np.ndarray],
    threshold: float,
    spread: float,
) -> Float32[np.ndarray, "f b r"]:
    """(frame, 48 angles, numbers): grey values about the border, standardised, and the maps without learning.

    Args:
        polar: frames by (frame, angle, radius) about the lumen's middle, `step_mm` apart in radius.
        extra: maps of openings, calcium and wires on the polar angles.
    """
    every = polar.shape[1] // ANGLES
    coarse = 0.5 * (polar + np.roll(polar, 1, axis=1))[:, ::every]
    border = main_mm[:, ::every]
    offsets = FROM_MM + (np.arange(COUNT) + 0.5) * STEP_MM
    at = np.clip((border[:, :, None] + offsets) / step_mm - 0.5, 0, polar.shape[2] - 1.001)
    low = at.astype(int)
    part = (at - low).astype(np.float32)
    values = np.take_along_axis(coarse, low, axis=2) * (1 - part) + np.take_along_axis(coarse, low + 1, axis=2) * part
    values = np.clip((values - threshold) / spread, -3.0, 3.0)
    maps = np.stack([m[:, ::every] for m in extra], axis=2)
    return np.concatenate([values, maps], axis=2).astype(np.float32)


def network_outputs(network: PolarLandmarkNet, profiles: Float32[np.ndarray, "f b r"]) -> Float[np.ndarray, "o f b"]:
    """What a network says at each frame and angle."""
    with torch.inference_mode():
        found = network(torch.from_numpy(profiles.transpose(2, 0, 1)[None].copy()))[0]
    return found.numpy().astype(np.float64)


def chance_of(logit: Float[np.ndarray, "f b"]) -> Float[np.ndarray, "f b"]:
    return 1.0 / (1.0 + np.exp(-np.clip(logit, -30.0, 30.0)))


def landmark_probabilities(
    network: PolarLandmarkNet, profiles: Float32[np.ndarray, "f b r"]
) -> tuple[Float[np.ndarray, "f b"], Float[np.ndarray, "f b"]]:
    """Probabilities of openings and of calcium at each frame and angle."""
    found = network_outputs(network, profiles)
    return chance_of(found[0]), chance_of(found[1])
