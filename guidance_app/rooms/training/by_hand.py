"""Exercise: lay the model on the vessels by hand, in six degrees of freedom."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PyQt6.QtWidgets import QHBoxLayout, QLabel

from calibration.pose import RigidPose
from engines.exercises.hand_pose import HandMove, Level, PoseScore, moved, pose_score, start_pose
from engines.exercises.reference import ReferencePicture
from guidance_app.panels.action import Action
from guidance_app.panels.pictures.picture_view import Outline
from guidance_app.rooms.training.drag_picture import DragPicture
from guidance_app.rooms.training.drawing import model_outlines, plane_of, show_grey
from guidance_app.rooms.training.exercise import ANSWER, MINE, Exercise, Outcome, Verdict
from guidance_app.views.language import tr

_TURN_PER_MM = np.deg2rad(0.35)  # a drag across a 150 mm picture turns by 50 degrees
_ALONG_MM = 5.0  # a notch of the wheel
_STEP_MM, _STEP_RAD = 1.0, np.deg2rad(1.0)
_GOOD_MM, _FAIR_MM = 2.0, 5.0  # 5 mm: what the program itself calls right


class ByHand(Exercise):
    """Six handles, undo and redo; the answer is the right pose, and lines to where each branch belongs."""

    name = "by-hand"
    heading = "Register by hand"
    task = (
        "Lay the model (amber) on the dark vessels. Drag moves it, right drag turns it, middle drag rolls it, the "
        "wheel moves it along the beam. Enter when you are done."
    )

    def __init__(
        self,
        picture: ReferencePicture,
        *,
        level: Level,
        seed: int,
        over: Callable[[Outcome], None],
        clock_s: Callable[[], float],
    ) -> None:
        super().__init__(over, clock_s)
        self.task = tr(self.task)
        self.picture, self.level, self.seed = picture, level, seed
        self.pose = start_pose(picture, level, seed)
        self._pivot_mm = picture.points_mm().mean(axis=0)
        self._before: list[RigidPose] = []
        self._undone: list[RigidPose] = []
        self._dragged_from: RigidPose | None = None
        self.moves = 0
        rows, columns = picture.geometry.shape_px
        half_mm = 0.5 * max(rows, columns) * picture.geometry.isocentre_mm_per_px
        self.view = DragPicture("", half_width_mm=half_mm)
        show_grey(self.view, picture.grey, picture.geometry)
        self.view.corner = tr("run {run}, frame {frame}").format(run=picture.run, frame=picture.frame + 1)
        layout = QHBoxLayout(self.stage)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.view)
        note = QLabel(tr("Alt makes drags and the wheel five times finer; Shift with an arrow turns."))
        note.setObjectName("quiet")
        note.setWordWrap(True)
        self.side_column.addWidget(note)
        self.view.pulled.connect(self._pulled)
        self.view.pushed.connect(lambda notches: self._move(HandMove(along_mm=-_ALONG_MM * notches)))
        self.view.let_go.connect(self._drag_ended)
        self._draw()

    @property
    def progress(self) -> str:
        return tr("1 move") if self.moves == 1 else tr("{count} moves").format(count=self.moves)

    @property
    def begun(self) -> bool:
        return self.moves > 0

    def buttons(self) -> tuple[tuple[str, ...], ...]:
        return (
            ("turn-left", "turn-right"),
            ("turn-up", "turn-down"),
            ("roll-left", "roll-right"),
            ("nearer", "farther"),
            ("undo", "redo"),
            ("done",),
        )

    def actions(self) -> tuple[Action, ...]:
        def make(name: str, words: str, move: HandMove, *keys: str) -> Action:
            return Action(
                id=f"training.{name}", words=words, keys=keys, repeats=True, refusal=self.is_over,
                press=lambda: self._move(move),
            )  # fmt: skip

        mm, turn = _STEP_MM, float(_STEP_RAD)
        return (
            make("left", tr("Move the model left by 1 mm"), HandMove(right_mm=-mm), "Left"),
            make("right", tr("Move the model right by 1 mm"), HandMove(right_mm=mm), "Right"),
            make("up", tr("Move the model up by 1 mm"), HandMove(down_mm=-mm), "Up"),
            make("down", tr("Move the model down by 1 mm"), HandMove(down_mm=mm), "Down"),
            make("turn-left", tr("Turn the model left by 1 degree"), HandMove(turn_right_rad=-turn), "Shift+Left"),
            make("turn-right", tr("Turn the model right by 1 degree"), HandMove(turn_right_rad=turn), "Shift+Right"),
            make("turn-up", tr("Turn the model up by 1 degree"), HandMove(turn_down_rad=-turn), "Shift+Up"),
            make("turn-down", tr("Turn the model down by 1 degree"), HandMove(turn_down_rad=turn), "Shift+Down"),
            make("roll-left", tr("Roll the model counterclockwise by 1 degree"), HandMove(roll_rad=turn), ","),
            make("roll-right", tr("Roll the model clockwise by 1 degree"), HandMove(roll_rad=-turn), "."),
            make("nearer", tr("Move the model 5 mm towards the source: larger"), HandMove(along_mm=-_ALONG_MM), "PgUp"),
            make("farther", tr("Move the model 5 mm from the source: smaller"), HandMove(along_mm=_ALONG_MM), "PgDown"),
            Action(id="training.undo", words=tr("Undo the last move"), keys=("Ctrl+Z",), repeats=True, press=self.undo,
                   refusal=lambda: self.is_over() or ("" if self._before else tr("There is no move to undo"))),
            Action(id="training.redo", words=tr("Redo the move"), keys=("Ctrl+Y", "Ctrl+Shift+Z"), repeats=True,
                   press=self.redo,
                   refusal=lambda: self.is_over() or ("" if self._undone else tr("There is no move to redo"))),
            Action(id="training.hide", words=tr("Hide the model"), keys=("O",), press=lambda: self._hide(True),
                   release=lambda: self._hide(False)),
            Action(id="training.done", words=tr("Done: score it"), keys=("Return", "Enter"), refusal=self.is_over,
                   press=self.done),
        )  # fmt: skip

    def undo(self) -> str:
        self._undone.append(self.pose)
        self.pose = self._before.pop()
        self._draw()
        return ""

    def redo(self) -> str:
        self._before.append(self.pose)
        self.pose = self._undone.pop()
        self._draw()
        return ""

    def done(self) -> str:
        """Score the pose and show the right one."""
        seconds, score = self.seconds, pose_score(self.picture, self.pose)
        self.end(self._outcome(score, seconds))
        self._draw()
        return ""

    def _outcome(self, score: PoseScore, seconds: float) -> Outcome:
        verdict: Verdict = "good" if score.mean_mm < _GOOD_MM else "fair" if score.mean_mm < _FAIR_MM else "off"
        branch = self.picture.branches[score.worst_branch].name or tr("an unnamed branch")
        source = self.picture.source
        return Outcome(
            verdict=verdict,
            headline=tr("{away} mm off").format(away=f"{score.mean_mm:.1f}"),
            lines=(
                tr("mean projection error, isocentre plane"),
                tr("worst place {away} mm, on {branch}").format(away=f"{score.worst_mm:.1f}", branch=branch),
                tr("turned {angle}\u00b0 from the reference").format(angle=f"{score.turned_deg:.1f}"),
                tr("along the beam {away} mm (one view hardly shows it)").format(away=f"{score.along_mm:.0f}"),
                f"{seconds:.0f} s, {self.progress}",
            ),
            reference_words=tr(source.words),
            score=score.mean_mm,
            unit="mm",
            seconds=seconds,
            run=self.picture.run,
            frame=self.picture.frame,
            reference=source.kind,
            confidence=source.confidence,
            level=self.level,
            seed=self.seed,
            figures={
                "mean_mm": score.mean_mm, "worst_mm": score.worst_mm, "turned_deg": score.turned_deg,
                "along_mm": score.along_mm, "moves": float(self.moves),
            },
        )  # fmt: skip

    def _pulled(self, drag: str, right_mm: float, down_mm: float) -> None:
        if self.is_over():
            return
        if self._dragged_from is None:
            self._dragged_from = self.pose
        turn = float(_TURN_PER_MM)
        move = {
            "shift": HandMove(right_mm=right_mm, down_mm=down_mm),
            "turn": HandMove(turn_right_rad=turn * right_mm, turn_down_rad=turn * down_mm),
            "roll": HandMove(roll_rad=-turn * right_mm),
        }[drag]
        self.pose = moved(self.pose, move, self.picture.geometry, self._pivot_mm)
        self._draw()

    def _drag_ended(self) -> None:
        """A whole drag is one move."""
        if self._dragged_from is not None:
            self._keep(self._dragged_from)
            self._dragged_from = None

    def _move(self, move: HandMove) -> str:
        if self.is_over():
            return self.is_over()
        self._keep(self.pose)
        self.pose = moved(self.pose, move, self.picture.geometry, self._pivot_mm)
        self._draw()
        return ""

    def _keep(self, before: RigidPose) -> None:
        self._before.append(before)
        self._undone.clear()
        self.moves += 1

    def _hide(self, hidden: bool) -> str:
        self.view.hide_outlines(hidden)
        return ""

    def _draw(self) -> None:
        picture = self.picture
        projection = picture.geometry.projection(self.pose)
        name = tr("yours") if self.outcome is not None else tr("the model")
        lines = model_outlines(picture.branches, projection, picture.geometry, colour=MINE, name=name)
        if self.outcome is not None:
            lines += self._answer()
        self.view.show_outlines(lines)
        self.changed.emit()

    def _answer(self) -> tuple[Outline, ...]:
        """The right place, and a line from the worst point to where it belongs."""
        picture = self.picture
        right = model_outlines(
            picture.branches, picture.projection, picture.geometry, colour=ANSWER, name=tr("reference"), dashed=True
        )
        points = picture.points_mm()
        mine = plane_of(picture.geometry.projection(self.pose).project(points)[0], picture.geometry)
        true = plane_of(picture.projection.project(points)[0], picture.geometry)
        apart = np.linalg.norm(mine - true, axis=1)
        worst = int(np.nanargmax(apart))
        gap = Outline(
            points_mm=np.stack([mine[worst], true[worst]]), colour="#ff7a66", width_px=3.0,
            name=tr("worst place, {away} mm").format(away=f"{apart[worst]:.1f}"),
        )  # fmt: skip
        return (*right, gap)
