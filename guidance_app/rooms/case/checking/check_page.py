"""What was found, to be checked: three slabs, 3-D, structures, what was assumed; and the runs to guide on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from engines.anatomy.correcting.edits import Edit
from engines.anatomy.intake.found import FoundRun
from guidance_app.panels.button_panel import heading
from guidance_app.rooms.case.checking.case_look import CaseLook
from guidance_app.rooms.case.checking.correct_desk import CorrectDesk
from guidance_app.rooms.case.checking.model_space import ModelSpace
from guidance_app.rooms.case.checking.slabs import Slabs
from guidance_app.rooms.case.checking.structure_list import StructureList
from guidance_app.rooms.case.checking.tool_bar import ToolBar
from guidance_app.rooms.case.importing.cards import run_card
from guidance_app.rooms.case.importing.choice_card import ChoiceCard
from guidance_app.rooms.case.importing.progress_line import ProgressLine
from guidance_app.rooms.case.importing.sources_page import primary_button
from guidance_app.views import palette
from guidance_app.views.language import tr

_SIDE_PX = 400
_RUN_PX = 330


class CheckPage(QWidget):
    """Signals: `guide_wanted` with the chosen run or None, `keep_wanted`, `runs_wanted` to look for more runs,
    `cancelled` ends the job that is followed."""

    guide_wanted = pyqtSignal(object)
    keep_wanted = pyqtSignal()
    runs_wanted = pyqtSignal()
    plan_wanted = pyqtSignal()
    cancelled = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.look: CaseLook | None = None
        self.slabs = Slabs(self)
        self._picking = False
        self.space = ModelSpace()
        self.structures = StructureList()
        self.desk = CorrectDesk(self)
        self.tools = ToolBar(self.desk)
        self.facts, self.notes = QLabel(), QLabel()
        for label in (self.facts, self.notes):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.facts.setObjectName("quiet")
        self.whole_button = QPushButton(tr("Slabs / all of it"))
        self.whole_button.setCheckable(True)
        self.whole_button.setMinimumHeight(40)
        self.structures.below.addWidget(self.whole_button, 1)
        self.whole_button.clicked.connect(self.slabs.show_whole)
        self.runs: dict[ChoiceCard, FoundRun] = {}
        self._group = QButtonGroup(self)
        self.guide_button = primary_button(tr("Guide on this run"))
        self.guide_button.clicked.connect(self.guide)
        self.keep_button = QPushButton(tr("Keep for later"))
        self.keep_button.clicked.connect(self.keep_wanted)
        self.more_button = QPushButton(tr("Add a run\u2026"))
        self.more_button.clicked.connect(self.runs_wanted)
        self.plan_button = QPushButton(tr("Plan on slices\u2026"))
        self.plan_button.setToolTip(tr("Landmarks, target, ostia, annulus, and the angles that show them"))
        self.plan_button.clicked.connect(self.plan_wanted)
        for button in (self.keep_button, self.more_button, self.plan_button):
            button.setMinimumHeight(40)
        self.line = QLabel()
        self.line.setWordWrap(True)
        self.line.setTextFormat(Qt.TextFormat.PlainText)
        self.line.setStyleSheet(f"color: {palette.ALARM};")
        self.progress = ProgressLine()
        self.progress.cancelled.connect(self.cancelled)
        self.structures.changed.connect(self._recolour)
        self.structures.chosen_changed.connect(self._chosen)
        self.structures.undo_button.clicked.connect(self.undo)
        self.slabs.picked.connect(self._picked)
        self.slabs.placed.connect(lambda point: self.desk.click(point, self.structures.edits))
        self.slabs.stroked.connect(lambda points: self.desk.stroke(points, self.structures.edits))
        self.tools.taken.connect(self._tool_taken)
        self.tools.thin_wanted.connect(self.show_thin)
        self.desk.changed.connect(self._corrected)
        self._lay_out()

    @property
    def run(self) -> FoundRun | None:
        return next((run for card, run in self.runs.items() if card.isChecked()), None)

    @property
    def edits(self) -> tuple[Edit, ...]:
        """All that was corrected by hand, in the order in which it is to be done."""
        return (*self.desk.edits, *self.structures.edits)

    def undo(self) -> str:
        """Take the last correction back, whichever it was; "" or one line why not."""
        return self.structures.undo() if self.structures.edits else self.desk.undo()

    def redo(self) -> str:
        problem = self.structures.redo()
        return self.desk.redo() if problem else ""

    def show_thin(self, thin: bool) -> str:
        """Slices, or slabs."""
        self.tools.thin_button.setChecked(thin)
        self.slabs.show_thin(thin)
        return ""

    def show_look(self, look: CaseLook) -> None:
        self.look = look
        self.desk.begin(look)
        self.tools.show_case(look.kind, has_labels=look.labels is not None, has_volume=look.volume is not None)
        self.slabs.show_look(look)
        self.space.show_look(look)
        self.structures.show_structures(look.structures)
        self.facts.setText("\n".join(look.facts))
        self._show_notes()
        self.say("")

    def show_runs(self, runs: Sequence[FoundRun], folder: Path, chosen: FoundRun | None, patient: str) -> None:
        """Runs that can be guided on; `chosen` is marked, and one of another patient says so."""
        while (item := self._strip.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.setParent(None)
                widget.deleteLater()
        self._group = QButtonGroup(self)
        self.runs = {run_card(run, folder, patient): run for run in runs}
        for card, run in sorted(self.runs.items(), key=lambda entry: (entry[0].refused, entry[1] is not chosen)):
            card.setFixedWidth(_RUN_PX)
            self._strip.addWidget(card)
            if not card.refused:
                self._group.addButton(card)
                card.setChecked(run is chosen)
        if not self.runs:
            none = QLabel(tr("No X-ray run was found: add one to guide, or keep the case for later."))
            none.setObjectName("quiet")
            self._strip.addWidget(none)
        self._strip.addStretch(1)
        self._group.buttonClicked.connect(lambda _button: self._show_guidable())
        self._show_guidable()

    def guide(self) -> None:
        self.guide_wanted.emit(self.run)

    def say(self, problem: str) -> None:
        """One line of what went wrong; "" takes it away."""
        self.line.setText(problem)
        self.line.setVisible(bool(problem))

    def show_job(self, running: bool) -> None:
        """While the corrected case is written its progress stands where the runs are."""
        self._footer.setCurrentIndex(int(running))
        self.structures.setEnabled(not running)
        self.tools.setEnabled(not running)

    def close_page(self) -> None:
        """Twice is harmless."""
        self.desk.close_desk()
        self.space.close_scene()

    def _tool_taken(self) -> None:
        tool = self.desk.tool
        self.slabs.working, self.slabs.seeks_blood = bool(tool), tool == "add"
        self.slabs.show_brush(self.desk.brush_mm if tool == "brush" else 0.0)
        if tool == "brush" and not self.slabs.thin:
            self.show_thin(True)  # a ball in a slab erases what is not seen

    def _corrected(self, look: CaseLook) -> None:
        self.look, chosen = look, self.structures.chosen
        self.facts.setText("\n".join(look.facts))
        self.slabs.show_look(look, stay=True)
        self.space.show_look(look, stay=True)
        self._picking = True
        self.structures.show_structures(look.structures, earlier=bool(self.desk.edits))
        self.structures.choose(chosen)
        self._picking = False
        self._recolour()

    def _show_guidable(self) -> None:
        self.guide_button.setEnabled(self.run is not None)

    def _recolour(self) -> None:
        classes, chosen = self.structures.classes, self.structures.chosen
        self.slabs.show_classes(classes, chosen)
        self.space.show_classes(classes, chosen)

    def _picked(self, name: str) -> None:
        self._picking = True  # the slabs are where the click was, and stay there
        self.structures.choose(name)
        self._picking = False

    def _chosen(self, name: str) -> None:
        place = self.slabs.place_of(name) if name and not self._picking else None
        if place is not None:
            self.slabs.go_to(place)
        self._recolour()

    def _show_notes(self) -> None:
        look = self.look
        notes = list(look.notes) if look is not None else []
        guessed = [one.name for one in look.structures if one.guessed] if look is not None else []
        if guessed:
            notes.insert(0, tr("classes guessed from shapes: {names}").format(names=", ".join(guessed)))
        self.notes.setText("\n".join(f"\u2022 {note}" for note in notes) or tr("Nothing was assumed."))
        colour = palette.UNVERIFIED if notes else palette.QUIET_TEXT
        self.notes.setStyleSheet(f"color: {colour}; font-size: {palette.SMALL_TEXT_PX + 1}px;")

    def _lay_out(self) -> None:
        left = QVBoxLayout()
        left.setSpacing(4)
        left.addWidget(self.tools)
        left.addLayout(self.slabs.beside(self.space), 1)
        main = QHBoxLayout()
        main.setSpacing(12)
        main.addLayout(left, 1)
        main.addWidget(self._side())
        self._footer = QStackedWidget()
        self._footer.addWidget(self._run_strip())
        self._footer.addWidget(self.progress)
        self._footer.setFixedHeight(148)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(main, 1)
        layout.addWidget(self.line)
        layout.addWidget(self._footer)

    def _side(self) -> QWidget:
        side = QWidget()
        side.setFixedWidth(_SIDE_PX)
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(heading(tr("WHAT WAS FOUND")))
        column.addWidget(self.facts)
        column.addWidget(self.structures, 5)
        column.addWidget(heading(tr("WHAT WAS ASSUMED OR GUESSED")))
        inside = QWidget()
        inner = QVBoxLayout(inside)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addWidget(self.notes)
        inner.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidget(inside)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setMinimumHeight(56)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        column.addWidget(scroll, 1)
        return side

    def _run_strip(self) -> QWidget:
        inside = QWidget()
        self._strip = QHBoxLayout(inside)
        self._strip.setContentsMargins(0, 0, 0, 0)
        self._strip.setSpacing(8)
        scroll = QScrollArea()
        scroll.setWidget(inside)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        buttons = QGridLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.guide_button, 0, 0, 1, 2)
        buttons.addWidget(self.more_button, 1, 0)
        buttons.addWidget(self.keep_button, 1, 1)
        buttons.addWidget(self.plan_button, 2, 0, 1, 2)
        strip = QWidget()
        row = QHBoxLayout(strip)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(12)
        row.addWidget(scroll, 1)
        row.addLayout(buttons)
        return strip
