"""What one simulated patient and one simulated examination are drawn from, by split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.errors import InputError

SPLITS = ("train", "validation", "test", "shift", "wide")


@dataclass(frozen=True, slots=True, kw_only=True)
class Physics:
    """Properties of the scanner, the catheter and the heart of one case.

    Args:
        blood_hu: contrast in the ostium; it falls along the vessel.
        ct_blur_mm: standard deviation of the scanner's point spread.
        ct_noise_hu: standard deviation after the scanner's own smoothing.
        axial_mm, lateral_deg: the ultrasound's point spread, standard deviations.
        dynamic_range_db: what the grey scale covers.
        blood_db: backscatter of blood against the adventitia.
        rr_s, rr_spread: heart period and its relative spread.
        heart_motion_mm: what gating leaves of the longitudinal motion, standard deviation.
        drift_deg: how far the picture turns over the pullback, standard deviation.
        scale: true length over nominal length.
    """

    blood_hu: float
    ct_blur_mm: float
    ct_noise_hu: float
    axial_mm: float
    lateral_deg: float
    dynamic_range_db: float
    blood_db: float
    rr_s: float
    rr_spread: float
    heart_motion_mm: float
    drift_deg: float
    scale: float


def split_generator(split: str, seed: int) -> np.random.Generator:
    """Seeds of different splits never meet.

    Raises:
        InputError: no such split, or a seed below zero.
    """
    if split not in SPLITS:
        raise InputError(f"--split {split}: choose among {', '.join(SPLITS)}")
    if seed < 0:
        raise InputError(f"--seed {seed}: expected 0 or more")
    return np.random.default_rng([0x1705, SPLITS.index(split), seed])


def draw_physics(rng: np.random.Generator, split: str) -> Physics:
    """`shift` has another scanner, another transducer and a less even heart than the first three; `wide` has any.

    `wide` is for learning alone. Its ranges are those of textbooks (coronary CT at 70 to 120 kV with 60 to 100 ml of
    contrast; 20 to 60 MHz catheters), not those of another split, which lie within them.
    """
    if split == "wide":
        return _any_physics(rng)
    shift = split == "shift"
    return Physics(
        blood_hu=rng.uniform(280, 380) if shift else rng.uniform(350, 500),
        ct_blur_mm=rng.uniform(0.45, 0.6) if shift else rng.uniform(0.3, 0.45),
        ct_noise_hu=rng.uniform(35, 55) if shift else rng.uniform(18, 35),
        axial_mm=rng.uniform(0.025, 0.08) if shift else rng.uniform(0.03, 0.055),
        lateral_deg=rng.uniform(1.5, 5.0) if shift else rng.uniform(2.0, 3.5),
        dynamic_range_db=rng.uniform(35, 60) if shift else rng.uniform(42, 54),
        blood_db=rng.uniform(-24, -13) if shift else rng.uniform(-26, -17),
        rr_s=rng.uniform(0.65, 1.1) if shift else rng.uniform(0.75, 1.0),
        rr_spread=rng.uniform(0.05, 0.15) if shift else rng.uniform(0.03, 0.08),
        heart_motion_mm=rng.uniform(0.1, 0.6) if shift else rng.uniform(0.0, 0.4),
        drift_deg=rng.uniform(10.0, 40.0) if shift else rng.uniform(0.0, 30.0),
        scale=rng.uniform(0.94, 1.06),
    )


def _any_physics(rng: np.random.Generator) -> Physics:
    return Physics(
        blood_hu=rng.uniform(220, 650),
        ct_blur_mm=rng.uniform(0.25, 0.7),
        ct_noise_hu=rng.uniform(10, 70),
        axial_mm=rng.uniform(0.02, 0.12),
        lateral_deg=rng.uniform(1.2, 6.5),
        dynamic_range_db=rng.uniform(30, 70),
        blood_db=rng.uniform(-30, -11),
        rr_s=rng.uniform(0.55, 1.2),
        rr_spread=rng.uniform(0.02, 0.2),
        heart_motion_mm=rng.uniform(0.0, 0.8),
        drift_deg=rng.uniform(0.0, 50.0),
        scale=rng.uniform(0.94, 1.06),
    )


def smooth_noise(rng: np.random.Generator, count: int, step_mm: float, correlation_mm: float) -> np.ndarray:
    """A stationary Gaussian process of unit variance along a line, (count,)."""
    from scipy.ndimage import gaussian_filter1d

    sigma = max(correlation_mm / step_mm / np.sqrt(2.0), 1e-3)
    pad = int(4 * sigma) + 1
    white = rng.standard_normal(count + 2 * pad)
    smooth = gaussian_filter1d(white, sigma)[pad : pad + count]
    # The variance of smoothed white noise is 1 / (2 sigma sqrt(pi)).
    return smooth * np.sqrt(2.0 * sigma * np.sqrt(np.pi)) if sigma > 0.5 else white[pad : pad + count]
