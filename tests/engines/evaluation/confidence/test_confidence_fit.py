"""The fitted confidence tells right from wrong on registrations it has not seen, and states the mean error."""

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from calibration.errors import InputError
from engines.evaluation.confidence.confidence_fit import (
    COLD_FEATURES,
    confidence_model,
    error_honesty,
    held_out_confidence,
    held_out_errors_mm,
    reliability,
    scores,
    thresholds,
)
from engines.evaluation.confidence.logistic_fit import (
    Sample,
    confidence_of,
    fit_logistic,
    read_samples,
    stated_errors_mm,
    table,
)
from engines.registration.confidence import FEATURE_NAMES, ConfidenceFeatures, judge, load_confidence_model
from engines.registration.filling.filled_features import FILLED_NAMES


def _samples(seed: int, count: int = 400, kind: str = "cold") -> list[Sample]:
    """Right registrations have a high score, lost ones a low one, other patients' models one in between."""
    rng, made = np.random.default_rng(seed), []
    for number in range(count):
        fate = rng.choice(["right", "lost", "other"], p=[0.6, 0.2, 0.2])
        names = dict.fromkeys((*FEATURE_NAMES, *FILLED_NAMES))
        features = {name: float(rng.normal(0.0, 0.1)) for name in names} | {"depth_sigma_cm": 0.4}
        features["score"] += {"right": 0.8, "lost": 0.2, "other": 0.35}[fate]
        error = {"right": float(rng.lognormal(-0.5, 0.6)), "lost": 20.0, "other": 100.0}[fate]
        made.append(Sample(kind=kind, patient=f"p{number % 4}", features=features, error_mm=error, depth_error_mm=6.0))
    return made


def _of_all_kinds() -> list[Sample]:
    kinds = ("cold", "warm", "filled", "thick", "thick_tracked")
    return [sample for seed, kind in enumerate(kinds) for sample in _samples(seed, kind=kind)]


def test_wrong_ones_are_known_on_new_samples():
    samples, fresh = _samples(0), _samples(1)
    limits = thresholds(samples, held_out_confidence(samples, COLD_FEATURES))
    found = scores(fresh, confidence_of(fit_logistic(samples, COLD_FEATURES), fresh), limits)
    assert found["wrong_not_accepted"] > 0.92
    assert found["right_accepted"] > 0.8
    assert found["other_patients_rejected"] > 0.9
    assert found["brier"] < 0.05


def test_other_patients_models_are_rejected():
    samples, fresh = _samples(0), _samples(1)
    limits = thresholds(samples, held_out_confidence(samples, COLD_FEATURES))
    confidence = confidence_of(fit_logistic(samples, COLD_FEATURES), fresh)
    other = np.array([sample.error_mm == 100.0 for sample in fresh])
    assert (confidence[other] < limits["reject"]).mean() > 0.9
    assert limits["reject"] <= limits["accept"]


def test_stated_error_is_the_mean_of_the_right_ones_and_of_the_lost_ones():
    fitted, fresh = fit_logistic(_samples(0), COLD_FEATURES), [s for s in _samples(1) if s.error_mm < 5.0]
    x = np.clip((table(fresh, COLD_FEATURES) - fitted["mean"]) / fitted["scale"], -4, 4)
    stated = np.exp(x @ fitted["error_weights"] + fitted["error_bias"])
    assert stated.mean() == pytest.approx(np.mean([s.error_mm for s in fresh]), rel=0.15)
    assert fitted["wrong_mm"] == pytest.approx(20.0)
    assert fitted["depth_factor"] == pytest.approx(1.5)


def test_the_stated_error_is_that_of_the_patients_own_model():
    samples = _samples(0)
    fitted = fit_logistic(samples, COLD_FEATURES)
    lost = sum(5.0 <= s.error_mm < 100.0 for s in samples)
    assert fitted["own_share"] == pytest.approx(lost / sum(s.error_mm >= 5.0 for s in samples), abs=0.01)
    forced = [replace(s, forced=5.0 <= s.error_mm < 100.0) for s in samples]
    assert fit_logistic(forced, COLD_FEATURES)["own_share"] < 0.05  # none of them was found by itself
    others_often = fitted | {"own_share": 1.0}
    assert (stated_errors_mm(others_often, samples) >= stated_errors_mm(fitted, samples)).all()


