"""What was found in a person's files: a scan, the vessels and a run are proposed, the person decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from PyQt6.QtCore import QRegularExpression, Qt, pyqtSignal
from PyQt6.QtGui import QRegularExpressionValidator
from PyQt6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from engines.anatomy.intake.found import FoundModel, FoundRun, FoundScan, Survey
from engines.anatomy.intake.proposal import guessed_kind, proposed
from guidance_app.panels.button_panel import heading, quiet
from guidance_app.rooms.case.importing.cards import model_card, run_card, scan_card
from guidance_app.rooms.case.importing.choice_card import ChoiceCard
from guidance_app.rooms.case.importing.plan import KINDS, CasePlan, new_id, planned, refusal_of_name
from guidance_app.rooms.case.importing.progress_line import ProgressLine
from guidance_app.views import palette
from guidance_app.views.language import tr

Found = TypeVar("Found", FoundScan, FoundModel, FoundRun)
_PRIMARY = (
    f"QPushButton {{ background: #14506a; border: 1px solid {palette.VALID}; color: {palette.BRIGHT_TEXT};"
    " border-radius: 6px; font-weight: bold; padding: 6px 18px; }"
    "QPushButton:hover { background: #1a6283; }"
    f"QPushButton:focus {{ border: 2px solid {palette.BRIGHT_TEXT}; }}"
    f"QPushButton:disabled {{ background: #181b1e; color: {palette.DISABLED_TEXT}; border: 1px solid #262a2e; }}"
)


def kind_words() -> dict[str, tuple[str, str]]:
    """Of each kind its name and what it is about."""
    return {
        "evt": (tr("Stroke (EVT)"), tr("head and neck arteries, veins")),
        "tavi": (tr("Aortic valve (TAVI)"), tr("aortic root and arch")),
        "tavi lower": (tr("Access vessels"), tr("aorta, iliac and femoral arteries")),
        "coronary": (tr("Coronary"), tr("arteries of the heart")),
    }


def primary_button(words: str) -> QPushButton:
    """The one button of a page that leads on."""
    button = QPushButton(words)
    button.setMinimumSize(180, 48)
    button.setStyleSheet(_PRIMARY)
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    return button


class SourcesPage(QWidget):
    """Choices of what a case is made of.

    Args:
        cases: folder in which the case will lie.

    Signals: `wanted` carries a `CasePlan`, `cancelled` ends the job that is followed.
    """

    wanted = pyqtSignal(object)
    cancelled = pyqtSignal()

    def __init__(self, cases: Callable[[], Path]) -> None:
        super().__init__()
        self._cases = cases
        self.survey = Survey()
        self._folder = Path()
        self.scans: dict[ChoiceCard, FoundScan] = {}
        self.models: dict[ChoiceCard, FoundModel] = {}
        self.runs: dict[ChoiceCard, FoundRun] = {}
        self.extract_card: ChoiceCard | None = None
        self.kinds: dict[str, QPushButton] = {}
        self._kind_group = QButtonGroup(self)
        for kind, (words, tip) in kind_words().items():
            button = QPushButton(words)
            button.setCheckable(True)
            button.setMinimumHeight(44)
            button.setToolTip(tip)
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            button.setStyleSheet(
                f"QPushButton:checked {{ background: #2e3944; border: 2px solid {palette.VALID}; "
                f"color: {palette.BRIGHT_TEXT}; }}"
            )
            button.clicked.connect(partial(self._kind_chosen, kind))
            self._kind_group.addButton(button)
            self.kinds[kind] = button
        self.name = QLineEdit()
        self.name.setValidator(QRegularExpressionValidator(QRegularExpression("[A-Za-z0-9._-]{0,64}")))
        self.name.setFixedWidth(170)
        self.name.setAccessibleName(tr("Name of the case, a pseudonym"))
        self.name.setToolTip(tr("A pseudonym, never the patient's name"))
        self.make_button = primary_button(tr("Make the case"))
        self.make_button.clicked.connect(self.make)
        self.progress = ProgressLine()
        self.progress.cancelled.connect(self.cancelled)
        self.line = QLabel()
        self.line.setWordWrap(True)
        self.line.setTextFormat(Qt.TextFormat.PlainText)
        self.line.setStyleSheet(f"color: {palette.ALARM};")
        self._groups: list[QButtonGroup] = []
        self._lay_out()
        self._left.addWidget(quiet(_beginning(), wraps=True))
        self._left.addStretch(1)

    @property
    def kind(self) -> str:
        return next((kind for kind, button in self.kinds.items() if button.isChecked()), "")

    @property
    def pictures(self) -> Path:
        """The folder of the survey's pictures."""
        return self._folder

    @property
    def patient(self) -> str:
        """Whose scan is chosen, as a letter; "" where it does not say."""
        scan = _chosen(self.scans)
        return scan.patient if scan is not None else ""

    @property
    def run(self) -> FoundRun | None:
        """The run that is chosen."""
        return next((run for card, run in self.runs.items() if card.isChecked()), None)

    def show_found(self, survey: Survey, folder: Path) -> None:
        """Show what a survey found.

        Args:
            folder: that holds its pictures.
        """
        self.survey, self._folder = survey, folder
        guessed = guessed_kind(survey)
        if not self.kind and guessed:
            self.kinds[guessed].setChecked(True)
        if not self.name.text():
            self.name.setText(new_id(self._cases()))
        self._show_cards()
        self.say(self._nothing())
        # Enter goes on where nothing is missing.
        (self.make_button if self.kind else self.kinds["evt"]).setFocus()

    def show_job(self, running: bool) -> None:
        """While a job runs its progress stands where the buttons are, and nothing can be chosen."""
        self._footer.setCurrentIndex(int(running))
        self._columns.setEnabled(not running)
        for button in self.kinds.values():
            button.setEnabled(not running)
        if running:
            self.line.clear()
            self.progress.cancel_button.setFocus()

    def say(self, problem: str) -> None:
        """One line of what went wrong; "" takes it away."""
        self.line.setText(problem)

    def make(self) -> None:
        """Ask for the case that is chosen, or say what is missing."""
        if why := self.refusal():
            self.say(why)
            return
        self.say("")
        self.wanted.emit(self.plan())

    def plan(self) -> CasePlan:
        scan = _chosen(self.scans)
        models = [model for card, model in self.models.items() if card.isChecked()]
        return planned(self.kind, self.name.text(), scan, models)

    def refusal(self) -> str:
        """Why no case can be made yet; "" where it can."""
        if why := self._nothing():
            return why
        if not self.kind:
            return tr("Say what the case is for: choose one of the four above")
        if _chosen(self.scans) is None and not any(card.isChecked() for card in self.models):
            return tr("Choose a scan, or vessels that are segmented already")
        return refusal_of_name(self.name.text(), self._cases())

    def _nothing(self) -> str:
        if any(not found.why_not for found in (*self.survey.scans, *self.survey.models)):
            return ""
        return tr("Nothing here makes a case: add a folder with a CT scan (DICOM or NIfTI), masks or a surface")

    def _kind_chosen(self, kind: str, _checked: bool = False) -> None:
        self.kinds[kind].setChecked(True)
        self.say("")
        self._show_cards()

    def _extracts(self) -> bool:
        return not any(model.role != "placement" and not model.why_not for model in self.survey.models)

    def _show_cards(self) -> None:
        """Anew, for what suits depends on the kind; what a person chose stays chosen where it still suits."""
        chosen = {found.path for found in (_chosen(self.scans), self.run) if found is not None}
        self._groups.clear()
        for column in (self._left, self._right):
            _emptied(column)
        best = proposed(self.survey, self.kind.split()[0] if self.kind else "")
        kind = self.kind.split()[0] if self.kind else ""
        cards = [(scan_card(scan, self._folder, kind, extracted=self._extracts()), scan) for scan in self.survey.scans]
        self.scans = dict(cards)
        self._put(self._left, tr("CT SCANS"), self.scans, best.scan, chosen)
        self.models = {model_card(model): model for model in self.survey.models}
        self._put_models(best.models)
        self.runs = {run_card(run, self._folder, self.patient): run for run in self.survey.runs}
        self._put(self._right, tr("RUNS"), self.runs, best.run, chosen)
        if not self.runs:
            self._right.addWidget(
                quiet(tr("No X-ray run was found. One can be opened later, or added here."), wraps=True)
            )
        self._put_passed_over()
        for column in (self._left, self._right):
            column.addStretch(1)

    def _put(
        self, column: QVBoxLayout, title: str, cards: dict[ChoiceCard, Found], best: Found | None, chosen: set[Path]
    ) -> None:
        column.addWidget(heading(title))
        group = QButtonGroup(self)
        self._groups.append(group)
        for card in sorted(cards, key=lambda card: (card.refused, cards[card] is not best)):
            column.addWidget(card)
            if not card.refused:
                group.addButton(card)
        free = [card for card in cards if not card.refused]
        wanted = [card for card in free if cards[card].path in chosen] or [c for c in free if cards[c] is best]
        for card in wanted[:1]:
            card.setChecked(True)

    def _put_models(self, best: Sequence[FoundModel]) -> None:
        self._left.addWidget(heading(tr("VESSELS")))
        group = QButtonGroup(self)
        self._groups.append(group)
        self.extract_card = ChoiceCard(
            tr("Find the vessels in the scan"), (tr("takes from some seconds to some minutes; checked afterwards"),), ""
        )
        self._left.addWidget(self.extract_card)
        group.addButton(self.extract_card)
        self.extract_card.setChecked(not best)
        for card, model in self.models.items():
            self._left.addWidget(card)
            if model.role != "placement" and not card.refused:
                group.addButton(card)
            if not card.refused:
                card.setChecked(model in best)

    def _put_passed_over(self) -> None:
        if not self.survey.passed_over:
            return
        self._right.addWidget(heading(tr("PASSED OVER")))
        for entry in self.survey.passed_over:
            words = tr("{n} x {why}, as {example}").format(n=entry.files, why=entry.words, example=entry.example)
            self._right.addWidget(quiet(words, wraps=True))
        if not self.survey.complete:
            self._right.addWidget(
                quiet(tr("Only the first {n} files were looked at").format(n=self.survey.files), wraps=True)
            )

    def _lay_out(self) -> None:
        kinds = QHBoxLayout()
        kinds.setSpacing(8)
        kinds.addWidget(heading(tr("WHAT FOR")))
        for button in self.kinds.values():
            kinds.addWidget(button, 1)
        self._left, left = _column()
        self._right, right = _column()
        self._columns = QWidget()
        columns = QHBoxLayout(self._columns)
        columns.setContentsMargins(0, 0, 0, 0)
        columns.setSpacing(18)
        columns.addWidget(left, 3)
        columns.addWidget(right, 2)
        choose = QWidget()
        row = QHBoxLayout(choose)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(10)
        row.addWidget(heading(tr("NAME")))
        row.addWidget(self.name)
        row.addWidget(self.line, 1)
        row.addWidget(self.make_button)
        self._footer = QStackedWidget()
        self._footer.addWidget(choose)
        self._footer.addWidget(self.progress)
        self._footer.setFixedHeight(56)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        layout.addLayout(kinds)
        layout.addWidget(self._columns, 1)
        layout.addWidget(self._footer)
        assert tuple(self.kinds) == KINDS


def _chosen(cards: dict[ChoiceCard, Found]) -> Found | None:
    return next((found for card, found in cards.items() if card.isChecked()), None)


def _column() -> tuple[QVBoxLayout, QScrollArea]:
    inside = QWidget()
    layout = QVBoxLayout(inside)
    layout.setContentsMargins(0, 0, 8, 0)
    layout.setSpacing(8)
    scroll = QScrollArea()
    scroll.setWidget(inside)
    scroll.setWidgetResizable(True)
    scroll.setFrameShape(QFrame.Shape.NoFrame)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return layout, scroll


def _emptied(column: QVBoxLayout) -> None:
    while (item := column.takeAt(0)) is not None:
        widget = item.widget()
        if widget is not None:
            widget.setParent(None)
            widget.deleteLater()


def _beginning() -> str:
    return tr(
        "Add or drop folders and files as the hospital gives them: CT scans (DICOM or NIfTI), masks, label volumes, "
        "surfaces, centerlines, X-ray runs. All of it is looked through, and the best is proposed.\n\n"
        "Files stay where they are; the case keeps what is made of them, without the patient's name."
    )
