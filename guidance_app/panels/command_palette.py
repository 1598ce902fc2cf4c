"""The command palette: type a few letters of what you want to do, and press Enter."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PyQt6.QtCore import QEvent, QObject, Qt
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QFrame, QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from guidance_app.panels.action import Action

_WIDTH_PX, _HEIGHT_PX = 620, 420
_LIST_KEYS = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)
_ACTION = Qt.ItemDataRole.UserRole


class CommandPalette(QFrame):
    """Lies over the room and stops nothing. Calls `perform` with the action that a person chose.

    `closed` is called whenever it goes, so that the keys return to the room.
    """

    def __init__(self, parent: QWidget, perform: Callable[[Action], None], closed: Callable[[], None]) -> None:
        super().__init__(parent)
        self.setObjectName("tray")
        self.setAccessibleName("Command palette")
        self._perform = perform
        self._closed = closed
        self._actions: Sequence[Action] = ()
        self.field = QLineEdit()
        self.field.setPlaceholderText("What do you want to do?")
        self.field.setAccessibleName("Search for an action")
        self.field.textChanged.connect(self._show_matching)
        self.field.installEventFilter(self)
        self.list = QListWidget()
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setAccessibleName("Actions")
        self.list.itemClicked.connect(self._choose)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.addWidget(self.field)
        layout.addWidget(self.list)
        self.resize(_WIDTH_PX, _HEIGHT_PX)
        self.hide()

    def open(self, actions: Sequence[Action]) -> None:
        self._actions = actions
        self.field.clear()
        self._show_matching("")
        self.place()
        self.show()
        self.field.setFocus()

    @property
    def is_open(self) -> bool:
        return not self.isHidden()

    @property
    def chosen(self) -> Action | None:
        """None where nothing in the list can be done now."""
        item = self.list.currentItem()
        return item.data(_ACTION) if item is not None and _can_be_done(item) else None

    def step(self, by: int) -> None:
        """Down or up by so many that can be done now, round the ends."""
        rows = [row for row in range(self.list.count()) if _can_be_done(self.list.item(row))]
        if rows:
            now = rows.index(self.list.currentRow()) if self.list.currentRow() in rows else -1
            self.list.setCurrentRow(rows[(now + by) % len(rows)])

    def close_palette(self) -> None:
        if not self.isHidden():
            self.hide()
            self._closed()

    def place(self) -> None:
        parent = self.parentWidget()
        if parent is not None:
            self.resize(min(_WIDTH_PX, parent.width() - 40), min(_HEIGHT_PX, parent.height() - 100))
            self.move((parent.width() - self.width()) // 2, 60)
            self.raise_()

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:
        """The field has the focus; the keys that move in the list and choose are the list's."""
        if a0 is not self.field or not isinstance(a1, QKeyEvent) or a1.type() != QEvent.Type.KeyPress:
            return super().eventFilter(a0, a1)
        if a1.key() == Qt.Key.Key_Escape:
            self.close_palette()
        elif a1.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._choose(self.list.currentItem())
        elif a1.key() in _LIST_KEYS:
            self.list.keyPressEvent(a1)
        else:
            return False
        return True

    def _show_matching(self, typed: str) -> None:
        self.list.clear()
        for action in matching(self._actions, typed):
            refusal = action.refusal()
            mark = "\u25c6 " if action.consequential else ""
            line = f"{mark}{action.words}" + (f"    {action.shown_keys}" if action.keys else "")
            item = QListWidgetItem(line + (f"\n      {refusal}" if refusal else ""))
            item.setData(_ACTION, action)
            item.setToolTip(refusal or action.tip)
            if refusal:
                item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEnabled)
            self.list.addItem(item)
        for row in range(self.list.count()):
            item = self.list.item(row)
            if _can_be_done(item):
                self.list.setCurrentRow(row)
                break

    def _choose(self, item: QListWidgetItem | None) -> None:
        if item is None or not _can_be_done(item):
            return
        action = item.data(_ACTION)
        self.close_palette()
        self._perform(action)


def _can_be_done(item: QListWidgetItem | None) -> bool:
    return item is not None and bool(item.flags() & Qt.ItemFlag.ItemIsEnabled)


def matching(actions: Sequence[Action], typed: str) -> list[Action]:
    """Actions in whose words every typed word occurs; those that begin with it first. All where nothing is typed.

    What lasts only while a key is held cannot be chosen from a list.
    """
    words = typed.lower().split()
    found = [
        action
        for action in actions
        if action.release is None and all(word in f"{action.words} {action.tip}".lower() for word in words)
    ]
    return sorted(found, key=lambda action: not action.words.lower().startswith(typed.lower().strip()))
