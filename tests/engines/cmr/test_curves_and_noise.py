"""What stands between a pixel's magnitude and the wall's uptake: noise, the coil, blood beside it, chance."""

import numpy as np
import pytest
from scipy import ndimage

from engines.cmr.perfusion.magnitude import channel_noise, true_level, true_mean
from engines.cmr.perfusion.pooling import pooled
from engines.cmr.perfusion.shading import wall_baseline
from engines.cmr.perfusion.tissue_curve import tissue_model
from engines.cmr.wall.slice_wall import wall_from_masks
from tests.engines.cmr.first_passes import CENTRE, SIDE, masks

TIMES_MS = 700.0 * np.arange(45)
BEFORE = 12


def _blood() -> np.ndarray:
    t = np.clip(TIMES_MS / 1000.0 - 8.6, 0, None)
    return 1.0 + 9.0 * (t / 3.5) ** 2 * np.exp(2 - 2 * t / 3.5)


def _uptake(flow: float) -> np.ndarray:
    taken = np.cumsum(np.interp(TIMES_MS - 1000.0, TIMES_MS, _blood()) - 1.0) * 0.7
    return 1.0 + flow * taken / taken.max()


def _steepest(curve: np.ndarray) -> float:
    return float((curve[3:] - curve[:-3]).max() / 2.1)


def _magnitudes(amplitude: float, noise: float, count: int) -> np.ndarray:
    random = np.random.default_rng(5)
    return np.hypot(amplitude + random.normal(0, noise, count), random.normal(0, noise, count))


@pytest.mark.parametrize("amplitude", [2.0, 3.5, 8.0])
def test_the_level_under_noise_comes_back(amplitude: float) -> None:
    seen = _magnitudes(amplitude, 1.0, 40_000)
    assert float(true_level((seen**2).mean(), 1.0)) == pytest.approx(amplitude, rel=0.01)
    assert float(true_mean(np.array(seen.mean()), 1.0)) == pytest.approx(amplitude, rel=0.02)


def test_without_noise_nothing_is_taken_away() -> None:
    assert float(true_level(9.0, 0.0)) == pytest.approx(3.0)
    assert float(true_mean(np.array(3.0), 0.0)) == pytest.approx(3.0)


def test_noise_is_measured_on_bright_pixels_alone() -> None:
    random = np.random.default_rng(2)
    scene = np.where(np.arange(60)[:, None] < 25, 0.2, 12.0) * np.ones((60, 60))
    shape = (60, 60, 40)
    frames = np.hypot(scene[..., None] + random.normal(0, 1.5, shape), random.normal(0, 1.5, shape))
    assert channel_noise(frames) == pytest.approx(1.5, rel=0.05)


def test_the_coil_is_found_under_noise_and_leaves_the_wall_even() -> None:
    found = masks()
    wall = wall_from_masks(found["lv_wall"], found["lv_pool"], found["rv_pool"], np.array([2.0, 2.0]))
    c, r = np.indices((SIDE, SIDE))
    coil = np.exp(0.020 * (c - CENTRE[0]) - 0.012 * (r - CENTRE[1]))
    scene = coil * np.where(found["lv_wall"], 3.0, 2.2)
    random = np.random.default_rng(4)
    shape = (SIDE, SIDE, 14)
    frames = np.hypot(scene[..., None] + random.normal(0, 1.0, shape), random.normal(0, 1.0, shape))
    interior = np.asarray(ndimage.binary_erosion(found["lv_wall"]))
    base = wall_baseline(frames, wall, interior, np.array([2.0, 2.0]), np.arange(14), 1.0)
    np.testing.assert_allclose(base / scene[interior], 1.0, atol=0.06)
    assert float((base / scene[interior]).mean()) == pytest.approx(1.0, abs=0.015)


@pytest.mark.parametrize("leak", [-0.02, 0.0, 0.015])
@pytest.mark.parametrize("flow", [0.7, 2.0])
def test_blood_that_leaks_into_the_wall_is_told_from_uptake(leak: float, flow: float) -> None:
    model = tissue_model(TIMES_MS, _blood(), None, BEFORE, (11, 36))
    curve = _uptake(flow) + leak * (_blood() - 1.0)
    fit = model.fit(curve)
    assert fit.leak[0] == pytest.approx(leak, abs=0.008)
    assert fit.upslope_per_s == pytest.approx(_steepest(_uptake(flow)), rel=0.06)


def test_a_curve_that_no_uptake_explains_speaks_for_itself() -> None:
    model = tissue_model(TIMES_MS, _blood(), None, BEFORE, (2, 36))
    early = 1.0 + 1.5 / (1.0 + np.exp(-(np.arange(45) - 6.0)))  # risen before the pool
    fit = model.fit(early)
    assert fit.leak[0] == 0.0
    assert fit.upslope_per_s == pytest.approx(_steepest(early), rel=0.05)


def test_the_error_of_an_upslope_is_what_repeats_scatter_by() -> None:
    model = tissue_model(TIMES_MS, _blood(), None, BEFORE, (11, 36))
    random = np.random.default_rng(7)
    fits = [model.fit(_uptake(1.5) + random.normal(0, 0.05, len(TIMES_MS))) for _ in range(30)]
    scatter = float(np.std([fit.upslope_per_s for fit in fits]))
    told = float(np.median([model.slope_sd(fit, np.random.default_rng(k)) for k, fit in enumerate(fits[:8])]))
    assert told == pytest.approx(scatter, rel=0.5)


def test_noisy_segments_come_together_and_a_defect_stays() -> None:
    random = np.random.default_rng(1)
    alike = 0.1 * (1 + random.normal(0, 0.05, 16))
    drawn, error = pooled(alike, np.full(16, 0.005))
    assert drawn.std() < 0.7 * alike.std()
    assert np.corrcoef(alike, drawn)[0, 1] > 0.99
    assert (error < 0.005).all()
    hurt = alike.copy()
    hurt[[3, 4, 9]] = 0.05
    drawn, _ = pooled(hurt, np.full(16, 0.005))
    np.testing.assert_allclose(drawn, hurt, rtol=0.06)
