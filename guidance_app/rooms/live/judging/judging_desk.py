"""What judging does at a person's keys and clicks, and when it judges anew."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PyQt6.QtCore import QTimer

from guidance_app.live.guidance import GuidanceResult, ScreenState
from guidance_app.panels.background import Background
from guidance_app.rooms.live.guided_session import GuidedSession
from guidance_app.rooms.live.judging.comparison import Comparison
from guidance_app.rooms.live.judging.hand_desk import HandDesk
from guidance_app.rooms.live.judging.judging_tool import JudgingTool
from guidance_app.views.live_view import LiveView

if TYPE_CHECKING:
    from calibration.carm import CArmGeometry
    from calibration.pose import RigidPose
    from guidance_app.rooms.live.judging.judged_model import JudgedBranch, JudgedModel, Judgement

_AGAIN_NS = 400_000_000  # while frames flow; a list that changes faster cannot be read
_TURN_MS = 450  # of picture and model: slow enough to look, quick enough that a jump is seen

_NO_VESSEL = "This picture shows no vessel to judge by."

MakeModel = Callable[[], "JudgedModel"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Subject:
    """What is judged: this pose on the vessels of this result."""

    pose: RigidPose
    geometry: CArmGeometry
    result: GuidanceResult

    def is_same(self, other: _Subject | None) -> bool:
        return other is not None and self.result is other.result and self.pose is other.pose


class JudgingDesk:
    """Costs nothing until it is opened: the model is made then, and judged off Qt's thread.

    Attributes:
        judgement: the newest; None before the first and after the pose has gone.
        changed: called after every change that the panel shows.
        problem: why nothing can be judged; "" when something can.
        hand: what corrects the registration by hand; its draft is judged in place of guidance's own pose.
    """

    def __init__(self, view: LiveView, *, say: Callable[[str], None]) -> None:
        self.tool = JudgingTool()
        self.hand = HandDesk(view, model=self.wanted_model, say=say)
        self.hand.changed = self._hand_changed
        self.judgement: Judgement | None = None
        self.problem = ""
        self.is_open = False
        self.changed: Callable[[], None] = lambda: None
        self.model: JudgedModel | None = None
        self._view = view
        self._make: MakeModel | None = None
        self._making = False
        self._chosen = ""  # name of the branch, which stays chosen while the list is sorted anew
        self._screen: ScreenState | None = None
        self._session: GuidedSession | None = None
        self._judged: _Subject | None = None
        self._judged_ns = 0
        self._told_behind = False
        self._judging = False
        self._background = Background(view)
        self._turns = QTimer(view)
        self._turns.setInterval(_TURN_MS)
        self._turns.timeout.connect(self._turn)

    def take(self, make_model: MakeModel) -> None:
        """Another case, or another run of it: judge on its model from now on."""
        self._make, self.model, self._making = make_model, None, False
        self.hand.leave()
        self._forget()
        if self.is_open:
            self._need_model()

    def close(self) -> None:
        self._turns.stop()
        self._background.close()

    @property
    def busy(self) -> bool:
        """Something is being made or judged."""
        return self._background.busy

    # What a person does

    def toggle(self) -> str:
        self.is_open = not self.is_open
        if not self.is_open:
            self.hand.leave()
            self.compare(None)
            self._choose(None)
            if self.tool in self._view.tools:
                self._view.tools.remove(self.tool)
        else:
            self._view.tools.insert(0, self.tool)
            self._need_model()
            self._look()
        self._view.update()
        self.changed()
        return "Judging: the worst branch is first" if self.is_open else ""

    def no_judging(self) -> str:
        return "" if self.is_open else "Open judging first (J)"

    def compare(self, how: Comparison | None) -> str:
        """Show picture and model against each other; the same again ends it."""
        self.tool.comparison = None if how == self.tool.comparison else how
        flickers = self.tool.comparison == "flicker"
        self.tool.model_turn = flickers
        (self._turns.start if flickers else self._turns.stop)()
        self.hand.tool.compared = self.tool.comparison is not None
        self._view.update()
        self.changed()
        if self.tool.comparison is not None and self.tool.overlay is None:
            return "No overlay to compare on this picture"
        return ""

    def choose(self, row: int) -> str:
        """Show this branch of the list with its vessel; -1 shows none."""
        branches = self.branches
        self._choose(branches[row] if 0 <= row < len(branches) else None)
        return ""

    def choose_next(self, by: int) -> str:
        count = len(self.branches)
        if not count:
            return "No branches to choose from"
        row = self.chosen_row
        return self.choose((0 if by > 0 else count - 1) if row < 0 else (row + by) % count)

    @property
    def behind(self) -> bool:
        """The list belongs to an earlier picture than the one that stands on the screen."""
        screen, judged = self._screen, self._judged
        if self.judgement is None or judged is None or screen is None or screen.frame is None or not screen.paused:
            return False
        return self._judging or judged.result.frame_index != screen.frame.index

    @property
    def branches(self) -> tuple[JudgedBranch, ...]:
        return () if self.judgement is None else self.judgement.branches

    @property
    def chosen_row(self) -> int:
        """-1 where none is chosen."""
        return next((row for row, branch in enumerate(self.branches) if branch.name == self._chosen), -1)

    # What the picture does

    def see(self, screen: ScreenState, session: GuidedSession) -> None:
        """A new state is on the screen."""
        self._screen, self._session = screen, session
        self.hand.see(screen, session)
        if self.is_open:
            self._look()
            if self.behind != self._told_behind:
                self._told_behind = self.behind
                self.changed()

    def _hand_changed(self) -> None:
        if self.hand.mode != "off" and not self.is_open:
            self.toggle()
        self._look()
        self.changed()

    def _look(self) -> None:
        if not self.is_open:
            return
        screen, session, hand = self._screen, self._session, self.hand
        self.tool.overlay = hand.tool.overlay or (None if screen is None else screen.overlay)
        hand.tool.compared = self.tool.comparison is not None
        if hand.mode != "off":
            subject = None if screen is None else _subject_by_hand(screen, hand)
        else:
            subject = None if screen is None or session is None else _subject_of(screen, session)
        if subject is None:
            by_hand = hand.mode != "off"
            self._show_problem(_NO_VESSEL if by_hand else _why_nothing(screen, session))
            return
        if self.model is None or self._judging or subject.is_same(self._judged):
            return
        now_ns = time.monotonic_ns()
        flows = screen is not None and not screen.paused
        if flows and now_ns - self._judged_ns < _AGAIN_NS:
            return
        self._judged, self._judged_ns, self._judging = subject, now_ns, True
        model = self.model
        self._background.run(
            lambda: model.judge(subject.pose, subject.geometry, subject.result.vessel_outline),
            self._show, failed=self._failed,
        )  # fmt: skip

    def _show(self, judgement: Judgement) -> None:
        self._judging = False
        self.judgement, self.problem = judgement, ""
        self._choose(next((branch for branch in judgement.branches if branch.name == self._chosen), None))
        # What came meanwhile was not looked at.
        if self.is_open:
            self._look()

    def _failed(self, error: Exception) -> None:
        self._judging = self._making = False
        self._show_problem(f"Cannot be judged: {error}")

    def _show_problem(self, problem: str) -> None:
        if problem != self.problem or self.judgement is not None:
            self._forget()
            self.problem = problem
            self.changed()

    def _forget(self) -> None:
        self.judgement, self._judged, self.tool.chosen = None, None, None
        self._judging = False

    def _choose(self, branch: JudgedBranch | None) -> None:
        self.tool.chosen = branch
        if branch is not None or self.judgement is not None:
            self._chosen = "" if branch is None else branch.name
        self._view.update()
        self.changed()

    def _turn(self) -> None:
        self.tool.model_turn = not self.tool.model_turn
        self._view.update()

    def wanted_model(self) -> JudgedModel | None:
        """The case's model; None while it is being made, which this asks for."""
        if self.model is None:
            self._need_model()
        return self.model

    def _need_model(self) -> None:
        if self.model is None and self._make is not None and not self._making:
            self._making = True
            self._background.run(self._make, self._took_model, failed=self._failed)

    def _took_model(self, model: JudgedModel) -> None:
        self.model, self._making = model, False
        self.hand.model_came()
        self._look()


