from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.pose import RigidPose
from guidance_app.live import guidance_state as gs
from guidance_app.live.evidence import Evidence
from guidance_app.live.guidance_state import Situation
from guidance_app.live.session.overlay_rule import ComputedOverlay, OverlayLimits, decide_overlay
from guidance_app.live.session.source_watch import PictureFault
from tests.guidance_app.live.stand_ins import FakeRun, geometry, numbered, overlay_of, registration

A, B = geometry(0.0), geometry(15.0)
ACCEPTED = gs.started_from(registration(A), A)


def test_cold_start_that_is_sure_is_accepted_on_its_own_view():
    running = gs.registration_started(gs.saw_geometry(Situation(), A))
    found = gs.registration_finished(running, registration(A), A, running.generation)
    assert found.state == "accepted"
    assert found.checked_geometry is A
    assert not found.wanted


def test_cold_start_that_is_unsure_waits_for_a_person():
    running = gs.registration_started(gs.saw_geometry(Situation(), A))
    found = gs.registration_finished(running, registration(A, "caution"), A, running.generation)
    assert found.state == "proposed"
    assert gs.person_accepts(found).state == "accepted"
    assert gs.person_rejects(found).registration is None


def test_accepting_ends_the_search_for_a_better_pose():
    proposed = gs.started_from(registration(A, "caution"), A)
    searching = gs.registration_started(replace(proposed, wanted=True))
    accepted = gs.person_accepts(searching)
    assert not accepted.registering
    assert not accepted.wanted
    assert gs.registration_finished(accepted, registration(A, "caution"), A, searching.generation) == accepted


def test_cold_start_that_found_nothing_leaves_no_pose_and_rests():
    running = gs.registration_started(gs.saw_geometry(Situation(), A))
    found = gs.registration_finished(running, registration(A, "rejected"), A, running.generation)
    assert found.state == "unregistered"
    assert found.registration is None
    assert found.wanted
    assert found.rest_frames > 0


def test_what_was_nearly_sure_is_searched_again_sooner():
    running = gs.registration_started(gs.saw_geometry(Situation(), A))

    def rest(confidence: float, status: str) -> int:
        found = replace(registration(A, status), confidence=confidence)
        return gs.registration_finished(running, found, A, running.generation).rest_frames

    assert rest(0.58, "rejected") == rest(0.65, "caution") == gs.SOON_FRAMES
    assert rest(0.2, "rejected") == gs.REST_FRAMES > gs.SOON_FRAMES
    assert rest(0.9, "accepted") == 0


def test_a_slow_series_rests_for_fewer_pictures():
    waiting = replace(gs.Situation(), rest_frames=gs.REST_FRAMES, tried_share=0.02)
    assert gs.saw_vessel(waiting, 0.01, 1000.0 / 15.0).rest_frames == gs.REST_FRAMES - 1
    assert gs.saw_vessel(waiting, 0.01, 1000.0 / 7.5).rest_frames == gs.REST_FRAMES - 1
    assert gs.saw_vessel(waiting, 0.01).rest_frames == gs.REST_FRAMES - 1  # a series that states no time
    assert gs.saw_vessel(waiting, 0.01, 1000.0 / 3.0).rest_frames == gs.REST_FRAMES - 5


def test_two_searches_that_agree_accept_nothing_by_that():
    running = gs.registration_started(gs.saw_geometry(Situation(), A))
    unsure = replace(registration(A, "rejected"), confidence=0.6)
    once = gs.registration_finished(running, unsure, A, running.generation)
    again = gs.registration_started(replace(once, rest_frames=0))
    twice = gs.registration_finished(again, unsure, A, again.generation)
    assert twice.state == "unregistered"
    assert twice.registration is None


def test_answer_of_an_older_generation_changes_nothing():
    running = gs.registration_started(gs.saw_geometry(Situation(), A))
    moved = gs.saw_geometry(running, B)
    assert gs.registration_finished(moved, registration(A), A, running.generation) == moved
    assert moved.wanted, "the interrupted cold start is made up for"


def doubted(situation: Situation, frames: int) -> Situation:
    for _ in range(frames):
        situation = gs.checked(situation, registration(A, "caution"), A)
    return situation


