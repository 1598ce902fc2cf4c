"""Correcting a registration by hand: handles, landmark pairs, and a pose that was too weak, looked at.

Nothing here touches guidance before a person proposes the pose; and then it is a proposal, like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from guidance_app.live.guidance import ScreenState
from guidance_app.rooms.live.guided_session import GuidedSession
from guidance_app.rooms.live.judging.drafts import Draft, told_of, with_pairs
from guidance_app.rooms.live.judging.hand_history import History
from guidance_app.rooms.live.judging.hand_tool import HandTool
from guidance_app.rooms.live.judging.handles import Nudge
from guidance_app.rooms.live.judging.landmark_pairs import LandmarkPairs
from guidance_app.views.live_view import LiveView
from guidance_app.views.picture_tool import Pointer

if TYPE_CHECKING:
    import numpy as np

    from calibration.carm import CArmGeometry
    from calibration.pose import RigidPose
    from engines.angiography.frame import Frame
    from guidance_app.rooms.live.judging.judged_model import JudgedModel

HandMode = Literal["off", "handles", "landmarks", "weak"]
_REACH_VIEW_PX = 25.0  # of a click from the model's line


class HandDesk:
    """Attributes:
    mode: what the mouse does now.
    status: one line on what to do next, or why not; for the panel.
    changed: called after every change that a panel or a list shows.
    model: gives the case's model once it has been made.
    """

    def __init__(self, view: LiveView, *, model: Callable[[], JudgedModel | None], say: Callable[[str], None]) -> None:
        self.mode: HandMode = "off"
        self.status = ""
        self.changed: Callable[[], None] = lambda: None
        self.tool = HandTool(moved=self._drag, ended=self._drag_ended, clicked=self._click, mode=lambda: view.mode)
        self._view = view
        self._model, self._say = model, say
        self._history: History[Draft] | None = None
        self._dragged: RigidPose | None = None
        self._geometry: CArmGeometry | None = None  # the view that the draft was made on
        self._screen: ScreenState | None = None
        self._session: GuidedSession | None = None
        self._weak_pose: RigidPose | None = None
        self._wanted: HandMode = "off"  # as soon as the model is there

    # What is shown

    @property
    def pose(self) -> RigidPose | None:
        """The pose that is shown in place of guidance's own; None while that is shown."""
        if self.mode == "weak":
            return self._weak_pose
        if self._history is None:
            return None
        return self._history.current.pose if self._dragged is None else self._dragged

    @property
    def geometry(self) -> CArmGeometry | None:
        return self._geometry

    def model_came(self) -> None:
        """The case's model has been made: begin what was asked for meanwhile."""
        wanted, self._wanted = self._wanted, "off"
        begin = {"handles": self.toggle_handles, "landmarks": self.toggle_landmarks, "weak": self.toggle_weak}
        if wanted in begin and self.mode == "off":
            self._say(begin[wanted]())

    def see(self, screen: ScreenState, session: GuidedSession) -> None:
        """A new state is on the screen: a draft belongs to the view that it was made on."""
        if session is not self._session and self.mode != "off":
            self.leave()
        self._screen, self._session = screen, session
        frame = screen.frame
        if self.mode == "off" or self._geometry is None:
            return
        if frame is None or frame.geometry is None or not frame.geometry.continues(self._geometry):
            self.leave()
            self._say("The view changed: what was not proposed is gone")

    # Why something cannot be done now, "" where it can

    def no_hand(self) -> str:
        return "No picture whose C-arm angles are known" if self._frame() is None else ""

    def no_draft(self) -> str:
        return "" if self._history is not None else "Nothing is being corrected (P or L begins)"

    def no_weak(self) -> str:
        weak, frame = (None if self._session is None else self._session.weak), self._frame()
        if weak is None:
            return "No search has found a pose that was too weak"
        here = frame is not None and frame.geometry is not None and frame.geometry.continues(weak.geometry)
        return self.no_hand() or ("" if here else "The pose that was too weak belongs to another view")

    def no_undo(self) -> str:
        if self._history is not None:
            return "" if self._history.can_undo else "Nothing to undo"
        by_hand = self._session is not None and self._session.situation.by_hand
        return "" if by_hand else "Nothing to undo"

    def no_redo(self) -> str:
        return "" if self._history is not None and self._history.can_redo else "Nothing to redo"

    # What a person does

    def toggle_handles(self) -> str:
        return self._toggle("handles", "Drag the handles or use the keys. Enter proposes, Esc leaves.")

    def toggle_landmarks(self) -> str:
        return self._toggle("landmarks", "Click a point of the model, then its place in the picture.")

    def toggle_weak(self) -> str:
        if self.mode == "weak":
            self.leave()
            return ""
        if refusal := self.no_weak():
            return refusal
        assert self._session is not None
        weak, frame = self._session.weak, self._frame()
        assert weak is not None
        assert frame is not None
        if self._model() is None:
            self._wanted = "weak"
            return "The model is being loaded"
        self.leave()
        self.mode, self._weak_pose, self._geometry = "weak", weak.registration.isocentre_from_lps, frame.geometry
        reasons = "; ".join(weak.registration.reasons) or "it does not fit the picture"
        self.status = f"P corrects it by hand. Too weak: {reasons}."
        self._show()
        return "The pose that the program rejected, only to judge"

    def nudge(self, nudge: Nudge) -> str:
        """One step by key."""
        if self._history is None:
            return self.no_draft()
        self._history.push(Draft(pose=self._moved(nudge), pairs=self._history.current.pairs))
        self._show()
        return ""

    def undo(self) -> str:
        if refusal := self.no_undo():
            return refusal
        if self._history is None:
            assert self._session is not None
            self._session.commands.withdraw_hand()
            return "What was proposed by hand is taken back"
        self._history.undo()
        self._show()
        return ""

    def redo(self) -> str:
        if self._history is None or not self._history.redo():
            return "Nothing to redo"
        self._show()
        return ""

    def propose(self) -> str:
        """Hand the draft to guidance, as a proposal."""
        if self._history is None or self._session is None or self._geometry is None:
            return self.no_draft()
        model = self._model()
        assert model is not None
        told = told_of(self._history.current, self._history.first.pose, self._geometry, model.pivot_mm)
        if not self._session.commands.place_by_hand(self._history.current.pose, told):
            return "This picture does not say how the C-arm stood: nothing can be proposed"
        self.leave()
        return "Proposed by hand. Enter accepts, G registers from here, Ctrl+Z takes it back."

    def register_from_here(self) -> str:
        """Propose the draft, and search from there."""
        line = self.propose()
        if self._history is None and self._session is not None:
            self._session.commands.request_registration()
            return "Registers from the pose by hand"
        return line

    def leave(self) -> str:
        """Back to guidance's own overlay; a draft that was not proposed is gone."""
        self.mode, self._history, self._dragged, self._weak_pose = "off", None, None, None
        self._geometry, self.status, self._wanted = None, "", "off"
        self._show()
        return ""

    def declare_wire(self) -> str:
        """Say that a stiff wire lies inside, or no longer."""
        if self._session is None:
            return "No run is open; choose a case first"
        inside = not self._session.situation.wire
        self._session.commands.declare_wire(inside=inside)
        self.changed()
        return "Stiff wire inside: wider halo" if inside else "No stiff wire inside"

    @property
    def wire(self) -> bool:
        return self._session is not None and self._session.situation.wire

    # Inside

    def _frame(self) -> Frame | None:
        frame = None if self._screen is None else self._screen.frame
        return None if frame is None or frame.geometry is None else frame

    def _toggle(self, mode: HandMode, status: str) -> str:
        if self.mode == mode:
            return self.leave()
        if refusal := self.no_hand():
            return refusal
        frame = self._frame()
        assert frame is not None
        if self._model() is None:
            self._wanted = mode
            return "The model is being loaded"
        if self._history is None:
            self._history = History(Draft(pose=self._first_pose(), pairs=LandmarkPairs()))
            self._geometry = frame.geometry
        self.mode, self.status = mode, status
        self._show()
        return status

    def _first_pose(self) -> RigidPose:
        """What is shown now; without any pose, as the header has it."""
        from engines.registration.hand_pose import header_pose

        if self._weak_pose is not None:
            return self._weak_pose
        found = None if self._session is None else self._session.registration
        model = self._model()
        assert model is not None
        return header_pose(model.pivot_mm) if found is None else found.isocentre_from_lps

    def _moved(self, nudge: Nudge) -> RigidPose:
        from engines.registration.hand_pose import moved_in_view

        model = self._model()
        assert self._history is not None
        assert self._geometry is not None
        assert model is not None
        pose = self._history.current.pose
        return moved_in_view(
            pose, self._geometry, model.pivot_mm, shift_mm=nudge.shift_mm, turn_rad=nudge.turn_rad
        )  # fmt: skip

    def _drag(self, nudge: Nudge) -> None:
        self._dragged = self._moved(nudge)
        self._show()

    def _drag_ended(self) -> None:
        if self._history is not None and self._dragged is not None:
            self._history.push(Draft(pose=self._dragged, pairs=self._history.current.pairs))
        self._dragged = None
        self._show()

    def _click(self, pointer: Pointer) -> bool:
        """A model point first, then its place."""
        model = self._model()
        if self.mode != "landmarks" or self._history is None or self._geometry is None or model is None:
            return False
        draft = self._history.current
        at = (pointer.column, pointer.row)
        if draft.pairs.waiting_mm is None:
            found = model.nearest_place(draft.pose, self._geometry, at)
            if found is None or found.away_px * pointer.scale > _REACH_VIEW_PX:
                self._tell("Click nearer to the model's line")
                return True
            self._history.push(
                Draft(
                    pose=draft.pose, pairs=draft.pairs.with_point(found.point_lps_mm), residuals_mm=draft.residuals_mm
                )
            )
            self._tell("Now click its place in the picture")
        else:
            solved, told = with_pairs(draft, draft.pairs.with_place(*at), self._geometry, self._history.first.pose)
            self._history.push(solved)
            self._tell(told)
        self._show()
        return True

    def _tell(self, line: str) -> None:
        self.status = line
        self._say(line)
        self.changed()

    def _show(self) -> None:
        """Hand the tool what is to be painted now."""
        pose, geometry, frame, tool = self.pose, self._geometry, self._frame(), self.tool
        # Asking for the model has it made, which costs a second: not before it is needed.
        model = None if self.mode == "off" else self._model()
        if frame is None or pose is None or model is None or geometry is None:
            tool.overlay = tool.pivot_px = tool.waiting_px = tool.residuals_mm = None
            tool.points_px = tool.places_px = _no_places()
        else:
            projection = geometry.projection(pose)
            tool.overlay, tool.weak = model.overlay(frame, geometry, pose), self.mode == "weak"
            tool.pivot_px = projection.project(model.pivot_mm[None])[0][0] if self.mode == "handles" else None
            pairs = LandmarkPairs() if self._history is None else self._history.current.pairs
            tool.points_px, tool.places_px = projection.project(pairs.points_mm())[0], pairs.places_px()
            tool.residuals_mm = None if self._history is None else self._history.current.residuals_mm
            waiting = pairs.waiting_mm
            tool.waiting_px = None if waiting is None else projection.project(waiting[None])[0][0]
        if tool in self._view.tools and self.mode == "off":
            self._view.tools.remove(tool)
        elif tool not in self._view.tools and self.mode != "off":
            self._view.tools.append(tool)
        self._view.update()
        self.changed()


def _no_places() -> np.ndarray:
    import numpy as np

    return np.empty((0, 2))
