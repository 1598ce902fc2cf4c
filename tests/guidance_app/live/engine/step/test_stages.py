"""Each stage of a frame's way by itself: the door, then see, judge, place, draw."""

from dataclasses import replace

import numpy as np
import pytest

from engines.angiography.frame import Frame
from guidance_app.live import guidance_state
from guidance_app.live.engine.model_projection import ProjectedModel
from guidance_app.live.engine.step.contrast_memory import ContrastMemory
from guidance_app.live.engine.step.door import Admitted, Door
from guidance_app.live.engine.step.draw import Draw
from guidance_app.live.engine.step.judge import Judge, Judged, ReadyView, Tracked
from guidance_app.live.engine.step.place import Placed, Placing
from guidance_app.live.engine.step.see import See, Seen
from guidance_app.live.guidance_state import Situation
from tests.guidance_app.live.engine.test_model_motion import motion_along_camera_x
from tests.guidance_app.live.engine.test_pipeline import MODEL, Registrar, Segmenter, frame_with
from tests.guidance_app.live.stand_ins import geometry, registration

ACCEPTED = guidance_state.started_from(registration(), geometry())
TURNED = geometry(30.0)


def admitted(frame: Frame, situation: Situation = ACCEPTED) -> Admitted:
    return Door().admit(frame, situation)


def seen(came: Admitted) -> Seen:
    return seen_by(See(Segmenter(), None, threshold=0.5), came)


def seen_by(see: See, came: Admitted) -> Seen:
    shown = see.shown(came)
    return see.weigh(came, shown, see.segment(came, shown))


# The door -----------------------------------------------------------------------------------------------------------
def test_frames_of_one_view_carry_the_same_key_and_others_do_not():
    door = Door()
    first, jittered, turned, unknown, back = (
        door.admit(replace(frame_with(6), geometry=view), ACCEPTED).key
        for view in (geometry(), geometry(0.01), TURNED, None, TURNED)
    )
    assert first is not None
    assert first is jittered
    assert turned is not None
    assert turned is not first
    assert unknown is None
    assert back is turned, "a picture without geometry does not end a view"


def test_slow_turn_ends_the_view_though_no_step_of_it_would():
    door = Door()
    keys = [door.admit(frame_with(6, view=geometry(0.03 * step)), ACCEPTED).key for step in range(4)]
    assert keys[0] is keys[1]
    assert keys[3] is not keys[0]


def test_the_door_takes_the_right_to_draw_away_from_another_view():
    assert admitted(frame_with(6)).situation.checked_geometry is not None
    assert admitted(frame_with(6, view=TURNED)).situation.checked_geometry is None


# See ----------------------------------------------------------------------------------------------------------------
def test_seeing_hands_on_a_view_only_where_vessels_are_filled_and_the_geometry_is_known():
    assert seen(admitted(frame_with(6))).view is not None
    assert seen(admitted(frame_with(0))).view is None
    assert seen(admitted(replace(frame_with(6), geometry=None))).view is None


def remembering(came_with_contrast) -> ContrastMemory:
    """A memory whose gate is open in these columns."""

    class Gate:
        def gate(self, frame):
            return np.where(came_with_contrast, 1.0, 0.0)[None, :] * np.ones(frame.shape_px)

    class Known(ContrastMemory):
        def background(self, frame, key):  # noqa: ARG002 - the seam's signature
            return Gate()

    return Known()


def test_a_picture_whose_vessels_were_all_there_before_the_bolus_counts_as_unfilled():
    see = See(Segmenter(), remembering(np.zeros(64, bool)), threshold=0.5)
    came = admitted(frame_with(6))
    found = seen_by(see, came)
    assert found.view is None
    assert found.vessel_share == 0.0


def test_what_was_as_dark_before_the_bolus_is_gone_from_the_gated_view_alone():
    see = See(Segmenter(), remembering(np.arange(64) >= 32), threshold=0.5)
    came = admitted(frame_with(6))
    found = seen_by(see, came)
    assert found.view is not None
    assert found.gated is not None
    assert found.view.vessel[12, 10] == found.view.vessel[12, 50] == 1.0
    assert (found.gated.vessel[12, 10], found.gated.vessel[12, 50]) == (0.0, 1.0)
    assert [frame.index for frame in found.past] == [0]


# Judge --------------------------------------------------------------------------------------------------------------
def test_judging_checks_the_pose_on_the_gated_view_once_prepared():
    class Counting(Registrar):
        prepared = 0

        def prepare(self, view):
            self.prepared += 1
            return super().prepare(view)

    before = replace(geometry(), table_mm=(0.0, 0.0, 0.0))
    moved = frame_with(6, view=replace(geometry(), table_mm=(0.0, 3.0, 0.0)))
    registrar = Counting()
    came = admitted(moved, guidance_state.started_from(registration(), before))
    judged = Judge(registrar).judge(came, seen(came))
    assert judged.confirmed
    assert judged.situation.state == "accepted"
    assert registrar.tracked > 1, "a table's move can be read in several ways"
    assert registrar.prepared == 1


def test_judging_without_vessels_confirms_nothing_and_takes_nothing_away():
    came = admitted(frame_with(0))
    judged = Judge(Registrar("rejected")).judge(came, seen(came))
    assert judged.tracked is None
    assert not judged.confirmed
    assert judged.situation.state == "accepted"


@pytest.mark.parametrize("status", ["caution", "rejected"])
def test_a_check_that_fails_confirms_nothing(status):
    came = admitted(frame_with(6))
    judged = Judge(Registrar(status)).judge(came, seen(came))
    assert judged.tracked is not None
    assert not judged.confirmed
    assert judged.situation.registration is ACCEPTED.registration


# Place --------------------------------------------------------------------------------------------------------------
class Mover:
    def move(self, found, ready):  # noqa: ARG002 - the seam's signature
        return replace(found, deformation=motion_along_camera_x(2.0))


def judged_here(came: Admitted) -> Judged:
    found = registration()
    view = seen(came).view
    assert view is not None
    situation = guidance_state.checked(came.situation, found, geometry())
    return Judged(situation=situation, tracked=Tracked(found=found, ready=ReadyView(view=view)), confirmed=True)


def test_placing_draws_this_frames_motion_and_remembers_it_for_the_next():
    came = admitted(frame_with(6))
    placed = Placing(Mover()).place(came, judged_here(came))
    assert placed.moved
    assert placed.place is not None
    assert placed.place.motion is not None
    assert placed.situation.registration is not None
    assert placed.situation.registration.deformation is placed.place.motion


def test_placing_says_that_no_motion_was_looked_for_where_none_is_followed():
    came = admitted(frame_with(6))
    assert not Placing(Registrar()).place(came, judged_here(came)).moved


def test_nothing_is_placed_on_a_view_that_the_pose_was_not_checked_on():
    came = admitted(frame_with(0, view=TURNED))
    assert Placing(Registrar()).place(came, Judged(situation=came.situation)).place is None


# Draw ---------------------------------------------------------------------------------------------------------------
def test_drawing_outlines_the_vessels_even_where_the_model_has_no_place():
    came = admitted(frame_with(6))
    drawn = Draw(ProjectedModel(MODEL), threshold=0.5).draw(
        came, seen(came), Placed(situation=came.situation, place=None), None
    )
    assert drawn.overlay is None
    assert len(drawn.vessel_outline) == 1
