"""How well each frame fits each place and angle of the CT, as log-likelihood ratios against anywhere else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from engines.ivus.features.landmark_maps import ANGLES, LandmarkMaps, circular_blur


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceWeights:
    """How much each kind of agreement counts.

    Args:
        branch, calcium, shape: per angle, of the product of both maps about their means.
        size_sigma: spread of the logarithm of both lumen radii's ratio.
        size: weight of the size's log-likelihood.
        temper: of the whole, since neighbouring frames and angles say the same thing again.
    """

    branch: float = 2.0
    calcium: float = 1.5
    shape: float = 1.0
    size: float = 1.0
    size_sigma: float = 0.12
    temper: float = 0.25


def frame_evidence(
    frames: LandmarkMaps, course: LandmarkMaps, weights: EvidenceWeights
) -> Float32[np.ndarray, "2 f s a"]:
    """Evidence by (handedness, frame, place, angle of the frame's u axis).

    The first handedness is +1 (angles of the frame run as those of the course, whose u x v is its tangent), the second
    -1. Angle k puts the frame's u axis at k * 7.5 degrees from the course's u.
    """
    agreements = _channels(frames, course, weights)
    out = np.empty((2, len(frames.place_mm), len(course.place_mm), ANGLES), dtype=np.float32)
    turn = np.arange(ANGLES)
    for h, hand in enumerate((1, -1)):
        for k in range(ANGLES):
            # Frame angle j lies at course angle k + hand * j.
            places = (k + hand * turn) % ANGLES
            total = np.zeros(out.shape[1:3], dtype=np.float32)
            for mine, theirs in agreements:
                total += mine @ theirs[:, places].T
            out[h, :, :, k] = total
    size = _size(frames, course, weights)
    out += size[None, :, :, None]
    out *= weights.temper
    # Against anywhere: what fits every place equally well says nothing.
    peak = out.max(axis=(0, 2, 3), keepdims=True)
    out -= peak + np.log(np.exp(out - peak).mean(axis=(0, 2, 3), keepdims=True))
    return out


def _channels(
    frames: LandmarkMaps, course: LandmarkMaps, weights: EvidenceWeights
) -> list[tuple[Float32[np.ndarray, "f a"], Float32[np.ndarray, "s a"]]]:
    spacing = float(np.median(np.diff(frames.place_mm)))
    pairs = []
    for name, weight in (("branch", weights.branch), ("calcium", weights.calcium)):
        mine = circular_blur(getattr(frames, name), along=0.5 / spacing, about=1.0)
        theirs = circular_blur(getattr(course, name), along=1.6, about=1.0)
        mine = (mine - mine.mean()) * frames.valid
        theirs = theirs - theirs.mean()
        pairs.append(((weight * mine).astype(np.float32), theirs.astype(np.float32)))
    mine, theirs = (maps.radius_mm / maps.size_mm[:, None] - 1.0 for maps in (frames, course))
    clip = 0.25
    mine, theirs = np.clip(mine, -clip, clip) / 0.1, np.clip(theirs, -clip, clip) / 0.1
    pairs.append(((weights.shape / ANGLES * mine * frames.valid).astype(np.float32), theirs.astype(np.float32)))
    return pairs


def _size(frames: LandmarkMaps, course: LandmarkMaps, weights: EvidenceWeights) -> Float32[np.ndarray, "f s"]:
    mine, theirs = np.log(frames.size_mm), np.log(np.maximum(course.size_mm, 0.3))
    apart = (mine[:, None] - theirs[None, :]) / weights.size_sigma
    return (-weights.size * 2.0 * np.log1p(apart**2 / 4.0)).astype(np.float32)
