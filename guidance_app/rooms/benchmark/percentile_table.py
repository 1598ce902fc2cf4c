"""Percentiles of one or two runs: a row a stage, and B over A."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from guidance_app.rooms.benchmark.measured_run import PERCENTILES, MeasuredRun
from guidance_app.views import palette
from guidance_app.views.language import tr

A_COLOUR, B_COLOUR = palette.VALID, palette.UNVERIFIED


class PercentileTable(QTableWidget):
    """Milliseconds as the file states them, to a tenth; a dash where a stage never ran."""

    def __init__(self) -> None:
        super().__init__(0, 0)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setShowGrid(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setStyleSheet(f"QTableWidget {{ background: {palette.PANEL}; border: 0; font-size: 13px; }}")
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None
        assert columns is not None
        rows.hide()
        rows.setDefaultSectionSize(21)
        columns.setStyleSheet(f"QHeaderView::section {{ background: {palette.PANEL}; border: 0; padding: 3px; }}")
        self._header = columns

    def show_runs(self, runs: tuple[MeasuredRun | None, MeasuredRun | None]) -> None:
        """Show A, B, or both beside each other; None where there is none."""
        shown = [(letter, run) for letter, run in zip("AB", runs, strict=True) if run is not None]
        names = list(dict.fromkeys(name for _, run in shown for name, found in run.rows.items() if found.count))
        ratio = ["B/A p50"] if len(shown) == 2 else []
        headings = [tr("Stage (ms)"), *(f"{letter} {p}" for letter, _ in shown for p in PERCENTILES), *ratio]
        self.setColumnCount(len(headings))
        self.setHorizontalHeaderLabels(headings)
        self._header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self._header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        self.setRowCount(len(names))
        for row, name in enumerate(names):
            self._put(row, 0, tr(name.replace("_", " ")), palette.TEXT)
            column = 1
            for letter, run in shown:
                for percentile in PERCENTILES:
                    found = run.rows.get(name)
                    value = None if found is None else getattr(found, percentile)
                    colour = A_COLOUR if letter == "A" else B_COLOUR
                    self._put(row, column, "\u2013" if value is None else f"{value:.1f}", colour)
                    column += 1
            if ratio:
                self._put(row, column, _ratio(shown[0][1], shown[1][1], name), palette.BRIGHT_TEXT)

    def _put(self, row: int, column: int, words: str, colour: str) -> None:
        item = QTableWidgetItem(words)
        item.setForeground(QColor(colour))
        if column:
            item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.setItem(row, column, item)


def _ratio(first: MeasuredRun, second: MeasuredRun, name: str) -> str:
    a, b = (run.rows[name].p50 if name in run.rows else None for run in (first, second))
    return "\u2013" if not a or b is None else f"{b / a:.2f}"
