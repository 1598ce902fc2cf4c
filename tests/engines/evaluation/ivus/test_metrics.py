"""What counts as right: direction, millimetres, overlap and both axes together."""

from dataclasses import replace

import numpy as np
import pytest

from engines.evaluation.ivus.metrics import ivus_errors
from engines.evaluation.ivus.trust_fit import as_json, fit_trust
from engines.ivus.trust import FLAGS, flags_of, load_trust_model, sign_names


def line(count=100, step=0.5):
    points = np.column_stack([np.arange(count) * step, np.zeros(count), np.zeros(count)])
    return points, np.broadcast_to([0.0, 1.0, 0.0], (count, 3)), np.broadcast_to([0.0, 0.0, 1.0], (count, 3))


def errors(points=None, u=None, v=None, **changes):
    true_points, true_u, true_v = line()
    settings = {
        "points_mm": true_points if points is None else points, "u": true_u if u is None else u,
        "v": true_v if v is None else v, "true_points_mm": true_points, "true_u": true_u, "true_v": true_v,
        "axis_mm": line(400, 0.25)[0], "direction_right": True, "handedness_right": True,
    }  # fmt: skip
    return ivus_errors(**(settings | changes))


def test_the_truth_is_right_and_without_error():
    found = errors()
    assert found.right
    assert (found.f1, found.cos_u, found.longitudinal_mm, found.rotation_deg) == (1.0, 1.0, 0.0, 0.0)


def test_a_slide_is_wrong_although_overlap_and_axes_look_well():
    found = errors(points=line()[0] + [5.0, 0.0, 0.0])
    assert found.f1 > 0.8
    assert found.longitudinal_mm == pytest.approx(5.0, abs=0.3)
    assert not found.right


def test_a_reversed_order_is_wrong_although_every_point_is_met():
    found = errors(points=line()[0][::-1], direction_right=False)
    assert found.f1 == 1.0
    assert not found.right


@pytest.mark.parametrize(("degrees", "right"), [(35.0, True), (50.0, False), (180.0, False)])
def test_a_turn_counts_beyond_forty_degrees(degrees, right):
    _, u, v = line()
    turn = np.deg2rad(degrees)
    found = errors(u=np.cos(turn) * u + np.sin(turn) * v, v=np.cos(turn) * v - np.sin(turn) * u)
    assert found.rotation_deg == pytest.approx(degrees, abs=0.1)
    assert found.right == right


def test_a_mirror_turns_v_alone():
    found = errors(v=-line()[2], handedness_right=False)
    assert (found.cos_u, found.cos_v) == (1.0, -1.0)
    assert not found.right


def signs(**changes):
    usual = dict.fromkeys(sign_names(), 0.9) | {
        "outside_given_mm": 0.0, "hidden": 0.05, "contrast_hu": 350.0, "gating_doubtful": 0.0, "ostium": 6.0,
        "mirror": 0.0, "evidence": 90.0, "landmarks": 5.0, "edge": 0.0, "outside": 0.0, "in_lumen": 1.0,
        "branches_seen": 4.0, "branch_agreement": 0.7, "on_line": 1.0, "way_share": 1.0,
    }  # fmt: skip
    return usual | changes


def test_trust_grows_with_the_signs_and_its_limit_leaves_wrong_answers_out():
    rng = np.random.default_rng(0)
    quality = rng.uniform(0, 1, 120)
    right = quality > 0.3
    cases = [signs(mass=q, place_mass=min(q + 0.1, 1.0), evidence=100 * q) for q in quality]
    model = fit_trust(cases, right)
    stated = np.array([model.confidence(case) for case in cases])
    assert stated[right].mean() > stated[~right].mean() + 0.4
    assert right[stated >= model.limit].mean() >= 0.98
    assert as_json(model, {})["signs"] == list(sign_names())


def test_the_shipped_model_trusts_strong_evidence_and_flags_weak():
    model = load_trust_model()
    strong, weak = signs(mass=1.0, place_mass=1.0), signs(mass=0.2, place_mass=0.4, evidence=15.0, landmarks=0.0)
    assert model.confidence(strong) > model.limit > model.confidence(weak)
    assert flags_of(strong, model.confidence(strong), model.limit) == ()
    assert "FEW_LANDMARKS" in flags_of(weak, model.confidence(weak), model.limit)


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"outside_given_mm": 9.0}, "INCOMPLETE_CENTERLINE"),
        ({"outside_given_mm": 30.0, "on_line": 0.0}, "WRONG_BRANCH"),
        ({"way_share": 0.6}, "WRONG_BRANCH"),
        ({"contrast_hu": 120.0}, "LOW_CONTRAST"),
        ({"gating_doubtful": 1.0}, "GATING_DOUBTFUL"),
        ({"ostium": 0.3}, "OSTIUM_UNCERTAIN"),
        ({"hidden": 0.6}, "GUIDEWIRE_HEAVY"),
        ({"in_lumen": 0.8}, "WRONG_BRANCH"),
        ({"branches_seen": 5.0, "branch_agreement": 0.0}, "AMBIGUOUS_POSITION"),
        ({"mass": 0.8, "place_mass": 0.85}, "AMBIGUOUS_POSITION"),
        ({"mass": 0.6, "place_mass": 0.95}, "AMBIGUOUS_ROTATION"),
    ],
)
def test_what_lies_in_the_input_is_told_however_sure_the_search_is(changes, flag):
    assert flags_of(signs(**changes), 0.999, 0.8) == (flag,)
    assert flag in FLAGS


def test_a_line_that_ends_a_little_early_is_told_however_sure_the_answer_is():
    early = signs(outside_given_mm=5.0)
    for confidence in (0.999, 0.5):
        assert flags_of(early, confidence, 0.8) == ("INCOMPLETE_CENTERLINE",)


def test_a_line_that_was_left_is_told_however_sure_the_answer_is():
    left = signs(on_line=0.0, outside_given_mm=30.0)
    for confidence in (0.999, 0.5):
        assert "WRONG_BRANCH" in flags_of(left, confidence, 0.8)
        assert "INCOMPLETE_CENTERLINE" not in flags_of(left, confidence, 0.8)


def test_places_that_a_faint_scan_hides_are_told_only_where_the_answer_is_not_sure():
    assert flags_of(signs(in_lumen=0.93), 0.999, 0.8) == ()
    assert flags_of(signs(in_lumen=0.93), 0.5, 0.8) == ("WRONG_BRANCH",)


def test_below_the_limit_there_is_always_a_flag():
    assert flags_of(signs(), 0.5, 0.8) == ("UNCERTAIN",)


def test_errors_are_values():
    assert replace(errors(), f1=0.5).right is False