def test_pose_that_nothing_confirms_for_a_second_waits_for_a_person_or_a_picture_that_does():
    assert doubted(ACCEPTED, gs.DOUBTS_BEFORE_PROPOSED - 1).state == "accepted"
    waiting = doubted(ACCEPTED, gs.DOUBTS_BEFORE_PROPOSED)
    assert waiting.state == "proposed"
    assert "not confirmed" in waiting.reason
    assert waiting.wanted
    assert gs.checked(waiting, registration(A), A).state == "accepted"
    assert gs.person_accepts(waiting).state == "accepted"


def answered(waiting: Situation, found, *, moved_mm: float = 0.0) -> Situation:
    """The search that doubts began comes back unsure, `moved_mm` beside the pose in use."""
    matrix = found.isocentre_from_lps.matrix.copy()
    matrix[0, 3] += moved_mm
    pose = RigidPose(matrix=matrix, target="isocentre", source="lps")
    searching = gs.registration_started(waiting)
    return gs.registration_finished(
        searching, replace(found, isocentre_from_lps=pose, confidence=0.99), A, searching.generation
    )


def test_accepted_pose_that_is_doubted_and_found_again_by_an_unsure_search_needs_no_person():
    waiting = doubted(ACCEPTED, gs.DOUBTS_BEFORE_PROPOSED)
    found_again = answered(waiting, registration(A, "caution"), moved_mm=1.0)
    assert found_again.state == "proposed"
    assert gs.checked(found_again, registration(A), A).state == "accepted"


def test_unsure_search_that_finds_another_place_needs_a_person():
    elsewhere = answered(doubted(ACCEPTED, gs.DOUBTS_BEFORE_PROPOSED), registration(A, "caution"), moved_mm=5.0)
    assert elsewhere.state == "proposed"
    assert gs.checked(elsewhere, registration(A), A).state == "proposed"


def test_proposed_pose_that_nobody_accepted_is_not_accepted_by_an_unsure_search():
    proposed = replace(gs.started_from(registration(A, "caution"), A), wanted=True)
    again = answered(proposed, registration(A, "caution"))
    assert gs.checked(again, registration(A), A).state == "proposed"


def test_doubts_begin_anew_with_every_confirmation():
    confirmed = gs.checked(doubted(ACCEPTED, gs.DOUBTS_BEFORE_PROPOSED - 1), registration(A), A)
    assert doubted(confirmed, gs.DOUBTS_BEFORE_PROPOSED - 1).state == "accepted"


def test_doubts_do_not_undo_what_a_person_accepted_until_the_view_changes():
    by_person = gs.person_accepts(gs.started_from(registration(A, "caution"), A))
    assert doubted(by_person, 3 * gs.DOUBTS_BEFORE_PROPOSED).state == "accepted"
    moved = gs.saw_geometry(by_person, B)
    back = gs.checked(gs.saw_geometry(moved, A), registration(A), A)
    assert back.state == "accepted"
    assert doubted(back, gs.DOUBTS_BEFORE_PROPOSED).state == "proposed"


def test_changed_view_keeps_the_pose_but_takes_the_right_to_draw_it():
    moved = gs.saw_geometry(ACCEPTED, B)
    assert moved.state == "stale"
    assert moved.registration is ACCEPTED.registration
    assert moved.checked_geometry is None
    assert gs.saw_geometry(moved, A).state == "stale", "turning back is a changed view too"


def test_check_on_the_new_view_brings_it_back():
    moved = gs.saw_geometry(ACCEPTED, B)
    assert gs.checked(moved, registration(B), B).state == "accepted"
    assert gs.checked(moved, registration(A), A).state == "stale", "a check on the old view says nothing"


def test_one_bad_frame_hides_nothing_but_several_do():
    now = ACCEPTED
    for _ in range(gs.MISSES_BEFORE_STALE - 1):
        now = gs.checked(now, registration(A, "rejected"), A)
    assert now.state == "accepted"
    now = gs.checked(now, registration(A, "rejected"), A)
    assert now.state == "stale"
    assert now.wanted


