"""How well each frame fits each place and angle of the CT, as log-likelihood ratios against anywhere else.

A log-linear model: evidence = sum of weight times agreement. Agreements compare both modalities' maps at all angles at
once, or numbers that know no angle. The weights are those of a conditional logit, learned on simulated pairs, in which
each frame must tell its true place from all others.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import gaussian_filter1d

from engines.ivus.features.landmark_maps import ANGLES, LandmarkMaps, circular_blur

# Agreements by angle, then those without; the order is that of stored weights.
ANGULAR = ("branch_fine", "branch_wide", "calcium_fine", "calcium_wide", "branch_on_calcium", "calcium_on_branch",
           "shape", "wall", "catheter")  # fmt: skip
PLAIN = ("size_narrow", "size_wide", "size_change", "branch_present", "calcium_present")
LUMEN = ("shape", "size_narrow", "size_wide", "size_change")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceWeights:
    """Args:
    angular, plain: one weight an agreement.
    temper: of the whole, since neighbouring frames say the same thing again.
    """

    angular: tuple[float, ...]
    plain: tuple[float, ...]
    temper: float


def load_evidence_weights() -> EvidenceWeights:
    """The shipped weights."""
    stored = json.loads(files("assets").joinpath("models/ivus_evidence.json").read_text(encoding="utf-8"))
    return EvidenceWeights(
        angular=tuple(stored["angular"][name] for name in ANGULAR),
        plain=tuple(stored["plain"][name] for name in PLAIN),
        temper=stored["temper"],
    )


def without(weights: EvidenceWeights, names: Sequence[str]) -> EvidenceWeights:
    """The same weights, some agreements left out."""
    angular, plain = (
        tuple(0.0 if name in names else weight for name, weight in zip(order, values, strict=True))
        for order, values in ((ANGULAR, weights.angular), (PLAIN, weights.plain))
    )
    return replace(weights, angular=angular, plain=plain)


def frame_evidence(
    frames: LandmarkMaps, course: LandmarkMaps, weights: EvidenceWeights, *, size_offset: float = 0.0
) -> Float32[np.ndarray, "2 f s a"]:
    """Evidence by (handedness, frame, place, angle of the frame's u axis).

    The first handedness is +1 (angles of the frame run as those of the course, whose u x v is its tangent), the second
    -1. Angle k puts the frame's u axis at k * 7.5 degrees from the course's u.

    Args:
        size_offset: logarithm of how much larger lumina look in the frames than in the CT.
    """
    angular = angular_evidence(frames, course, weights)
    out = tempered_evidence(angular, frames, course, weights, size_offset=size_offset)
    # What fits every place equally well says nothing.
    out -= anywhere(out)
    return out


def angular_evidence(
    frames: LandmarkMaps, course: LandmarkMaps, weights: EvidenceWeights
) -> Float32[np.ndarray, "2 f s a"]:
    """The weighted sum of what knows an angle, as it comes."""
    pairs = angular_agreements(frames, course)
    mine = np.concatenate([weight * pair[0] for weight, pair in zip(weights.angular, pairs, strict=True)], axis=1)
    out = np.empty((2, len(frames.place_mm), len(course.place_mm), ANGLES), dtype=np.float32)
    for h, hand in enumerate((1, -1)):
        for k in range(ANGLES):
            theirs = np.concatenate([turned(pair[1], k, hand) for pair in pairs], axis=1)
            out[h, :, :, k] = mine @ theirs.T
    return out


def tempered_evidence(
    angular: Float32[np.ndarray, "2 f s a"], frames: LandmarkMaps, course: LandmarkMaps, weights: EvidenceWeights, *,
    size_offset: float = 0.0,
) -> Float32[np.ndarray, "2 f s a"]:  # fmt: skip
    """What knows an angle and what knows none, tempered, against nothing yet."""
    tables = plain_agreements(frames, course, size_offset=size_offset)
    plain = sum(weight * table for weight, table in zip(weights.plain, tables, strict=True))
    out = angular + np.asarray(plain, dtype=np.float32)[None, :, :, None]
    out *= weights.temper
    return out


def anywhere(tempered: Float32[np.ndarray, "2 f s a"]) -> Float32[np.ndarray, "1 f 1 1"]:
    """Logarithm of how well each frame fits on average over the course."""
    peak = tempered.max(axis=(0, 2, 3), keepdims=True)
    return peak + np.log(np.exp(tempered - peak).mean(axis=(0, 2, 3), keepdims=True))


def turned(values: Float32[np.ndarray, "s a"], turn: int, hand: int) -> Float32[np.ndarray, "s a"]:
    """The course's values at a frame's angles: frame angle j lies at course angle `turn + hand * j`."""
    return values[:, (turn + hand * np.arange(ANGLES)) % ANGLES]


def angular_agreements(
    frames: LandmarkMaps, course: LandmarkMaps
) -> list[tuple[Float32[np.ndarray, "f a"], Float32[np.ndarray, "s a"]]]:
    """Both sides of each product, in the order of `ANGULAR`."""
    spacing = float(np.median(np.diff(frames.place_mm)))
    step = float(course.place_mm[1] - course.place_mm[0])

    def maps(name: str, along_mm: float, about: float) -> tuple[np.ndarray, np.ndarray]:
        mine = circular_blur(getattr(frames, name), along=along_mm / spacing, about=about)
        theirs = circular_blur(getattr(course, name), along=along_mm / step, about=about)
        return (mine - mine.mean()) * frames.valid, theirs - theirs.mean()

    branch, calcium = maps("branch", 0.45, 1.0), maps("calcium", 0.45, 1.0)
    branch_wide, calcium_wide = maps("branch", 1.2, 2.0), maps("calcium", 1.2, 2.0)
    shape = [np.clip(side.radius_mm / side.size_mm[:, None] - 1.0, -0.25, 0.25) for side in (frames, course)]
    pairs = [
        branch, branch_wide, calcium, calcium_wide, (branch[0], calcium[1]), (calcium[0], branch[1]),
        (shape[0] * frames.valid, shape[1]), (frames.wall_mm * frames.valid, course.wall_mm),
        (_towards(frames), _towards(course)),
    ]  # fmt: skip
    return [(mine.astype(np.float32), theirs.astype(np.float32)) for mine, theirs in pairs]


def _towards(maps: LandmarkMaps) -> Float[np.ndarray, "n a"]:
    """Where the catheter lies, as a wave over the angles."""
    turn = np.arange(ANGLES) * 2.0 * np.pi / ANGLES
    return maps.pulled_mm[:, :1] * np.cos(turn) + maps.pulled_mm[:, 1:] * np.sin(turn)


def plain_agreements(
    frames: LandmarkMaps, course: LandmarkMaps, *, size_offset: float = 0.0
) -> list[Float32[np.ndarray, "f s"]]:
    """Agreements without an angle, in the order of `PLAIN`."""
    mine, theirs = np.log(frames.size_mm), np.log(np.maximum(course.size_mm, 0.3))
    apart = (mine[:, None] - theirs[None, :] - size_offset) ** 2
    change_mine, change_theirs = (_change(values, maps.place_mm) for values, maps in ((mine, frames), (theirs, course)))
    present = [
        _present(getattr(frames, name))[:, None] * _present(getattr(course, name))[None, :]
        for name in ("branch", "calcium")
    ]
    tables = [
        -np.log1p(apart / 0.08**2), -np.log1p(apart / 0.25**2),
        change_mine[:, None] * change_theirs[None, :] / 0.01, *present,
    ]  # fmt: skip
    return [table.astype(np.float32) for table in tables]


def _change(size: Float[np.ndarray, " n"], place_mm: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """What stands out from the surrounding 10 mm."""
    step = float(np.median(np.diff(place_mm)))
    fine = gaussian_filter1d(size, 0.5 / step, mode="nearest")
    return np.clip(fine - gaussian_filter1d(size, 5.0 / step, mode="nearest"), -0.3, 0.3)


def _present(values: Float[np.ndarray, "n a"]) -> Float[np.ndarray, " n"]:
    """Whether a landmark is there at any angle, about its mean."""
    strongest = circular_blur(values, along=0.5, about=1.5).max(axis=1)
    return strongest - strongest.mean()
