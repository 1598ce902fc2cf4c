"""What is seen in the settings room: groups of settings, and a search that leaves those that fit."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from guidance_app.rooms.room import House
from guidance_app.rooms.settings.buttons_group import ButtonsGroup
from guidance_app.settings import data_folder, settings_path
from guidance_app.views import palette
from guidance_app.views.language import tr

_COLUMN_PX = 860


class SettingsPlace(QWidget):
    """Attributes:
    search: leaves the groups that have all its words.
    buttons: what the buttons of devices do.
    touch, right_drag: switches.
    """

    def __init__(self, house: House) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._house = house
        self._groups: list[tuple[QWidget, str]] = []
        column = QWidget()
        column.setMaximumWidth(_COLUMN_PX)
        self._column = QVBoxLayout(column)
        self._column.setContentsMargins(40, 32, 40, 24)
        self._column.setSpacing(16)
        title = QLabel(tr("Settings"))
        title.setStyleSheet(f"font-size: 26px; color: {palette.BRIGHT_TEXT};")
        self._column.addWidget(title)
        self.search = QLineEdit()
        self.search.setPlaceholderText(tr("Search settings"))
        self.search.setAccessibleName(tr("Search settings"))
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._show_found)
        self._column.addWidget(self.search)
        self.nothing_found = QLabel(tr("No setting has these words."))
        self.nothing_found.hide()
        self._column.addWidget(self.nothing_found)
        self.buttons = ButtonsGroup(house)
        self._group(
            tr("Pedals, presenters, gamepads"), self.buttons,
            tr("hands sterile foot pedal presenter gamepad button learn bind key"),
        )  # fmt: skip
        self.right_drag = self._switch(
            tr("Right drag sets window and level, left drag zooms"), self._house.right_drag_windows,
            self._house.set_right_drag_windows,
        )  # fmt: skip
        self.touch = self._switch(
            tr("Large targets: every button at least 15 mm high, for gloved fingers"),
            lambda: house.inputs.hands.touch,
            lambda on: house.inputs.take(house.inputs.hands.model_copy(update={"touch": on})),
        )  # fmt: skip
        switches = QWidget()
        of_switches = QVBoxLayout(switches)
        of_switches.setContentsMargins(0, 0, 0, 0)
        of_switches.addWidget(self.right_drag)
        of_switches.addWidget(self.touch)
        self._group(
            tr("Mouse and touch"), switches, tr("mouse drag window level zoom touch target size glove left hand")
        )
        self._group(tr("Where things are kept"), _places(), tr("folder file settings history crash report data"))
        self._column.addStretch(1)
        research = QLabel(palette.RESEARCH_LINE)
        research.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        middle = QWidget()
        in_middle = QHBoxLayout(middle)
        in_middle.setContentsMargins(0, 0, 0, 0)
        in_middle.addStretch(1)
        in_middle.addWidget(column, 6)
        in_middle.addStretch(1)
        scroll.setWidget(middle)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 10)
        layout.addWidget(scroll, 1)
        layout.addWidget(research)
        house.inputs.changed.connect(self.show_all)

    def show_all(self) -> None:
        """Show what is set now."""
        for box, now in (
            (self.right_drag, self._house.right_drag_windows()),
            (self.touch, self._house.inputs.hands.touch),
        ):
            box.blockSignals(True)
            box.setChecked(now)
            box.blockSignals(False)
        self.buttons.show_all()

    def learn(self) -> str:
        self.search.clear()
        return self.buttons.learn()

    def learn_no_more(self) -> None:
        self.buttons.learn_no_more()

    def to_search(self) -> str:
        self.search.setFocus()
        self.search.selectAll()
        return ""

    def _switch(self, words: str, now: Callable[[], bool], change: Callable[[bool], None]) -> QCheckBox:
        box = QCheckBox(words)
        box.setChecked(now())
        box.toggled.connect(lambda on: change(on))
        box.setMinimumHeight(36)
        return box

    def _group(self, title: str, content: QWidget, words: str) -> None:
        frame = QFrame()
        frame.setObjectName("tray")
        layout = QVBoxLayout(frame)
        layout.setContentsMargins(20, 14, 20, 16)
        layout.setSpacing(10)
        head = QLabel(title)
        head.setStyleSheet(f"color: {palette.BRIGHT_TEXT}; font-size: 17px;")
        layout.addWidget(head)
        layout.addWidget(content)
        self._column.addWidget(frame)
        self._groups.append((frame, f"{title} {words}".lower()))

    def _show_found(self, text: str) -> None:
        wanted = text.lower().split()
        found = 0
        for frame, words in self._groups:
            fits = all(word in words for word in wanted)
            frame.setVisible(fits)
            found += fits
        self.nothing_found.setVisible(not found)


def _places() -> QLabel:
    lines = (
        (tr("Settings"), settings_path()),
        (tr("Histories, measurements and crash reports"), data_folder()),
    )
    label = QLabel(
        "\n".join(f"{words}: {path}" for words, path in lines)
        + "\n"
        + tr("Nothing of this leaves this computer by itself.")
    )
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