def test_pose_that_never_fits_the_new_view_is_searched_for_again():
    now = gs.saw_geometry(ACCEPTED, B)
    for _ in range(gs.MISSES_BEFORE_ANEW):
        now = gs.checked(now, registration(B, "rejected"), B)
    assert now.wanted


def test_lost_engine_keeps_the_pose_and_starts_its_cold_start_again():
    assert gs.engine_lost(ACCEPTED).registration is ACCEPTED.registration
    running = gs.registration_started(gs.saw_geometry(Situation(), A))
    lost = gs.engine_lost(running)
    assert lost.wanted
    assert not lost.registering


def test_rejected_pose_stays_away_until_a_person_asks():
    rejected = gs.person_rejects(ACCEPTED)
    assert gs.checked(rejected, registration(A), A) == rejected
    assert not rejected.wanted
    assert gs.person_asks(rejected).wanted


VIEWS = st.sampled_from([A, B, geometry(0.0, 15.0), geometry(0.04), geometry(sid_mm=1100.0), None])
STATUS = st.sampled_from(["accepted", "caution", "rejected"])
EVENTS = st.one_of(
    st.tuples(st.just("frame"), VIEWS),
    st.tuples(st.just("check"), STATUS),
    st.tuples(st.just("check_of_older_frame"), STATUS),
    st.tuples(st.just("start"), st.none()),
    st.tuples(st.just("finish"), STATUS),
    st.tuples(st.just("fail"), st.none()),
    st.tuples(st.just("accept"), st.none()),
    st.tuples(st.just("reject"), st.none()),
    st.tuples(st.just("ask"), st.none()),
    st.tuples(st.just("lost"), st.none()),
    st.tuples(st.just("wait"), st.integers(0, 800)),
)


class _World:
    """Plays events in any order and remembers, independently of the machine, which view was last found to fit."""

    def __init__(self, situation: Situation) -> None:
        self.now = situation
        self.frame = None
        self.index = 0
        self.clock_ns = 0
        self.computed = None
        self.cold_start = None
        self.vouched_for = situation.checked_geometry
        self.previous_view = None

    def play(self, kind, value) -> None:
        if kind == "frame":
            self._frame(value)
        elif kind == "wait":
            self.clock_ns += value * 1_000_000
        elif kind in ("check", "check_of_older_frame"):
            view = self.previous_view if kind == "check_of_older_frame" else self.now.geometry
            if view is not None:
                before, self.now = self.now, gs.checked(self.now, registration(view, value), view)
                if self.now is not before and value == "accepted" and self.now.checked_geometry is view:
                    self.vouched_for = view
        elif kind == "start" and self.now.geometry is not None:
            self.now = gs.registration_started(self.now)
            self.cold_start = (self.now.geometry, self.now.generation)
        elif kind == "finish" and self.cold_start is not None:
            view, generation = self.cold_start
            before = self.now
            self.now = gs.registration_finished(self.now, registration(view, value), view, generation)
            if self.now is not before and self.now.checked_geometry is view and value != "rejected":
                self.vouched_for = view
        elif kind == "fail" and self.cold_start is not None:
            self.now = gs.registration_failed(self.now, "test", self.cold_start[1])
        elif kind == "accept":
            self.now = gs.person_accepts(self.now)
        elif kind == "reject":
            self.now = gs.person_rejects(self.now)
        elif kind == "ask":
            self.now = gs.person_asks(self.now)
        elif kind == "lost":
            self.now, self.computed = gs.engine_lost(self.now), None
        self._compute()

    def _frame(self, view) -> None:
        self.previous_view = self.now.geometry
        if view is not None and self.now.geometry is not None and not view.same_view(self.now.geometry):
            self.vouched_for = None
        run = FakeRun(geometries={0: view})
        self.frame = numbered(run.frame(0), self.index, self.clock_ns)
        self.index += 1
        self.clock_ns += 66_000_000
        self.now = gs.saw_geometry(self.now, view)

    def _compute(self) -> None:
        """The engine draws whatever its situation allows, as the pipeline does."""
        now, frame = self.now, self.frame
        if frame is None or frame.geometry is None or now.checked_geometry is None:
            return
        if now.checked_geometry.same_view(frame.geometry) and (overlay := overlay_of(frame, now)) is not None:
            self.computed = ComputedOverlay(overlay=overlay, frame_received_ns=frame.received_ns)

    def decision(self, **changes):
        assert self.frame is not None
        given = {"engine_up": True, "limits": OverlayLimits()} | changes
        return decide_overlay(self.frame, self.computed, self.now, **given)


