"""Where a trainee says who he is, chooses an exercise, and sees how he has done so far."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from PyQt6.QtCore import QRegularExpression, Qt, pyqtSignal
from PyQt6.QtGui import QRegularExpressionValidator
from PyQt6.QtWidgets import QButtonGroup, QCompleter, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from engines.exercises.hand_pose import LEVELS, Level
from guidance_app.rooms.training.history import EXERCISES, Attempt, ExerciseName
from guidance_app.rooms.training.progress import Progress
from guidance_app.views import palette
from guidance_app.views.language import tr

Choice = TypeVar("Choice")
_CHECKED = (
    f"QPushButton:checked {{ background: #2e3944; border: 1px solid {palette.VALID}; color: {palette.BRIGHT_TEXT}; }}"
    f"QPushButton:focus {{ border: 2px solid {palette.BRIGHT_TEXT}; padding: 5px 7px; }}"
)

CARDS: dict[ExerciseName, tuple[str, str]] = {
    "by-hand": (
        "Register by hand",
        "Lay the model on the vessels with six degrees of freedom. Scored in mm, degrees and seconds.",
    ),
    "right-or-wrong": (
        "Right or wrong?",
        "Ten overlays, half of them 3 to 8 mm off. Which, and how sure? Scored by hits and false alarms.",
    ),
    "projection": (
        "Choose the projection",
        "Find the C-arm angles for a segment. Scored by foreshortening and overlap against the best.",
    ),
}
_LEVEL_WORDS: dict[Level, str] = {"near": "Near start", "usual": "Usual start", "far": "Far start"}
_LEVEL_TIPS: dict[Level, str] = {
    "near": "Begins 3 degrees, 6 mm across and up to 10 mm along the beam away",
    "usual": "Begins 7 degrees, 15 mm across and up to 20 mm along the beam away",
    "far": "Begins 12 degrees, 30 mm across and up to 40 mm along the beam away",
}


class StartPage(QWidget):
    """Calls `begin` with an exercise.

    Signals: `pseudonym_changed` after an edit, `exercise_shown` when the progress of another exercise is asked for.
    """

    pseudonym_changed = pyqtSignal(str)
    exercise_shown = pyqtSignal()

    def __init__(self, begin: Callable[[ExerciseName], None], level_chosen: Callable[[Level], None]) -> None:
        super().__init__()
        self.shown: ExerciseName = "by-hand"
        self.pseudonym = QLineEdit()
        self.pseudonym.setValidator(QRegularExpressionValidator(QRegularExpression("[A-Za-z0-9_-]{0,24}")))
        self.pseudonym.setPlaceholderText(tr("pseudonym"))
        self.pseudonym.setAccessibleName(tr("Pseudonym"))
        self.pseudonym.setFixedWidth(210)
        self.pseudonym.editingFinished.connect(lambda: self.pseudonym_changed.emit(self.pseudonym.text()))
        self.case_line = QLabel()
        self.case_line.setWordWrap(True)
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setStyleSheet(f"color: {palette.ALARM};")
        self.problem.hide()
        self.cards: dict[ExerciseName, QPushButton] = {}
        for name, (title, words) in CARDS.items():
            card = _card(tr(title), tr(words))
            card.clicked.connect(partial(_without_state, begin, name))
            self.cards[name] = card
        self.levels: dict[Level, QPushButton] = {}
        group = QButtonGroup(self)
        for level in LEVELS:
            button = _small(tr(_LEVEL_WORDS[level]), tr(_LEVEL_TIPS[level]))
            button.setCheckable(True)
            button.clicked.connect(partial(_without_state, level_chosen, level))
            group.addButton(button)
            self.levels[level] = button
        self.tabs: dict[ExerciseName, QPushButton] = {}
        tabs = QButtonGroup(self)
        for name in EXERCISES:
            title = tr(CARDS[name][0])
            button = _small(title, tr("Show how this went so far: {exercise}").format(exercise=title))
            button.setCheckable(True)
            button.setChecked(name == self.shown)
            button.clicked.connect(partial(_without_state, self._show_tab, name))
            tabs.addButton(button)
            self.tabs[name] = button
        self.export_button = _small(tr("Export CSV\u2026"), tr("Write this trainee's attempts as a table"))
        self.delete_button = _small(tr("Delete\u2026"), tr("Forget this trainee; it can be taken back for a while"))
        self.reference_button = _small(
            tr("Let the program register a run"), tr("Makes a reference for a case without one")
        )
        self.reference_button.hide()
        self.progress = Progress()
        self._lay_out()

    def show_level(self, level: Level) -> None:
        self.levels[level].setChecked(True)

    def show_case(self, words: str, *, pictures: bool, segments: bool) -> None:
        """Which case is used; an exercise that it does not allow has a faint card."""
        self.case_line.setText(words)
        self.cards["by-hand"].setEnabled(pictures)
        self.cards["right-or-wrong"].setEnabled(pictures)
        self.cards["projection"].setEnabled(segments)

    def show_problem(self, text: str) -> None:
        """Why the history cannot be read; "" takes it away."""
        self.problem.setText(text)
        self.problem.setVisible(bool(text))

    def show_attempts(self, attempts: tuple[Attempt, ...]) -> None:
        self.progress.show_attempts(attempts, self.shown)
        self.export_button.setEnabled(bool(attempts))
        self.delete_button.setEnabled(bool(attempts))

    def offer_pseudonyms(self, known: tuple[str, ...]) -> None:
        self.pseudonym.setCompleter(QCompleter(list(known), self.pseudonym))

    def _show_tab(self, name: ExerciseName) -> None:
        self.shown = name
        self.exercise_shown.emit()

    def _lay_out(self) -> None:
        title = QLabel(tr("Training"))
        title.setStyleSheet(f"font-size: 26px; color: {palette.BRIGHT_TEXT};")
        who = QHBoxLayout()
        who.addWidget(QLabel(tr("Who trains")))
        who.addWidget(self.pseudonym)
        hint = QLabel(tr("a pseudonym, not your own name"))
        hint.setObjectName("quiet")
        who.addWidget(hint)
        who.addSpacing(24)
        for button in self.levels.values():
            who.addWidget(button)
        who.addStretch(1)
        case = QHBoxLayout()
        case.addWidget(self.case_line, 1)
        case.addWidget(self.reference_button)
        cards = QHBoxLayout()
        cards.setSpacing(12)
        for card in self.cards.values():
            cards.addWidget(card, 1)
        below = QHBoxLayout()
        so_far = QLabel(tr("SO FAR"))
        so_far.setObjectName("heading")
        below.addWidget(so_far)
        for button in self.tabs.values():
            below.addWidget(button)
        below.addStretch(1)
        below.addWidget(self.export_button)
        below.addWidget(self.delete_button)
        research = QLabel(palette.RESEARCH_LINE)
        research.setObjectName("quiet")
        research.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(28, 20, 28, 10)
        layout.setSpacing(12)
        layout.addWidget(title)
        layout.addLayout(who)
        layout.addLayout(case)
        layout.addLayout(cards)
        layout.addWidget(self.problem)
        layout.addLayout(below)
        layout.addWidget(self.progress, 1)
        layout.addWidget(research)


def _without_state(call: Callable[[Choice], None], choice: Choice, _checked: bool = False) -> None:
    call(choice)


def _card(title: str, words: str) -> QPushButton:
    """A large button whose words wrap; the whole of it can be pressed."""
    card = QPushButton()
    card.setMinimumHeight(116)
    card.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    card.setAccessibleName(title)
    card.setAccessibleDescription(words)
    column = QVBoxLayout(card)
    column.setContentsMargins(14, 10, 14, 10)
    for text, size in ((title, 17), (words, 14)):
        label = QLabel(text)
        label.setWordWrap(True)
        label.setStyleSheet(f"background: transparent; font-size: {size}px;")
        label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        column.addWidget(label)
    column.addStretch(1)
    return card


def _small(words: str, tip: str) -> QPushButton:
    button = QPushButton(words)
    button.setStyleSheet(_CHECKED)
    button.setToolTip(tip)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button
