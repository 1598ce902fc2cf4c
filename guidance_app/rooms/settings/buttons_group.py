"""The buttons of pedals, presenters and gamepads: what each does, learned by pressing it."""

from __future__ import annotations

from functools import partial

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QComboBox, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from guidance_app.panels.action import Action
from guidance_app.panels.hands.bindings import PROFILES, key_signal, signal_words, with_profile
from guidance_app.panels.hands.gamepads import NEEDS
from guidance_app.panels.hands.hold_ring import HOLD_S
from guidance_app.rooms.room import House
from guidance_app.views import palette
from guidance_app.views.language import tr


class ButtonsGroup(QWidget):
    """Attributes:
    learn_button, told: begin to learn, and what to do next.
    """

    def __init__(self, house: House) -> None:
        super().__init__()
        self._house = house
        self._signal = ""  # learned, and waits for what it is to do
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        words = QLabel(
            tr(
                "What changes guidance wants to be held for {seconds} s, until a ring is full; all else acts at once. "
                "A button means the same in every room. One that opens the search lists all that a room can do: play "
                "takes, frames and runs go up and down."
            ).format(seconds=HOLD_S)
        )
        words.setObjectName("quiet")
        words.setWordWrap(True)
        layout.addWidget(words)
        row = QHBoxLayout()
        self.learn_button = _button(tr("Learn a button\u2026"), row)
        self.learn_button.clicked.connect(lambda: self._house.say(self.learn()))
        self.profile_buttons = {name: _button(f"+ {tr(name)}", row) for name in PROFILES}
        for name, button in self.profile_buttons.items():
            button.setToolTip(tr("Add the usual buttons of this device; what was learned stays"))
            button.clicked.connect(partial(self._add_profile, name))
        row.addStretch(1)
        layout.addLayout(row)
        self.told = QLabel()
        self.told.setWordWrap(True)
        self.told.setStyleSheet(f"color: {palette.UNVERIFIED}; font-size: 16px;")
        layout.addWidget(self.told)
        self.choice = QComboBox()
        self.choice.setAccessibleName(tr("What the button does"))
        self.choice.setMinimumHeight(36)
        self.choice.activated.connect(self._chosen)
        self.choice.hide()
        layout.addWidget(self.choice)
        self.pads = QLabel()
        self.pads.setObjectName("quiet")
        self.pads.setWordWrap(True)
        layout.addWidget(self.pads)
        self._grid = QGridLayout()
        self._grid.setColumnStretch(1, 1)
        self._grid.setHorizontalSpacing(16)
        layout.addLayout(self._grid)
        self.rows: dict[str, QPushButton] = {}

    def learn(self) -> str:
        """Wait for a button; the next press is learned and does nothing else."""
        self._signal = ""
        self.choice.hide()
        self.told.setText(tr("Press the pedal, presenter or gamepad button now. Esc ends this."))
        self._house.inputs.learn(self._learned)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFocus()
        self.grabKeyboard()
        return ""

    def learn_no_more(self) -> None:
        """Twice is harmless."""
        self._house.inputs.learn_no_more()
        self.releaseKeyboard()
        self.told.clear()
        self.choice.hide()
        self._signal = ""

    def keyPressEvent(self, a0: QKeyEvent | None) -> None:
        """Only while it learns: Enter and Space are buttons of presenters too."""
        if a0 is None or QWidget.keyboardGrabber() is not self:
            super().keyPressEvent(a0)
            return
        if a0.key() == Qt.Key.Key_Escape:
            self.learn_no_more()
        elif signal := key_signal(a0):
            self._house.inputs.press(signal)

    def show_all(self) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.setParent(None)
                widget.deleteLater()
        self.rows = {}
        words = {action.id: action for action in self._house.known_actions()}
        bindings = self._house.inputs.hands.bindings
        if not bindings:
            self._grid.addWidget(QLabel(tr("No button is set up yet.")), 0, 0, 1, 3)
        for row, binding in enumerate(bindings):
            name = QLabel(signal_words(binding.signal))
            name.setStyleSheet(f"color: {palette.BRIGHT_TEXT}; font-weight: bold;")
            self._grid.addWidget(name, row, 0)
            self._grid.addWidget(QLabel(_does(words.get(binding.action), binding.action)), row, 1)
            remove = QPushButton(tr("Remove"))
            remove.setAccessibleName(tr("Remove {button}").format(button=signal_words(binding.signal)))
            remove.clicked.connect(partial(self._remove, binding.signal))
            self._grid.addWidget(remove, row, 2)
            self.rows[binding.signal] = remove
        names = self._house.pads
        plugged = tr("Gamepad: {name}").format(name=", ".join(names)) if names else tr("No gamepad is plugged in.")
        self.pads.setText(tr(NEEDS) if names is None else plugged)

    def _learned(self, signal: str) -> None:
        self.releaseKeyboard()
        self._signal = signal
        present = self._house.inputs.hands.action_of(signal)
        own = _own_meaning(self._house.known_actions(), signal)
        also = tr(" In the program it means: {words}.").format(words=own) if own else ""
        self.told.setText(tr("{button}: choose what it does.").format(button=signal_words(signal)) + also)
        self.choice.clear()
        for action in self._house.known_actions():
            self.choice.addItem(_does(action, action.id), action.id)
        self.choice.setCurrentIndex(max(self.choice.findData(present), 0))
        self.choice.show()
        self.choice.setFocus()

    def _chosen(self, index: int) -> None:
        if not self._signal:
            return
        inputs, signal = self._house.inputs, self._signal
        self.learn_no_more()
        inputs.take(inputs.hands.bound(signal, str(self.choice.itemData(index))))

    def _add_profile(self, name: str) -> None:
        self._house.inputs.take(with_profile(self._house.inputs.hands, name))

    def _remove(self, signal: str) -> None:
        before = self._house.inputs.hands
        self._house.inputs.take(before.without(signal))
        self._house.toast(
            tr("{button} does nothing now").format(button=signal_words(signal)), offer=tr("Undo"),
            taken=lambda: self._house.inputs.take(before),
        )  # fmt: skip


def _does(action: Action | None, action_id: str) -> str:
    if action is None:
        return action_id
    return f"{action.words}  ({tr('hold')})" if action.consequential else action.words


def _own_meaning(actions: tuple[Action, ...], signal: str) -> str:
    """What this key does without being learned; "" where nothing."""
    kind, _, chord = signal.partition(":")
    return next((action.words for action in actions if kind == "key" and chord in action.keys), "")


def _button(words: str, into: QHBoxLayout) -> QPushButton:
    button = QPushButton(words)
    button.setMinimumHeight(40)
    into.addWidget(button)
    return button