@settings(max_examples=300, deadline=None)
@given(start=st.sampled_from([Situation(), ACCEPTED]), events=st.lists(EVENTS, max_size=25))
def test_no_sequence_of_events_leads_to_a_valid_overlay_on_an_unsupported_frame(start, events):
    world = _World(start)
    for kind, value in events:
        world.play(kind, value)
        if world.frame is None:
            continue
        decision = world.decision()
        if decision.state == "hidden":
            assert decision.overlay is None
            assert decision.reason
            continue
        view = world.frame.geometry
        assert view is not None, "drawn on a frame without geometry"
        assert decision.overlay is not None
        assert decision.overlay.geometry.same_view(view)
        assert world.vouched_for is not None, "drawn on a view that nothing vouches for"
        assert world.vouched_for.same_view(view)
        assert decision.age_ms is not None
        assert 0 <= decision.age_ms <= 500
        if decision.state == "valid":
            assert world.now.state == "accepted"
            assert decision.age_ms <= 250
        assert world.decision(engine_up=False).state == "hidden"


def _decide(frame=None, situation=ACCEPTED, age_ms=0.0, **changes):
    frame = frame or numbered(FakeRun().frame(0), 3, 10_000_000_000)
    overlay = overlay_of(frame, situation)
    computed = None
    if overlay is not None:
        computed = ComputedOverlay(overlay=overlay, frame_received_ns=frame.received_ns - round(age_ms * 1e6))
    return decide_overlay(frame, computed, situation, **({"engine_up": True, "limits": OverlayLimits()} | changes))


@pytest.mark.parametrize(
    ("age_ms", "state"), [(0, "valid"), (249, "valid"), (251, "stale"), (499, "stale"), (501, "hidden")]
)
def test_age_decides_between_valid_marked_and_hidden(age_ms, state):
    assert _decide(age_ms=age_ms).state == state


def test_slow_series_keeps_the_last_overlay_marked_until_the_next_one_is_there():
    frame = replace(numbered(FakeRun().frame(0), 3, 10_000_000_000), frame_time_ms=1000.0)
    assert _decide(frame=frame, age_ms=1000).state == "stale"


def test_proposed_registration_is_drawn_only_marked():
    proposed = gs.started_from(registration(A, "caution"), A)
    assert _decide(situation=proposed).state == "stale"


def test_frozen_picture_is_never_called_valid():
    decision = _decide(picture_fault=PictureFault(text="the picture stands still", held_ms=1000.0))
    assert (decision.state, decision.reason) == ("stale", "the picture stands still")


def test_picture_that_nothing_follows_loses_its_overlay_after_a_while():
    held = _decide(picture_fault=PictureFault(text="no new picture from the source", held_ms=30_001.0))
    assert (held.state, held.overlay) == ("hidden", None)
    assert "no new picture" in held.reason


def test_picture_of_another_size_than_its_geometry_gets_no_overlay():
    frame = numbered(FakeRun().frame(0), 3, 10_000_000_000)
    assert _decide(frame=replace(frame, pixels=frame.pixels[:, :32])).state == "hidden"


def test_proposed_pose_is_only_proposed_on_another_view_too():
    moved = gs.saw_geometry(gs.started_from(registration(A, "caution"), A), B)
    found = gs.checked(moved, registration(B), B)
    assert (found.state, found.reason) == ("proposed", "registration proposed: check it and accept")
    accepted = gs.person_accepts(found)
    assert gs.checked(gs.saw_geometry(accepted, A), registration(A), A).state == "accepted"


def test_first_stated_table_position_is_what_moves_are_measured_from():
    still = gs.saw_geometry(ACCEPTED, replace(A, table_mm=(0.0, 0.0, 0.0)))
    assert (still.state, still.generation) == ("accepted", ACCEPTED.generation)
    assert gs.saw_geometry(still, replace(A, table_mm=(0.0, 40.0, 0.0))).state == "stale"


