"""A stump of the tree fits many places: rendering must not accept a pose on it, nor call a tracked one wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engines.registration.confidence import ENOUGH_DM, judge_filled
from engines.registration.filling.filled_features import FilledFeatures
from engines.registration.filling.filled_step import of_one_frame

# As a right pose on a well filled head has them.
_RIGHT = FilledFeatures(
    fine=0.88, clear=0.88, middle=0.91, rival=0.0, share=1.0, filled_share=0.16, sharp=0.12, turn_sharp=0.36,
    keen=0.95, turn_keen=0.95, solid=True, spread_mm=0.6,
    prior_distance=0.62, depth_sigma_cm=1.0, edge_share=0.0, image_decimetres=4.0,
)  # fmt: skip


def test_enough_vessel_is_judged_by_the_fit_alone():
    enough = replace(_RIGHT, image_decimetres=ENOUGH_DM)
    assert judge_filled(_RIGHT, 10.0).status == "accepted"
    assert judge_filled(enough, 10.0) == judge_filled(_RIGHT, 10.0)


def test_an_aorta_that_hardly_loses_its_fit_beside_a_pose_is_not_accepted():
    aorta = replace(_RIGHT, edge_share=0.9, clear=0.85, sharp=0.05, turn_sharp=0.08, keen=0.9, turn_keen=0.9)
    assert judge_filled(aorta, 10.0).status == "accepted"
    chance = judge_filled(replace(aorta, keen=0.6, turn_keen=0.6), 10.0)
    assert chance.status == "rejected"
    assert chance.expected_error_mm > 2.0 * judge_filled(aorta, 10.0).expected_error_mm


def test_a_tracked_aorta_is_judged_by_how_keen_it_fits_and_a_head_is_not():
    aorta = replace(_RIGHT, edge_share=0.9, clear=0.85, sharp=0.0, turn_sharp=0.0, keen=0.9, turn_keen=0.88)
    assert judge_filled(aorta, 10.0, tracked=True).status == "accepted"
    assert judge_filled(replace(aorta, keen=0.6, turn_keen=0.6), 10.0, tracked=True).status == "rejected"
    assert judge_filled(replace(_RIGHT, keen=0.0), 10.0, tracked=True) == judge_filled(_RIGHT, 10.0, tracked=True)


@pytest.mark.parametrize("tracked", [False, True])
def test_an_aorta_whose_place_the_picture_leaves_open_states_a_larger_error(tracked):
    aorta = replace(_RIGHT, edge_share=0.9, clear=0.9, keen=0.9, turn_keen=0.9, spread_mm=0.5)
    loose = judge_filled(replace(aorta, spread_mm=1.3), 10.0, tracked=tracked)
    assert loose.expected_error_mm > 1.5 * judge_filled(aorta, 10.0, tracked=tracked).expected_error_mm


@pytest.mark.parametrize("decimetres", [0.1, 0.6, 1.3, 1.95])
def test_the_first_drops_are_never_accepted(decimetres):
    stump = judge_filled(replace(_RIGHT, image_decimetres=decimetres), 10.0)
    assert stump.status != "accepted"
    assert stump.confidence < judge_filled(_RIGHT, 10.0).confidence
    assert stump.expected_error_mm > judge_filled(_RIGHT, 10.0).expected_error_mm


def test_a_tracked_pose_is_not_contradicted_by_a_stump():
    stump = replace(_RIGHT, image_decimetres=0.6)
    assert judge_filled(stump, 10.0).status == "rejected"
    assert of_one_frame(judge_filled(stump, 10.0), stump).status == "caution"
