"""One exercise on the screen: its picture, and beside it the task, the buttons, the time, and the score at its end."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from guidance_app.panels.action import Action
from guidance_app.panels.action_button import action_button
from guidance_app.rooms.training.exercise import VERDICT_COLOURS, VERDICT_SIGNS, Exercise, Outcome
from guidance_app.views import palette
from guidance_app.views.language import tr

PANEL_PX = 392
_CLOCK_MS = 500

SHORT = {
    "turn-left": "\u21ba Left", "turn-right": "Right \u21bb", "turn-up": "Tilt \u2191", "turn-down": "Tilt \u2193",
    "roll-left": "Roll \u21b6", "roll-right": "Roll \u21b7", "nearer": "Larger", "farther": "Smaller", "undo": "Undo",
    "redo": "Redo", "done": "Done", "look": "Take a look", "next": "Next overlay", "overview": "All exercises",
    "again": "Next exercise",
}  # fmt: skip


class ExercisePage(QWidget):
    """Shows one exercise at a time.

    Args:
        perform: does an action as its key does.
    """

    def __init__(self, perform: Callable[[Action], None]) -> None:
        super().__init__()
        self._perform = perform
        self.exercise: Exercise | None = None
        self._actions: tuple[Action, ...] = ()
        self.buttons: dict[str, QPushButton] = {}
        self.heading, self.task, self.state = QLabel(), QLabel(), QLabel()
        self.heading.setStyleSheet(f"font-size: 22px; color: {palette.BRIGHT_TEXT};")
        self.heading.setWordWrap(True)
        self.task.setWordWrap(True)
        self.state.setStyleSheet(f"font-size: 16px; color: {palette.BRIGHT_TEXT};")
        self.headline, self.lines, self.reference = QLabel(), QLabel(), QLabel()
        self.headline.setWordWrap(True)
        self.lines.setWordWrap(True)
        self.reference.setWordWrap(True)
        self.reference.setObjectName("quiet")
        for label in (self.heading, self.task, self.headline, self.lines, self.reference):
            label.setTextFormat(Qt.TextFormat.PlainText)
        self._stage, self._side, self._tools = QVBoxLayout(), QVBoxLayout(), QGridLayout()
        self._tools.setSpacing(6)
        self._lay_out()
        self._clock = QTimer(self)
        self._clock.setInterval(_CLOCK_MS)
        self._clock.timeout.connect(self.show_state)

    def show_exercise(self, exercise: Exercise, actions: tuple[Action, ...]) -> None:
        """Show it, with buttons for its own actions and for those of the room that belong below."""
        self.take_away()
        self.exercise = exercise
        self.heading.setText(tr(exercise.heading))
        self.task.setText(exercise.task)
        for label in (self.headline, self.lines, self.reference):
            label.clear()
        self._stage.addWidget(exercise.stage)
        self._side.addWidget(exercise.side)
        self._actions = actions
        known = {action.id.removeprefix("training."): action for action in actions}
        rows = (*exercise.buttons(), ("overview", "again"))
        for number, row in enumerate(rows):
            for place, name in enumerate(row):
                self._add_button(known[name], name, number, place * (12 // len(row)), 12 // len(row))
        exercise.changed.connect(self.show_state)
        self._clock.start()
        self.show_state()

    def take_away(self) -> None:
        """Nothing is shown any more."""
        self._clock.stop()
        for button in self.buttons.values():
            self._tools.removeWidget(button)
            button.deleteLater()
        self.buttons.clear()
        if self.exercise is not None:
            for widget in (self.exercise.stage, self.exercise.side):
                widget.hide()
                widget.deleteLater()
            self.exercise.deleteLater()
            self.exercise = None

    def show_outcome(self, outcome: Outcome, kept: str) -> None:
        """The score, what it rests on, and whether it was kept."""
        colour = VERDICT_COLOURS[outcome.verdict]
        self.headline.setText(f"{VERDICT_SIGNS[outcome.verdict]} {outcome.headline}")
        self.headline.setStyleSheet(f"font-size: 21px; font-weight: bold; color: {colour};")
        self.lines.setText("\n".join(outcome.lines))
        answer = tr("The answer is on the picture.") if outcome.reference != "model" else tr("The answer is shown.")
        self.reference.setText(f"{outcome.reference_words}.\n{kept}")
        self.task.setText(answer)
        self.show_state()

    def show_state(self) -> None:
        """Time and progress; what cannot be done now has a faint button."""
        if self.exercise is None:
            return
        progress = self.exercise.progress
        self.state.setText(f"{self.exercise.seconds:.0f} s" + (f"   {progress}" if progress else ""))
        known = {action.id.removeprefix("training."): action for action in self._actions}
        for name, button in self.buttons.items():
            if name in known:
                button.setEnabled(not known[name].refusal())

    def _add_button(self, action: Action, name: str, row: int, column: int, columns: int) -> None:
        def press(pressed: Action) -> None:
            self._perform(pressed)
            self.show_state()

        button = action_button(action, press, words=tr(SHORT.get(name, "")))
        button.setMinimumHeight(36)
        button.setAutoRepeat(action.repeats)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # arrows and Enter belong to the exercise
        self.buttons[name] = button
        self._tools.addWidget(button, row, column, 1, columns)

    def _lay_out(self) -> None:
        panel = QFrame()
        panel.setObjectName("panel")
        panel.setFixedWidth(PANEL_PX)
        column = QVBoxLayout(panel)
        column.setContentsMargins(16, 14, 16, 12)
        column.setSpacing(10)
        for widget in (self.heading, self.task, self.state):
            column.addWidget(widget)
        column.addLayout(self._side)
        column.addLayout(self._tools)
        column.addSpacing(6)
        for widget in (self.headline, self.lines, self.reference):
            column.addWidget(widget)
        column.addStretch(1)
        research = QLabel(palette.RESEARCH_LINE)
        research.setObjectName("quiet")
        research.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        column.addWidget(research)
        columns = QHBoxLayout(self)
        columns.setContentsMargins(6, 6, 0, 6)
        columns.setSpacing(6)
        columns.addLayout(self._stage, 1)
        columns.addWidget(panel)
