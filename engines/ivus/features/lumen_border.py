"""The artery's own border in the frames, by a network that sees ranks of grey values, not grey values.

Ranks do not change with gain, dynamic range or any other curve between echo and grey value, so the network cannot rely
on one machine's.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32
from scipy.ndimage import gaussian_filter

from engines.ivus.features.landmark_maps import ANGLES
from engines.networks.ivus_network import PolarLandmarkNet

DEPTHS, DEPTH_MM = 55, 0.08
_LEVELS = 512
_LEAST_MM, _CATHETER_MM = 0.3, 0.58


def border_profiles(polar: Float32[np.ndarray, "n a r"], step_mm: float, rim_mm: float) -> Float32[np.ndarray, "n b d"]:
    """Ranks from -1 to 1 by (frame, 48 angles, depth from the catheter); 0 in the catheter and beyond the rim.

    Args:
        polar: frames about the catheter by (frame, angle, radius), `step_mm` apart in radius.
        rim_mm: where the picture ends.
    """
    every, group = polar.shape[1] // ANGLES, round(DEPTH_MM / step_mm)
    coarse = 0.5 * (polar + np.roll(polar, 1, axis=1))[:, ::every]
    count = min(polar.shape[2] // group, DEPTHS)
    deep = coarse[:, :, : count * group].reshape(*coarse.shape[:2], count, group).mean(axis=3)
    depth = (np.arange(count) + 0.5) * DEPTH_MM
    seen = (depth > _CATHETER_MM) & (depth < rim_mm - 0.1)
    values = deep[:, :, seen]
    low = float(values.min())
    high = max(float(values.max()), low + 1.0)
    counts, edges = np.histogram(values, bins=_LEVELS, range=(low, high))
    # The middle of a level's ranks: what is clipped to one grey value has one rank.
    rank = (np.cumsum(counts) - 0.5 * counts) / counts.sum()
    out = np.zeros((*deep.shape[:2], DEPTHS), dtype=np.float32)
    out[:, :, :count][:, :, seen] = 2.0 * np.interp(values, 0.5 * (edges[1:] + edges[:-1]), rank) - 1.0
    return out


def learned_border(
    network: PolarLandmarkNet, profiles: Float32[np.ndarray, "n a d"]
) -> tuple[Float[np.ndarray, "n a"], Float[np.ndarray, "n a"]]:
    """Distance of the border from the catheter in mm, and the standard deviation of the network's belief."""
    with torch.inference_mode():
        logits = network(torch.from_numpy(profiles.transpose(2, 0, 1)[None].copy()))[0]
        chance = torch.softmax(logits, dim=0).numpy().astype(np.float64)
    depth = ((np.arange(DEPTHS) + 0.5) * DEPTH_MM)[:, None, None]
    mean = (chance * depth).sum(axis=0)
    spread = np.sqrt(np.maximum((chance * (depth - mean) ** 2).sum(axis=0), 0.0))
    return mean, spread


def about_place(
    radius_mm: Float[np.ndarray, "n a"], place_mm: Float[np.ndarray, "n 2"], *, angles: int
) -> Float[np.ndarray, "n b"]:
    """The same border as radii about another place within it."""
    turn = np.arange(radius_mm.shape[1]) * 2.0 * np.pi / radius_mm.shape[1]
    want = np.arange(angles) * 2.0 * np.pi / angles
    out = np.empty((len(radius_mm), angles))
    for frame, (radius, place) in enumerate(zip(radius_mm, place_mm, strict=True)):
        x, y = radius * np.cos(turn) - place[0], radius * np.sin(turn) - place[1]
        seen = np.mod(np.arctan2(y, x), 2.0 * np.pi)
        order = np.argsort(seen)
        out[frame] = np.interp(want, seen[order], np.hypot(x, y)[order], period=2.0 * np.pi)
    return np.maximum(out, _LEAST_MM)


def evened(radius_mm: Float[np.ndarray, "n a"], spacing_mm: float) -> Float[np.ndarray, "n a"]:
    """Neighbouring frames and angles share a border."""
    return gaussian_filter(radius_mm, (max(0.35 / spacing_mm, 0.3), 0.7), mode=("nearest", "wrap"))  # pyright: ignore[reportArgumentType]
