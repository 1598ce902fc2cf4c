"""A pose by hand is a proposal that nothing moves or confirms; it can be taken back, and its help stays known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from calibration.pose import RigidPose
from engines.anatomy.vessel_model import Branch, CenterlineTree, VesselModel
from engines.registration.pose_file import registration_content
from guidance_app.live import guidance_state as gs
from guidance_app.live import hand_placed
from guidance_app.live.engine.model_projection import ProjectedModel
from guidance_app.live.engine.step.draw import error_with
from guidance_app.live.engine.step.judge import Judge
from guidance_app.live.evidence import Evidence
from guidance_app.live.guidance_state import Situation
from guidance_app.live.manual_help import MANUAL_HELP, keeping_help, placed_registration
from guidance_app.live.session.overlay_rule import ComputedOverlay, OverlayLimits, decide_overlay
from guidance_app.live.session.session import LiveSession
from guidance_app.live.stiff_wire import WIRE_ERROR_MM, WIRE_HALO_MM, WIRE_WORDS, error_with_wire
from guidance_app.sources.file_source import PacedFileSource
from tests.guidance_app.live.stand_ins import FakeRun, fake_recipe, geometry, numbered, overlay_of, registration
from tests.guidance_app.live.window_stand_in import drive

A, B = geometry(0.0), geometry(15.0)
ACCEPTED = gs.started_from(registration(A), A)
POSE = RigidPose(matrix=np.array([[1, 0, 0, 3], [0, 1, 0, -2], [0, 0, 1, 1], [0, 0, 0, 1.0]]), target="isocentre",
                 source="lps")  # fmt: skip


def placed(situation: Situation = ACCEPTED) -> Situation:
    frame = numbered(FakeRun().frame(0), 0, 0)
    return hand_placed.person_places(situation, placed_registration(POSE, frame, A, before=situation.registration))


def test_a_pose_by_hand_is_proposed_and_never_accepted_by_itself():
    now = placed()
    assert now.state == "proposed"
    assert now.registration is not None
    assert np.array_equal(now.registration.isocentre_from_lps.matrix, POSE.matrix)
    assert not now.wanted
    assert not now.registering
    assert gs.person_accepts(now).state == "accepted"
    assert not gs.person_accepts(now).by_hand


def test_without_a_view_nothing_can_be_placed():
    assert placed(Situation()).state == "unregistered"


def test_the_engine_does_not_follow_a_pose_that_stands_by_hand():
    class Never:
        def prepare(self, view):  # noqa: ARG002 - the seam's
            raise AssertionError("a warm step would move the pose")

    from guidance_app.live.engine.step.door import Admitted, ViewKey
    from guidance_app.live.engine.step.see import Seen

    now, frame = placed(), numbered(FakeRun().frame(1), 1, 0)
    view = type("View", (), {"geometry": A})()
    seen = Seen(segmentation=None, vessel_share=0.1, shown=None, view=view, gated=view)  # type: ignore[arg-type]
    admitted = Admitted(frame=frame, key=ViewKey(geometry=A, shape_px=frame.shape_px), situation=now)
    judged = Judge(Never()).judge(admitted, seen)  # type: ignore[arg-type]
    assert judged.situation.registration is now.registration
    assert judged.situation.state == "proposed"


def test_taking_it_back_brings_the_pose_before_as_a_proposal():
    now = placed()
    moved_again = hand_placed.person_places(now, replace(registration(A), isocentre_from_lps=POSE))
    for by_hand in (now, moved_again):
        back = hand_placed.person_withdraws(by_hand)
        assert back.state == "proposed"
        assert not back.by_hand
        assert back.registration is ACCEPTED.registration
    assert hand_placed.person_withdraws(ACCEPTED) is ACCEPTED


def test_taking_back_the_first_pose_leaves_none():
    back = hand_placed.person_withdraws(placed(gs.saw_geometry(Situation(), A)))
    assert (back.state, back.registration, back.by_hand) == ("unregistered", None, False)


def test_a_search_from_there_keeps_what_is_known_of_the_help():
    asked = gs.person_asks(placed())
    assert asked.registration is not None, "the search begins near the pose by hand"
    running = gs.registration_started(asked)
    found = gs.registration_finished(running, registration(A), A, running.generation)
    assert found.state == "accepted"
    assert not found.by_hand
    assert found.registration is not None
    assert MANUAL_HELP in found.registration.reasons
    tracked = gs.checked(found, registration(A), A)
    assert tracked.registration is not None
    assert tracked.registration.reasons.count(MANUAL_HELP) == 1
    assert MANUAL_HELP in registration_content(tracked.registration)["reasons"]


def test_a_search_that_finds_nothing_leaves_the_pose_by_hand_and_rests():
    running = gs.registration_started(gs.person_asks(placed()))
    found = gs.registration_finished(running, registration(A, "rejected"), A, running.generation)
    assert found.state == "proposed"
    assert found.by_hand
    assert not found.wanted


def test_a_pose_of_its_own_has_no_help():
    assert keeping_help(registration(A), registration(B)).reasons == ()
    assert keeping_help(registration(A), None).reasons == ()


def test_a_changed_view_leaves_it_to_a_check():
    moved = gs.saw_geometry(placed(), B)
    assert moved.state == "stale"
    assert moved.unconfirmed
    assert not moved.by_hand


def test_what_was_too_weak_is_kept_for_judging_on_its_view_alone():
    running = gs.registration_started(gs.saw_geometry(Situation(), A))
    weak = registration(A, "rejected")
    found = gs.registration_finished(running, weak, A, running.generation)
    assert found.weak is not None
    assert found.weak.registration is weak
    assert found.registration is None
    assert gs.saw_geometry(found, B).weak is None
    again = gs.registration_started(found)
    assert gs.registration_finished(again, registration(A), A, again.generation).weak is None


def test_it_is_drawn_unverified_for_as_long_as_a_person_needs_and_never_valid():
    now, frame = placed(), numbered(FakeRun().frame(0), 0, 0)
    drawn = overlay_of(frame, now)
    assert drawn is not None
    overlay = replace(drawn, evidence=Evidence(kind="carried", age_s=900.0))
    decision = decide_overlay(
        frame, ComputedOverlay(overlay=overlay, frame_received_ns=frame.received_ns), now, engine_up=True,
        limits=OverlayLimits(),
    )  # fmt: skip
    assert decision.state == "stale"
    assert decision.why.code == "by_hand"
    vessel = replace(overlay, evidence=Evidence(kind="vessel", age_s=0.0))
    decision = decide_overlay(
        frame, ComputedOverlay(overlay=vessel, frame_received_ns=frame.received_ns), now, engine_up=True,
        limits=OverlayLimits(),
    )  # fmt: skip
    assert decision.state == "stale"


@pytest.mark.parametrize("inside", [True, False])
def test_a_wire_widens_the_error_and_outlives_the_run(inside: bool):
    now = hand_placed.person_declares_wire(ACCEPTED, inside=inside)
    assert now.wire is inside
    assert now.generation > ACCEPTED.generation, "overlays computed without it are not drawn"
    assert gs.carried_on(now).wire is inside
    plain = error_with(1.0, None)
    assert error_with_wire(plain, inside=inside) == pytest.approx(np.hypot(1.0, WIRE_ERROR_MM) if inside else 1.0)


def test_the_log_tells_who_placed_what_when_and_on_which_frame(tmp_path):
    source = PacedFileSource(FakeRun(frame_count=4), fps=50, hold_at_end=True)
    with LiveSession(source=source, recipe=fake_recipe(), out=tmp_path, spare_engine=False) as session:
        drive(session, until=lambda screen: screen.overlay_state == "valid")
        assert session.commands.place_by_hand(POSE, "handles, 3.6 mm in the plane")
        screen = drive(session, until=lambda screen: screen.guidance_state == "proposed")[-1]
        assert screen.figures is None, "nothing was measured"
        session.commands.declare_wire(inside=True)
        screen = drive(session, until=lambda screen: WIRE_WORDS in screen.besides)[-1]
        assert screen.overlay_state != "valid"
        found = session.registration
        session.commands.withdraw_hand()
        drive(session, until=lambda screen: screen.figures is not None)
    assert found is not None
    assert MANUAL_HELP in found.reasons
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    by_kind = {line["kind"]: line for line in lines}
    told = by_kind["pose_by_hand"]
    assert told["text"].startswith(f"{MANUAL_HELP}, by ")
    assert told["text"].endswith(": handles, 3.6 mm in the plane")
    assert told["t_ns"] > 0
    assert isinstance(told["frame"], int)
    assert "stiff wire inside" in by_kind["wire_declared"]["text"]
    assert "pose_by_hand_withdrawn" in by_kind


def test_a_wire_widens_the_halo_of_seen_and_unseen_branches_alike():
    tree = CenterlineTree(branches=(Branch(points_mm=np.array([[0.0, 0, 0], [0, 0, 9]]), radius_mm=np.ones(2)),))
    model, frame = ProjectedModel(VesselModel(centerlines=tree)), numbered(FakeRun().frame(0), 0, 0)
    plain, wired = (
        model.overlay(frame, A, POSE, expected_error_mm=1.0, generation=1, added_halo_mm=added)
        for added in (0.0, WIRE_HALO_MM)
    )
    mm_per_px = A.isocentre_mm_per_px
    for before, after in ((plain.halo_px, wired.halo_px), (plain.unseen_halo_px, wired.unseen_halo_px)):
        assert before is not None
        assert after is not None
        assert after * mm_per_px == pytest.approx(np.hypot(before * mm_per_px, WIRE_HALO_MM))
