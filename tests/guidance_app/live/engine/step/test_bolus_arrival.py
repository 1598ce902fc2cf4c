"""When a search may begin: the tree has filled, and is more than a stump."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guidance_app.live import guidance_state
from guidance_app.live.engine.step.judge import has_filled
from guidance_app.live.guidance_state import Situation
from tests.guidance_app.live.stand_ins import geometry
from tests.guidance_app.live.stand_ins import registration as found_registration


@pytest.mark.parametrize(
    ("shares", "frame_time_ms", "filled"),
    [
        ((0.0, 0.0, 0.002, 0.0045), 66.7, False),  # first drops, just enough to be seen
        ((0.0045, 0.005, 0.0055, 0.0056), 66.7, False),  # still arriving
        ((0.0100, 0.0104, 0.0103, 0.0107), 66.7, True),
        ((0.0107, 0.0104), 66.7, False),  # too few pictures to tell
        ((0.020, 0.034, 0.046, 0.0497), 333.3, True),  # three pictures a second: one step tells
        ((0.010, 0.020, 0.034, 0.046), 333.3, False),
    ],
)
def test_a_search_waits_for_a_filled_tree(shares, frame_time_ms, filled):
    assert has_filled(shares, frame_time_ms) is filled


def _searching(share: float, **changes) -> Situation:
    begun = guidance_state.registration_started(Situation(vessel_shares=(share,)))
    return replace(begun, **changes)


def _after(situation: Situation, share: float) -> Situation:
    return guidance_state.saw_vessel(situation, share)


def test_a_search_on_a_picture_of_before_the_bolus_is_outgrown_by_the_filled_tree():
    assert guidance_state.outgrown(_after(_searching(0.06), 0.12))
    assert not guidance_state.outgrown(_after(_searching(0.10), 0.12)), "the rest of the same bolus"
    assert not guidance_state.outgrown(_after(_searching(0.06, registering=False), 0.12)), "nothing runs"


def test_a_search_beside_a_pose_is_never_outgrown(registration):
    assert not guidance_state.outgrown(_after(_searching(0.06, registration=registration), 0.12))


def test_what_an_outgrown_search_finds_comes_too_late(registration):
    view = geometry()
    begun = _searching(0.06, geometry=view)
    dropped = guidance_state.registration_dropped(begun)
    assert dropped.wanted
    anew = guidance_state.registration_started(dropped)
    assert guidance_state.registration_finished(anew, registration, view, begun.generation) is anew
    assert guidance_state.registration_finished(anew, registration, view, anew.generation).state == "accepted"


@pytest.fixture
def registration():
    return found_registration(geometry(), "accepted")
