"""The fitted confidence tells right from wrong on registrations it has not seen, and states the mean error."""

import numpy as np
import pytest

from engines.evaluation.confidence_fit import (
    Sample,
    confidence_of,
    fit_logistic,
    held_out_confidence,
    scores,
    thresholds,
)
from engines.registration.confidence import FEATURE_NAMES


def _samples(seed: int, count: int = 400) -> list[Sample]:
    """Right registrations have a high score, lost ones a low one, other patients' models one in between."""
    rng, made = np.random.default_rng(seed), []
    for number in range(count):
        fate = rng.choice(["right", "lost", "other"], p=[0.6, 0.2, 0.2])
        features = rng.normal(0.0, 0.1, len(FEATURE_NAMES))
        features[0] += {"right": 0.8, "lost": 0.2, "other": 0.35}[fate]
        error = {"right": float(rng.lognormal(-0.5, 0.6)), "lost": 20.0, "other": 100.0}[fate]
        made.append(
            Sample(
                kind="cold", group=number % 4, features=features, error_mm=error, depth_error_mm=6.0, depth_sigma_mm=4.0
            )
        )
    return made


def test_wrong_ones_are_known_on_new_samples():
    samples, fresh = _samples(0), _samples(1)
    limits = thresholds(samples, held_out_confidence(samples))
    found = scores(fresh, confidence_of(fit_logistic(samples), fresh), limits["accept"])
    assert found["wrong_not_accepted"] > 0.92
    assert found["right_not_accepted"] < 0.2
    assert found["brier"] < 0.05


def test_other_patients_models_are_rejected():
    samples, fresh = _samples(0), _samples(1)
    limits = thresholds(samples, held_out_confidence(samples))
    confidence = confidence_of(fit_logistic(samples), fresh)
    other = np.array([sample.error_mm == 100.0 for sample in fresh])
    assert (confidence[other] < limits["reject"]).mean() > 0.9
    assert limits["reject"] <= limits["accept"]


def test_stated_error_is_the_mean_of_the_right_ones_and_of_the_lost_ones():
    fitted, fresh = fit_logistic(_samples(0)), [s for s in _samples(1) if s.error_mm < 5.0]
    x = np.clip((np.array([s.features for s in fresh]) - fitted["mean"]) / fitted["scale"], -4, 4)
    stated = np.exp(x @ fitted["error_weights"] + fitted["error_bias"])
    assert stated.mean() == pytest.approx(np.mean([s.error_mm for s in fresh]), rel=0.15)
    assert fitted["wrong_mm"] == pytest.approx(20.0)
    assert fitted["depth_factor"] == pytest.approx(1.5)
