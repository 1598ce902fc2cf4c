"""The structures of a case as a list, and what a person says they are: class, or left out, with undo."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QIcon, QPixmap
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from engines.anatomy.cases.case_correction import LEFT_OUT
from engines.anatomy.correcting.edits import SayStructure
from engines.anatomy.structure_names import CLASSES
from engines.anatomy.structures.structure_table import StructureSummary
from guidance_app.rooms.case.checking.colours import colour_of
from guidance_app.views import palette
from guidance_app.views.language import tr

_SWATCH_PX, _ROW_PX = 14, 34


def class_words() -> dict[str, str]:
    return {
        "artery": tr("Artery"), "vein": tr("Vein"), "aorta": tr("Aorta"), "true lumen": tr("True lumen"),
        "false lumen": tr("False lumen"), LEFT_OUT: tr("Leave out"),
    }  # fmt: skip


class StructureList(QWidget):
    """Signals: `changed` after each choice, correction, undo and redo; `chosen_changed` for a choice alone."""

    changed = pyqtSignal()
    chosen_changed = pyqtSignal(str)

    def __init__(self) -> None:
        super().__init__()
        self._structures: tuple[StructureSummary, ...] = ()
        self._done: list[SayStructure] = []
        self._undone: list[SayStructure] = []
        self.table = QTableWidget(0, 4)
        self.table.setHorizontalHeaderLabels([tr("Structure"), tr("Class"), tr("Length"), tr("Volume")])
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setShowGrid(False)
        self.table.setIconSize(QSize(_SWATCH_PX, _SWATCH_PX))
        self.table.setAccessibleName(tr("Structures"))
        rows, columns = self.table.verticalHeader(), self.table.horizontalHeader()
        assert rows is not None
        assert columns is not None
        rows.hide()
        rows.setDefaultSectionSize(_ROW_PX)
        columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        columns.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        columns.setStyleSheet(f"QHeaderView::section {{ background: {palette.PANEL}; border: 0; padding: 3px; }}")
        self.table.setStyleSheet(
            f"QTableWidget {{ background: {palette.PANEL}; border: 0; font-size: 13px; }}"
            f"QTableWidget::item:selected {{ background: #26303a; color: {palette.BRIGHT_TEXT}; }}"
        )
        self.table.itemSelectionChanged.connect(self._selected)
        self.class_buttons: dict[str, QPushButton] = {}
        self.undo_button = QPushButton(tr("Undo"))
        self.undo_button.setMinimumHeight(40)
        self.undo_button.setToolTip("Ctrl+Z")
        self._earlier = False  # steps before what was said here can be taken back
        self._lay_out()

    @property
    def chosen(self) -> str:
        """The structure that is chosen; "" where none is."""
        row = self.table.currentRow()
        return self._structures[row].name if self.table.selectedItems() and 0 <= row < len(self._structures) else ""

    @property
    def said(self) -> dict[str, str]:
        """What differs from what was found, by structure."""
        found = {structure.name: structure.structure_class for structure in self._structures}
        last = {edit.structure: edit.said for edit in self._done}
        return {name: said for name, said in last.items() if found.get(name) != said}

    @property
    def edits(self) -> tuple[SayStructure, ...]:
        """The last word on each structure."""
        return tuple(SayStructure(structure=name, said=said) for name, said in self.said.items())

    @property
    def classes(self) -> dict[str, str]:
        """The class of every structure as it now stands."""
        return {structure.name: structure.structure_class for structure in self._structures} | self.said

    def show_structures(self, structures: Sequence[StructureSummary], *, earlier: bool = False) -> None:
        """Show another list.

        Args:
            earlier: what was done before can be taken back, though not by this list.
        """
        self._structures = tuple(structures)
        self._earlier = earlier
        self._done.clear()
        self._undone.clear()
        self.table.clearSelection()
        self.table.setRowCount(len(structures))
        self._fill()
        self.table.setCurrentCell(-1, -1)  # else the first looks chosen

    def choose(self, name: str) -> None:
        for row, structure in enumerate(self._structures):
            if structure.name == name:
                self.table.selectRow(row)

    def say(self, said: str) -> str:
        """The chosen structure is this; "" or one line why not."""
        name = self.chosen
        if not name:
            return tr("Choose a structure first: in the list, or by a click into a picture")
        if self.classes[name] == said:
            return ""
        left = [other for other, own in self.classes.items() if own != LEFT_OUT and other != name]
        if said == LEFT_OUT and not left:
            return tr("One structure has to stay")
        self._done.append(SayStructure(structure=name, said=said))
        self._undone.clear()
        self._fill()
        return ""

    def undo(self) -> str:
        if not self._done:
            return tr("Nothing to take back")
        self._undone.append(self._done.pop())
        self._fill()
        return ""

    def redo(self) -> str:
        if not self._undone:
            return tr("Nothing to do again")
        self._done.append(self._undone.pop())
        self._fill()
        return ""

    def _fill(self) -> None:
        words, classes = class_words(), self.classes
        for row, structure in enumerate(self._structures):
            said = classes[structure.name]
            volume = "" if structure.volume_mm3 is None else f"{structure.volume_mm3 / 1000.0:.2f} ml"
            length = f"{structure.length_mm:.0f} mm" if structure.length_mm else "-"
            guess = tr(" (guessed)") if structure.guessed and structure.name not in self.said else ""
            cells = (structure.name, words.get(said, said) + guess, length, volume)
            for column, text in enumerate(cells):
                item = QTableWidgetItem(text)
                if column == 0:
                    item.setIcon(_swatch(colour_of(said)))
                if said == LEFT_OUT:
                    item.setForeground(QColor(palette.DISABLED_TEXT))
                elif structure.name in self.said and column == 1:
                    item.setForeground(QColor(palette.VALID))
                elif guess and column == 1:
                    item.setForeground(QColor(palette.UNVERIFIED))
                item.setToolTip(text)
                self.table.setItem(row, column, item)
        self.undo_button.setEnabled(bool(self._done) or self._earlier)
        self._mark_class()
        self.changed.emit()

    def _selected(self) -> None:
        self._mark_class()
        self.chosen_changed.emit(self.chosen)

    def _mark_class(self) -> None:
        own = self.classes.get(self.chosen, "")
        for said, button in self.class_buttons.items():
            button.setChecked(said == own)
            button.setEnabled(bool(self.chosen))

    def _press(self, said: str, _checked: bool = False) -> None:
        self.say(said)
        self._mark_class()  # a button of the class it has stays down

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setSpacing(6)
        for number, (said, words) in enumerate(class_words().items()):
            button = QPushButton(words)
            button.setCheckable(True)
            button.setMinimumHeight(40)
            button.setIcon(_swatch(colour_of(said)))
            button.setToolTip(f"{words}   {number + 1}")
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            button.setStyleSheet(
                f"QPushButton:checked {{ background: #2e3944; border: 2px solid {colour_of(said)}; "
                f"color: {palette.BRIGHT_TEXT}; }}"
            )
            button.clicked.connect(partial(self._press, said))
            self.class_buttons[said] = button
            grid.addWidget(button, number // 3, number % 3)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.table, 1)
        layout.addLayout(grid)
        self.below = QHBoxLayout()
        self.below.addWidget(self.undo_button, 1)
        layout.addLayout(self.below)
        assert list(self.class_buttons) == [*CLASSES, LEFT_OUT]


def _swatch(colour: str) -> QIcon:
    pixmap = QPixmap(_SWATCH_PX, _SWATCH_PX)
    pixmap.fill(QColor(colour))
    icon = QIcon(pixmap)
    icon.addPixmap(pixmap, QIcon.Mode.Disabled)  # a colour says the same, whether it can be pressed or not
    return icon