def _subject_of(screen: ScreenState, session: GuidedSession) -> _Subject | None:
    """The pose in use, where the newest result speaks of it."""
    found, result, frame = session.registration, screen.result, screen.frame
    if found is None or result is None or frame is None or not result.vessel_outline:
        return None
    if screen.guidance_state not in ("proposed", "accepted"):
        return None
    geometry = result.overlay.geometry if result.overlay is not None else frame.geometry
    return None if geometry is None else _Subject(pose=found.isocentre_from_lps, geometry=geometry, result=result)


def _subject_by_hand(screen: ScreenState, hand: HandDesk) -> _Subject | None:
    """The draft, or the pose that was too weak, on the vessels of the newest result."""
    pose, geometry, result = hand.pose, hand.geometry, screen.result
    if pose is None or geometry is None or result is None or not result.vessel_outline:
        return None
    return _Subject(pose=pose, geometry=geometry, result=result)


def _why_nothing(screen: ScreenState | None, session: GuidedSession | None) -> str:
    if screen is None or session is None or screen.frame is None:
        return "No picture yet."
    if session.registration is None or screen.guidance_state not in ("proposed", "accepted"):
        return "No current registration to judge."
    if screen.frame.geometry is None:
        return "This picture does not say how the C-arm stood."
    return _NO_VESSEL