def test_unknown_pixel_size_hides_the_overlay():
    frame = numbered(FakeRun().frame(0), 3, 10_000_000_000)
    blind = replace(frame, geometry=replace(A, column_spacing_mm=float("nan")))
    assert _decide(frame=blind).state == "hidden"


def test_overlay_of_an_older_generation_is_hidden():
    frame = numbered(FakeRun().frame(0), 3, 10_000_000_000)
    overlay = overlay_of(frame, ACCEPTED)
    assert overlay is not None
    newer = replace(ACCEPTED, generation=ACCEPTED.generation + 1)
    computed = ComputedOverlay(overlay=overlay, frame_received_ns=frame.received_ns)
    assert decide_overlay(frame, computed, newer, engine_up=True, limits=OverlayLimits()).state == "hidden"


@pytest.mark.parametrize(
    ("situation", "why"),
    [
        (replace(ACCEPTED, checked_geometry=None), "never checked on this view"),
        (replace(ACCEPTED, checked_geometry=B), "checked on another view"),
        (replace(ACCEPTED, state="stale", reason="stale"), "stale"),
        (replace(ACCEPTED, state="rejected", reason="rejected"), "rejected"),
        (replace(ACCEPTED, state="unregistered", reason="unregistered"), "unregistered"),
    ],
)
def test_each_condition_hides_the_overlay_by_itself(situation, why):
    frame = numbered(FakeRun().frame(0), 3, 10_000_000_000)
    overlay = overlay_of(frame, ACCEPTED)
    assert overlay is not None
    computed = ComputedOverlay(overlay=overlay, frame_received_ns=frame.received_ns)
    decision = decide_overlay(frame, computed, situation, engine_up=True, limits=OverlayLimits())
    assert decision.state == "hidden", why


def test_overlay_computed_for_another_view_is_hidden_even_if_the_pose_was_checked_here():
    frame = numbered(FakeRun().frame(0), 3, 10_000_000_000)
    overlay = overlay_of(frame, ACCEPTED)
    assert overlay is not None
    elsewhere = ComputedOverlay(overlay=replace(overlay, geometry=B), frame_received_ns=frame.received_ns)
    assert decide_overlay(frame, elsewhere, ACCEPTED, engine_up=True, limits=OverlayLimits()).state == "hidden"


# Evidence -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("evidence", "state"),
    [
        (None, "stale"),
        (Evidence(kind="vessel", age_s=0.0), "valid"),
        (Evidence(kind="vessel", age_s=0.7), "stale"),
        (Evidence(kind="anatomy", age_s=60.0), "valid"),
        (Evidence(kind="anatomy", age_s=200.0), "stale"),
        (Evidence(kind="carried", age_s=0.6), "stale"),
        (Evidence(kind="carried", age_s=11.0), "hidden"),
    ],
)
def test_only_vessels_and_bones_make_an_overlay_valid_and_only_for_a_while(evidence, state):
    frame = FakeRun().frame(0)
    drawn = replace(overlay_of(frame, ACCEPTED), evidence=evidence)
    computed = ComputedOverlay(overlay=drawn, frame_received_ns=frame.received_ns)
    decision = decide_overlay(frame, computed, ACCEPTED, engine_up=True, limits=OverlayLimits())
    assert decision.state == state
    assert (decision.reason == "") == (state == "valid")


def test_bones_that_have_gone_leave_the_pose_to_a_check():
    left = gs.anatomy_left(ACCEPTED)
    assert (left.state, left.checked_geometry, left.wanted) == ("stale", None, True)
    assert gs.anatomy_left(Situation()) == Situation()


def test_a_pose_for_a_run_that_names_no_or_another_patient_is_never_accepted_by_itself():
    seen = gs.saw_patient(gs.saw_geometry(Situation(), A), vouched=False)
    running = gs.registration_started(seen)
    found = gs.registration_finished(running, registration(A), A, running.generation)
    assert found.state == "proposed"
    for _ in range(50):
        found = gs.checked(found, registration(A), A)
    assert found.state == "proposed", "pictures that fit do not say whose they are"
    accepted = gs.person_accepts(found)
    assert accepted.state == "accepted"
    assert gs.checked(accepted, registration(A), A).state == "accepted"


