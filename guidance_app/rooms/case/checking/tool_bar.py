"""The tools that correct a model, above the pictures, with what the next click does."""

from __future__ import annotations

from functools import partial

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QComboBox,
    QCompleter,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from guidance_app.rooms.case.checking.correct_desk import CorrectDesk, Tool
from guidance_app.views import palette
from guidance_app.views.language import tr

TOOL_KEYS: dict[Tool, str] = {
    "add": "A", "brush": "B", "erase": "E", "cut": "C", "bridge": "G", "swap": "V", "name": "N",
}  # fmt: skip
_NAMES = {
    "coronary": ("LM", "LAD", "D1", "D2", "S1", "LCx", "OM1", "OM2", "RCA", "PDA", "PLV"),
    "tavi": ("aorta", "brachiocephalic", "carotid-left", "subclavian-left", "LCA", "RCA", "iliac-left", "iliac-right"),
    "evt": ("ICA-left", "ICA-right", "M1-left", "M1-right", "A1-left", "A1-right", "basilar", "P1-left", "P1-right"),
}
_LEAST_BRUSH_MM, _MOST_BRUSH_MM, _BRUSH_STEP_MM = 0.5, 15.0, 0.5


def tool_words() -> dict[Tool, str]:
    return {
        "add": tr("Add vessel"), "brush": tr("Brush away"), "erase": tr("Erase part"), "cut": tr("Cut apart"),
        "bridge": tr("Cut bridge"), "swap": tr("Swap A/V"), "name": tr("Name"),
    }  # fmt: skip


class ToolBar(QWidget):
    """`taken` tells of a tool that was taken or laid down; `thin_wanted` of slices instead of slabs."""

    taken = pyqtSignal()
    thin_wanted = pyqtSignal(bool)

    def __init__(self, desk: CorrectDesk) -> None:
        super().__init__()
        self._desk = desk
        self.buttons: dict[Tool, QPushButton] = {}
        row = QHBoxLayout()
        row.setSpacing(5)
        for tool, words in tool_words().items():
            button = QPushButton(words)
            button.setCheckable(True)
            button.setMinimumHeight(40)
            button.setToolTip(f"{words}   {TOOL_KEYS[tool]}")
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            button.setStyleSheet(
                f"QPushButton {{ padding: 4px 7px; }} QPushButton:checked {{ background: #2e3944; "
                f"border: 2px solid {palette.VALID}; color: {palette.BRIGHT_TEXT}; }}"
            )
            button.clicked.connect(partial(self._pressed, tool))
            self.buttons[tool] = button
            row.addWidget(button)
        row.addStretch(1)
        self.thin_button = QPushButton(tr("Slices"))
        self.thin_button.setCheckable(True)
        self.thin_button.setMinimumHeight(40)
        self.thin_button.setToolTip(tr("Single slices instead of slabs") + "   S")
        self.thin_button.clicked.connect(self.thin_wanted)
        row.addWidget(self.thin_button)
        self.line = QLabel()
        self.line.setTextFormat(Qt.TextFormat.PlainText)
        self.line.setWordWrap(True)
        self._options = QStackedWidget()
        self._options.setFixedWidth(190)
        self.classes = QComboBox()
        self.classes.setAccessibleName(tr("Class of what is added or cut off"))
        self.classes.currentIndexChanged.connect(self._class_chosen)
        self.name = QLineEdit()
        self.name.setMaxLength(64)
        self.name.setPlaceholderText(tr("Name, as LAD"))
        self.name.setAccessibleName(tr("Name of the branch"))
        self.name.textChanged.connect(self._named)
        self.brush = QDoubleSpinBox()
        self.brush.setRange(_LEAST_BRUSH_MM, _MOST_BRUSH_MM)
        self.brush.setSingleStep(_BRUSH_STEP_MM)
        self.brush.setDecimals(1)
        self.brush.setSuffix(tr(" mm radius"))
        self.brush.setValue(desk.brush_mm)
        self.brush.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.brush.valueChanged.connect(self._sized)
        for widget in (QWidget(), self.classes, self.name, self.brush):
            self._options.addWidget(widget)
        below = QHBoxLayout()
        below.addWidget(self.line, 1)
        below.addWidget(self._options)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row)
        layout.addLayout(below)
        desk.said.connect(self.say)
        self.take("")

    def show_case(self, kind: str, *, has_labels: bool, has_volume: bool) -> None:
        """Tools that this case has nothing for cannot be taken, and say why."""
        completer = QCompleter(list(_NAMES.get(kind, ())))
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.name.setCompleter(completer)
        for tool, words in tool_words().items():
            why = "" if has_labels or tool in ("name", "swap") else tr("the model is no label volume")
            why = why or ("" if has_volume or tool != "add" else tr("the case has no CT"))
            self.buttons[tool].setEnabled(not why)
            self.buttons[tool].setToolTip(f"{words}: {why}" if why else f"{words}   {TOOL_KEYS[tool]}")
        self.take("")

    def take(self, tool: Tool) -> str:
        """Take a tool, or lay it down where it is taken already; "" or one line why not."""
        if tool and not self.buttons[tool].isEnabled():
            return self.buttons[tool].toolTip()
        self._desk.take("" if tool == self._desk.tool else tool)
        for other, button in self.buttons.items():
            button.setChecked(other == self._desk.tool)
        self._show_option()
        self.taken.emit()
        return ""

    def resize_brush(self, steps: int) -> str:
        self.brush.setValue(self.brush.value() + steps * _BRUSH_STEP_MM)
        return ""

    def say(self, line: str, problem: bool) -> None:
        self.line.setText(
            line[:1].upper() + line[1:] or tr("Correct by hand: take a tool, or choose a structure and its class")
        )
        self.line.setStyleSheet(f"color: {palette.ALARM if problem else palette.QUIET_TEXT};")

    def _pressed(self, tool: Tool, _checked: bool = False) -> None:
        self.take(tool)

    def _show_option(self) -> None:
        tool = self._desk.tool
        self._options.setCurrentIndex({"add": 1, "cut": 1, "bridge": 1, "name": 2, "brush": 3}.get(tool, 0))
        if tool in ("add", "cut", "bridge"):
            first = tr("as what it joins") if tool == "add" else tr("falls off")
            self.classes.blockSignals(True)
            self.classes.clear()
            self.classes.addItem(first, "")
            is_or_becomes = tr("is {word}") if tool == "add" else tr("becomes {word}")
            for said, word in (("artery", tr("artery")), ("vein", tr("vein")), ("aorta", tr("aorta"))):
                self.classes.addItem(is_or_becomes.format(word=word), said)
            self.classes.blockSignals(False)
            self._desk.said_class = ""
        if tool == "name":
            self.name.setFocus()

    def _class_chosen(self) -> None:
        self._desk.said_class = str(self.classes.currentData() or "")

    def _named(self, text: str) -> None:
        self._desk.name = text

    def _sized(self, radius_mm: float) -> None:
        self._desk.brush_mm = radius_mm
        self.taken.emit()
