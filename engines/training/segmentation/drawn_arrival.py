"""What would have arrived in a synthetic picture, drawn from its outlines, which are known exactly.

Synthetic pictures are harder than simulated runs, so a network learns from them to go by what arrived rather than by
what looks like an aorta; where nothing came there is none, however dark the picture.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float, Float32

from engines.segmentation.arrival import WITH_ARRIVAL, arrival_channel, channels_for
from engines.segmentation.scenes import Scene
from engines.simulation.angiograms.angiogram_synthesis import Sample, synthesize
from engines.training.segmentation.arrival_variation import varied

_KNOWN = 0.6  # share of the pictures that are given an arrival; the others stay single ones
_NOTHING, _IN_PART = 0.25, 0.3  # of those: no contrast came yet, or only one part is filled
_FULL = 0.35  # log units through the middle of a filled aorta
_FRONT_PX = 8.0  # blur of a bolus' front


def sample_for(channels: int, scene: Scene, seed: int, index: int, size_px: int, *, randomised: bool = True) -> Sample:
    """The `index`-th synthetic sample for a network of so many channels, with an arrival where it takes one."""
    sample = synthesize(scene, seed, index, size_px, randomised=randomised)
    if channels < WITH_ARRIVAL:
        return sample
    return with_drawn_arrival(np.random.default_rng([seed, index, 5]), sample, scene)


def with_drawn_arrival(random: np.random.Generator, sample: Sample, scene: Scene) -> Sample:
    """The sample with a third channel; what did not arrive is taken out of its masks."""
    if random.random() >= _KNOWN:
        return replace(sample, channels=channels_for(sample.channels, WITH_ARRIVAL))
    vessels = [number for number, name in enumerate(scene.classes) if name != "device"]
    filled, masks = _filled(random, sample.picture.shape), sample.masks.copy()
    masks[vessels] *= filled > 0.5
    darkening = _FULL * filled * _thickness(sample.masks[vessels].max(0) > 0.5)
    seen = varied(random, darkening, np.zeros_like(darkening))
    # Blades are zero in every channel of the picture.
    plane = arrival_channel(seen, sample.picture.shape[0], np.any(sample.channels != 0, axis=0))
    return replace(sample, channels=channels_for(sample.channels, WITH_ARRIVAL, plane), masks=masks)


def _filled(random: np.random.Generator, shape: tuple[int, ...]) -> Float32[np.ndarray, "rows columns"]:
    """0..1: where the bolus is."""
    drawn = random.random()
    if drawn < _NOTHING:
        return np.zeros(shape, np.float32)
    whole = np.ones(shape, np.float32)
    if drawn >= _NOTHING + _IN_PART:
        return whole
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    turn = random.uniform(0, 2 * np.pi)
    place = random.uniform(0.25, 0.75, 2) * shape
    behind = (rows - place[0]) * np.cos(turn) + (columns - place[1]) * np.sin(turn)
    return cv2.GaussianBlur((behind < 0).astype(np.float32), (0, 0), _FRONT_PX)


def _thickness(mask: np.ndarray) -> Float[np.ndarray, "rows columns"]:
    """Of a round lumen along the beam, 1 through the middle of the widest one."""
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    radius = max(float(depth.max()), 1.0)
    return np.sqrt(np.clip(1 - (1 - depth / radius) ** 2, 0, 1)).astype(np.float32)