def test_the_fit_and_the_program_state_the_same_error(tmp_path: Path, monkeypatch):
    samples = _samples(0)
    (tmp_path / "models").mkdir()
    content = confidence_model(_of_all_kinds())
    (tmp_path / "models" / "confidence.json").write_text(json.dumps(content))
    monkeypatch.setattr("importlib.resources.files", lambda _: tmp_path)
    load_confidence_model.cache_clear()
    stated = stated_errors_mm(content["cold"], samples[:5])
    names = [field.name for field in fields(ConfidenceFeatures)]
    for sample, expected in zip(samples[:5], stated, strict=True):
        values = {name: sample.features[name] for name in names}
        monkeypatch.setattr(ConfidenceFeatures, "values", lambda _, known=sample.features: known)
        found = judge(ConfidenceFeatures(**values), "cold", 4.0)
        assert found.expected_error_mm == pytest.approx(expected)
    load_confidence_model.cache_clear()


def test_honesty_compares_the_stated_with_the_true_quantiles_of_those_asked_for():
    samples = _samples(0)
    true = np.array([s.error_mm for s in samples])
    assert error_honesty(samples, 1.2 * true, true < 5.0) == {
        "error_stated_over_true_50%": 1.2,
        "error_stated_over_true_90%": 1.2,
    }
    assert error_honesty(samples, true, true > 1e9) == {}
    assert len(held_out_errors_mm(samples, COLD_FEATURES)) == len(samples)


def test_reliability_is_drawn_for_patients_and_for_forms_of_the_model_left_out():
    samples = [replace(s, defect=("", "surface")[n % 2]) for n, s in enumerate(_samples(2, 120, kind="filled"))]
    found = reliability(samples)
    assert list(found) == ["filled, patients left out", "filled, forms left out"]
    assert all(sum(place.within_5mm.n for place in calibration.bins) == 120 for calibration in found.values())


def test_the_file_says_which_features_it_weighs_and_products_are_products():
    content = json.loads(json.dumps(confidence_model(_of_all_kinds())))
    assert content["cold"]["features"] == list(COLD_FEATURES)
    assert not {"basin_share", "sharp"} & set(content["warm"]["features"])  # a tracking step has neither
    features = ConfidenceFeatures(
        **dict.fromkeys((field.name for field in fields(ConfidenceFeatures)), 0.5) | {"edge_share": 0.25}
    )
    np.testing.assert_allclose(features.vector(["edge_share", "score * edge_share", "scarce"]), [0.25, 0.125, 2 / 3])


def test_kinds_without_samples_are_taken_over():
    kept = confidence_model(_of_all_kinds())
    refitted = confidence_model(_samples(5, kind="filled"), kept)
    assert refitted["cold"] == kept["cold"]
    assert refitted["warm"] == kept["warm"]
    assert refitted["thick"] == kept["thick"]
    assert refitted["filled"] != kept["filled"]
    assert refitted["provenance"]["cold_brier"] == kept["provenance"]["cold_brier"]


def test_rendered_registrations_of_thick_vessels_are_fitted_apart(tmp_path: Path):
    line = {"kind": "filled", "case": "p0", "error_mm": 1.0, "depth_error_mm": 2.0}
    file = tmp_path / "samples.jsonl"
    features = [{"edge_share": share, "solid": solid} for share, solid in ((0.1, 1.0), (0.9, 1.0), (0.9, 0.0))]
    lines = [line | {"features": of_one} for of_one in features]
    lines += [line | {"kind": kind, "features": features[1]} for kind in ("warm", "tracked")]
    file.write_text("\n".join(map(json.dumps, lines)))
    assert [sample.kind for sample in read_samples([file])] == ["filled", "thick", "filled", "warm", "thick_tracked"]


@pytest.mark.parametrize("kind", ["cold", "filled", "thick", "thick_tracked"])
def test_a_file_for_features_that_are_unknown_is_refused(tmp_path: Path, monkeypatch, kind):
    content = confidence_model(_of_all_kinds())
    content[kind]["features"][0] = "colour"
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "confidence.json").write_text(json.dumps(content))
    monkeypatch.setattr("importlib.resources.files", lambda _: tmp_path)
    load_confidence_model.cache_clear()
    with pytest.raises(InputError, match=r"features \['colour'\]"):
        load_confidence_model()
    load_confidence_model.cache_clear()


def test_little_vessel_and_a_rival_pose_are_for_a_person_to_judge():
    sure = ConfidenceFeatures(
        score=0.7, image_explained=0.8, model_explained=0.6, residual_mm=0.3, image_decimetres=1.6, basin_share=0.9,
        runner_up=0.1, prior_distance=0.5, depth_sigma_cm=0.4, tight=0.6, edge_share=0.0, sharp=0.4, turn_sharp=0.4,
        chance=0.1,
    )  # fmt: skip
    assert judge(sure, "cold", 4.0).status == "accepted"
    assert judge(replace(sure, runner_up=0.95), "cold", 4.0).status != "accepted"
