from dataclasses import replace

import numpy as np
import pytest

from engines.angiography.patient_mark import mark_of
from engines.angiography.roadmaps.roadmap import Roadmap, age_s, roadmap_of
from tests.engines.angiography.roadmaps.injected import AMOUNTS, frame, geometry, run, tree
from tests.engines.angiography.roadmaps.test_injections import watched


@pytest.fixture(scope="module")
def roadmap() -> Roadmap:
    injection = watched(run()).injection
    assert injection is not None
    made = roadmap_of(injection)
    assert made is not None
    return made


def test_it_covers_the_vessels_and_little_else(roadmap: Roadmap) -> None:
    drawn, there = roadmap.vessels > 0.3, tree() > 0.5
    assert (drawn & there).sum() > 0.9 * there.sum()
    beside = drawn & (tree() < 0.02)
    assert beside.sum() < 0.02 * there.sum()


def test_of_vessels_that_move_with_the_heart_the_fullest_frame_alone_is_taken() -> None:
    frames = [
        replace(one, pixels=np.roll(one.pixels, 12 * (one.index % 3), axis=0)) if AMOUNTS[one.index] else one
        for one in run()
    ]
    still = [one.pixels for one in run((0.0,) * len(AMOUNTS))]
    # Only what holds contrast moves: the anatomy is put back where there is none.
    moved = [
        replace(
            one,
            pixels=np.minimum(
                np.roll(np.where(tree() > 0.1, run()[one.index].pixels, 4095), 12 * (one.index % 3), axis=0).astype(
                    np.uint16
                ),
                still[one.index],
            ),
        )
        for one in frames
    ]
    injection = watched(moved).injection
    assert injection is not None
    made = roadmap_of(injection)
    assert made is not None
    assert made.first == made.last == injection.fullest.source_frame


def test_it_is_of_its_view_alone(roadmap: Roadmap) -> None:
    assert roadmap.view_of(frame(20)) == "same"
    assert roadmap.view_of(frame(20, geometry=None)) == "unstated"
    for other in (
        {"primary_rad": 0.5 + np.deg2rad(0.2)}, {"secondary_rad": -0.2 + np.deg2rad(0.2)}, {"sid_mm": 1060.0},
        {"table_mm": (0.0, 3.0, 0.0)}, {"column_spacing_mm": 0.5, "row_spacing_mm": 0.5}, {"table_mm": None},
    ):  # fmt: skip
        assert roadmap.view_of(frame(20, geometry=geometry(**other))) == "other view", other
    small = frame(20)
    assert roadmap.view_of(replace(small, pixels=small.pixels[::2, ::2])) == "other size"


def test_it_is_of_its_patient_alone(roadmap: Roadmap) -> None:
    own = replace(roadmap, frame=replace(roadmap.frame, patient=mark_of("A1")))
    assert own.view_of(frame(20, patient=mark_of("A1"))) == "same"
    assert own.view_of(frame(20, patient=mark_of("B2"))) == "other patient"


def test_it_holds_while_the_bones_stay_and_no_longer_once_they_have_moved(roadmap: Roadmap) -> None:
    still = roadmap.compare(frame(20, amount=0.5))
    assert still is not None
    assert roadmap.holds(still)
    for shift_px in ((0.0, 4.0), (-5.0, 0.0), (3.0, -3.0)):
        move = roadmap.compare(frame(21, shift_px=shift_px))
        assert move is not None
        assert not roadmap.holds(move)
        assert roadmap.holds(move, shift_px), "moved after the bones it fits again"
        np.testing.assert_allclose(move.shift_px[::-1], shift_px, atol=0.5)


def test_bones_of_another_view_do_not_agree_whatever_the_header_says(roadmap: Roadmap) -> None:
    other = frame(20)
    move = roadmap.compare(replace(other, pixels=np.ascontiguousarray(other.pixels[::-1])))
    assert move is not None
    assert not roadmap.holds(move)


def test_without_a_native_picture_nothing_is_said_of_motion(roadmap: Roadmap) -> None:
    assert roadmap.compare(frame(20, kind="dsa")) is None


def test_a_live_roadmap_ages_by_the_clock() -> None:
    taken, now = frame(3), frame(9)
    assert age_s(taken, now, recorded=False, now_ns=taken.received_ns + 40 * 10**9) == pytest.approx(40.0)
    assert age_s(replace(taken, received_ns=0), now, recorded=False, now_ns=10**12) is None


def test_a_recorded_one_ages_by_its_run_and_between_runs_by_their_times() -> None:
    taken, now = frame(3), frame(9)
    assert age_s(taken, now, recorded=True, now_ns=10**15) == pytest.approx(6 * 0.0667)
    assert age_s(now, taken, recorded=True, now_ns=10**15) == pytest.approx(-6 * 0.0667)
    later = replace(now, source_id="run2", acquired="20200101120200.50", source_frame=0)
    assert age_s(replace(taken, acquired="20200101120000", source_frame=0), later, recorded=True, now_ns=0) == 120.0
    assert age_s(taken, later, recorded=True, now_ns=0) is None
    assert age_s(taken, replace(now, frame_time_ms=None), recorded=True, now_ns=0) is None
