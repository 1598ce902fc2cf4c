"""The list of branches beside the picture, the worst first, and the three comparisons."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor, QFontMetrics
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from guidance_app.panels.button_panel import ButtonPanel, heading
from guidance_app.rooms.live.judging.branch_words import mark_of, row_text, summary_text
from guidance_app.rooms.live.judging.comparison import COMPARISONS
from guidance_app.rooms.live.judging.judging_desk import JudgingDesk
from guidance_app.views import palette
from guidance_app.views.language import tr

_STATUS_LINES = 5
# Action, words, and whether the button shows a state.
_CORRECTING = (
    (("live.handles", "Handles", True), ("live.landmarks", "Landmarks", True)),
    (("live.weak", "Too weak", True), ("live.wire", "Stiff wire", True)),
    (("live.undo", "Undo", False), ("live.redo", "Redo", False), ("live.hand-propose", "Propose", False)),
)
_WORDS = {"flicker": "Flicker", "checkerboard": "Squares", "edges": "Edges"}


class JudgingPanel(ButtonPanel):
    """Shows what the desk has found; takes no keyboard focus, so that keys always reach the room."""

    def __init__(self, parent: QWidget | None, desk: JudgingDesk, perform: Callable[[str], None]) -> None:
        super().__init__(parent, perform)
        self._desk = desk
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(12, 12, 12, 12)
        self._layout.setSpacing(6)
        self._layout.addWidget(heading(tr("JUDGE")))
        self.summary = QLabel()
        self.summary.setWordWrap(True)
        self.summary.setMinimumHeight(38)
        self.summary.setStyleSheet(f"font-size: {palette.SMALL_TEXT_PX}px;")
        self._layout.addWidget(self.summary)
        self.branches = QListWidget()
        self.branches.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.branches.setAccessibleName("Branches, the worst first")
        self.branches.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.branches.itemClicked.connect(self._clicked)
        self._layout.addWidget(self.branches, 1)
        hint = QLabel(
            tr("How far each branch is from its vessel, in mm at the isocentre; arteries by arteries, veins by veins.")
        )
        hint.setObjectName("quiet")
        hint.setWordWrap(True)
        self._layout.addWidget(hint)
        row = QHBoxLayout()
        row.setSpacing(4)
        for how in COMPARISONS:
            row.addWidget(self.button(f"live.{how}", tr(_WORDS[how]), checkable=True))
        self._layout.addLayout(row)
        self._add_correcting()
        self.hide()

    def _add_correcting(self) -> None:
        self._layout.addWidget(heading(tr("CORRECT")))
        for pair in _CORRECTING:
            row = QHBoxLayout()
            row.setSpacing(4)
            for action_id, words, checkable in pair:
                row.addWidget(self.button(action_id, tr(words), checkable=checkable))
            self._layout.addLayout(row)
        self.status = QLabel()
        self.status.setObjectName("quiet")
        self.status.setWordWrap(True)
        self.status.setFixedHeight(_STATUS_LINES * QFontMetrics(self.status.font()).lineSpacing())
        self.status.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._layout.addWidget(self.status)

    def show_desk(self) -> None:
        """Take over what the desk knows now."""
        desk = self._desk
        self.setVisible(desk.is_open)
        for how in COMPARISONS:
            self.buttons[f"live.{how}"].setChecked(desk.tool.comparison == how)
        hand = desk.hand
        for action_id, mode in (("live.handles", "handles"), ("live.landmarks", "landmarks"), ("live.weak", "weak")):
            self.buttons[action_id].setChecked(hand.mode == mode)
        self.buttons["live.wire"].setChecked(hand.wire)
        self.buttons["live.weak"].setEnabled(hand.mode == "weak" or not hand.no_weak())
        self.buttons["live.undo"].setEnabled(not hand.no_undo())
        self.buttons["live.redo"].setEnabled(not hand.no_redo())
        self.buttons["live.hand-propose"].setEnabled(not hand.no_draft())
        self.status.setText(hand.status)
        self.status.setToolTip(hand.status)
        if desk.judgement is not None and not desk.behind:
            text = summary_text(desk.judgement)
        else:
            text = desk.problem or tr("Comparing the branches with the picture\u2026")
        if self.summary.text() != text:
            self.summary.setText(text)
        self._show_rows()

    def _show_rows(self) -> None:
        """In place, so that a list that is judged anew does not jump under the mouse."""
        rows = self._desk.branches
        while self.branches.count() > len(rows):
            self.branches.takeItem(self.branches.count() - 1)
        for index, branch in enumerate(rows):
            item = self.branches.item(index)
            if item is None:
                item = QListWidgetItem()
                self.branches.addItem(item)
            item.setText(row_text(branch))
            item.setForeground(QColor(mark_of(branch.residual.residual_mm)[1]))
        self.branches.setCurrentRow(self._desk.chosen_row)

    def _clicked(self, item: QListWidgetItem) -> None:
        row = self.branches.row(item)
        # A second click on the chosen branch lets it go.
        self._desk.choose(-1 if row == self._desk.chosen_row else row)
