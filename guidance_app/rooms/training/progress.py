"""How a trainee has done so far: one plot and one table for each exercise."""

from __future__ import annotations

from typing import Any

import pyqtgraph as pg
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QAbstractItemView, QHBoxLayout, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from guidance_app.rooms.training.history import Attempt, ExerciseName
from guidance_app.views import palette
from guidance_app.views.language import tr

UNITS: dict[ExerciseName, str] = {
    "by-hand": "mm off (less is better)",
    "right-or-wrong": "% told apart (more is better)",
    "projection": "% lost beyond the best (less is better)",
}
_HEADINGS = ("Day", "Case", "Level", "Score", "Time", "Reference")


class Progress(QWidget):
    """The attempts of one trainee in one exercise."""

    def __init__(self) -> None:
        super().__init__()
        self.plot = pg.PlotWidget(background=palette.ROOM)
        item = self.plot.getPlotItem()
        assert item is not None
        self._item: Any = item  # its stubs know half of its methods
        self._item.setMenuEnabled(False)
        self._item.hideButtons()
        self._item.setMouseEnabled(x=False, y=False)
        self._item.showGrid(y=True, alpha=0.15)
        self._item.getAxis("bottom").setLabel(tr("attempt"))
        self._item.getAxis("bottom").setTickSpacing(5, 1)
        self.table = QTableWidget(0, len(_HEADINGS))
        self.table.setHorizontalHeaderLabels([tr(heading) for heading in _HEADINGS])
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.table.setShowGrid(False)
        rows, columns = self.table.verticalHeader(), self.table.horizontalHeader()
        assert rows is not None
        assert columns is not None
        rows.hide()
        rows.setDefaultSectionSize(24)
        columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        columns.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        columns.setStyleSheet(f"QHeaderView::section {{ background: {palette.PANEL}; border: 0; padding: 3px; }}")
        self.table.setStyleSheet(f"QTableWidget {{ background: {palette.PANEL}; border: 0; font-size: 13px; }}")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        layout.addWidget(self.plot, 2)
        layout.addWidget(self.table, 3)

    def show_attempts(self, attempts: tuple[Attempt, ...], exercise: ExerciseName) -> None:
        """Newest first in the table, oldest first in the plot."""
        own = [one for one in attempts if one.exercise == exercise]
        self._item.clear()
        self._item.setTitle(None if own else tr("No attempt yet: choose an exercise above"), color=palette.QUIET_TEXT)
        self._item.setLabel("left", tr(UNITS[exercise]), **{"font-size": "11px", "color": palette.TEXT})
        places, scores = list(range(1, len(own) + 1)), [one.score for one in own]
        self._item.plot(
            places, scores, pen=pg.mkPen(palette.VALID, width=1.6), symbol="o", symbolSize=7,
            symbolBrush=pg.mkBrush(palette.VALID), symbolPen=pg.mkPen(palette.CASING),
        )  # fmt: skip
        self._item.setXRange(0.5, max(len(own), 5) + 0.5, padding=0)
        top = 100.0 if exercise == "right-or-wrong" else max([*scores, 5.0])
        self._item.setYRange(0.0, 1.1 * top, padding=0)
        self.table.setRowCount(len(own))
        for row, one in enumerate(reversed(own)):
            unit = one.unit.split()[0]
            cells = (
                one.began_utc[:10], one.case_mark, one.level, f"{one.score:.1f} {unit}", f"{one.seconds:.0f} s",
                one.reference if one.reference != "registration" else tr("program {confidence}").format(
                    confidence=f"{one.confidence:.2f}"
                ),
            )  # fmt: skip
            for column, words in enumerate(cells):
                self.table.setItem(row, column, QTableWidgetItem(words))