def test_what_was_accepted_for_one_patient_is_a_proposal_for_another():
    other = gs.saw_patient(ACCEPTED, vouched=False)
    assert other.state == "proposed"
    assert other.generation > ACCEPTED.generation
    assert gs.checked(other, registration(A), A).state == "proposed"
    assert gs.saw_patient(ACCEPTED, vouched=True) is ACCEPTED


def test_a_rejection_can_be_taken_back_and_comes_back_as_a_proposal():
    rejected = gs.person_rejects(ACCEPTED)
    assert rejected.registration is None
    back = gs.person_takes_back(rejected)
    assert back.state == "proposed"
    assert back.registration is ACCEPTED.registration
    assert back.generation > rejected.generation
    assert gs.checked(back, registration(A), A).state == "accepted"
    assert gs.person_takes_back(back) is back


def test_on_another_view_a_rejection_taken_back_waits_for_a_check():
    turned = gs.saw_geometry(gs.person_rejects(ACCEPTED), B)
    back = gs.person_takes_back(turned)
    assert back.state == "stale"
    assert back.checked_geometry is None


def test_asking_for_a_new_registration_ends_the_way_back():
    asked = gs.person_asks(gs.person_rejects(ACCEPTED))
    assert asked.rejected is None
    assert gs.person_takes_back(asked) is asked


@given(
    steps=st.lists(st.sampled_from(["turn", "accept", "reject", "back", "ask", "start", "fit", "miss"]), max_size=30)
)
def test_no_way_leads_to_an_accepted_foreign_run_but_a_persons_word(steps):
    now, word = gs.saw_patient(gs.saw_geometry(Situation(), A), vouched=False), False
    views = [A, B]
    for step in steps:
        match step:
            case "turn":
                views.reverse()
                now = gs.saw_geometry(now, views[0])
            case "accept":
                word = word or now.state == "proposed"
                now = gs.person_accepts(now)
            case "reject":
                now = gs.person_rejects(now)
            case "back":
                now = gs.person_takes_back(now)
            case "ask":
                now = gs.person_asks(now)
            case "start":
                now = gs.registration_started(now)
                now = gs.registration_finished(now, registration(views[0]), views[0], now.generation)
            case "fit":
                now = gs.checked(now, registration(views[0]), views[0])
            case _:
                now = gs.checked(now, registration(views[0], "rejected"), views[0])
        assert now.state != "accepted" or word


def test_what_was_left_by_a_program_that_ended_is_proposed_and_only_a_person_accepts_it():
    back = gs.came_back(registration(A), A, same_picture=True)
    assert (back.state, back.why, back.unconfirmed, back.wanted) == ("proposed", "came_back", True, False)
    seen = gs.checked(gs.saw_geometry(back, A), registration(A), A)
    assert (seen.state, seen.why) == ("proposed", "proposed")
    assert gs.person_accepts(back).state == "accepted"
    assert gs.saw_geometry(back, B).state == "stale"
    assert gs.came_back(registration(A), None, same_picture=True).state == "stale"


def test_what_was_left_is_drawn_marked_on_a_frame_without_vessels_until_a_person_decides():
    back = gs.came_back(registration(A), A, same_picture=True)
    frame = numbered(FakeRun(geometries={0: A}).frame(0), 3, 10_000_000_000)
    drawable = overlay_of(frame, back)
    assert drawable is not None
    silent = replace(drawable, evidence=Evidence(kind="carried", age_s=float("inf")))
    computed = ComputedOverlay(overlay=silent, frame_received_ns=frame.received_ns)
    drawn = decide_overlay(frame, computed, back, engine_up=True, limits=OverlayLimits())
    assert (drawn.state, drawn.why.code) == ("stale", "came_back")
    proposed = replace(back, why="proposed")
    assert decide_overlay(frame, computed, proposed, engine_up=True, limits=OverlayLimits()).state == "hidden"
