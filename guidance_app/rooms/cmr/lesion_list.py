"""Sentences of a result in reading order: a line a lesion, then a line a defect that no lesion explains."""

from __future__ import annotations

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QColor, QIcon, QPixmap
from PyQt6.QtWidgets import QListWidget, QListWidgetItem

from engines.cmr.results.drawing import VESSEL_COLOURS
from guidance_app.rooms.cmr.opened import OpenedCmr
from guidance_app.rooms.cmr.words import defect_sentence, lesion_sentence, nothing_sentence
from guidance_app.views import palette

_ROW_PX, _MOST_ROWS = 27, 4


class LesionList(QListWidget):
    """Sentences with the vessel's colour."""

    def __init__(self, opened: OpenedCmr) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWordWrap(False)
        self.setStyleSheet(
            f"QListWidget {{ background: {palette.PANEL}; border: 1px solid {palette.LINE}; font-size: 16px; }}"
            "QListWidget::item { padding: 2px 6px; }"
        )
        self.show_result(opened)

    def show_result(self, opened: OpenedCmr) -> None:
        chosen = self.currentRow()
        self.clear()
        found = opened.found
        for lesion in found.stenoses:
            self._add(lesion_sentence(lesion, found), VESSEL_COLOURS.get(lesion.vessel), lesion.vessel)
        if not found.stenoses:
            self._add(nothing_sentence(opened), None, "")
        for defect in found.unmatched_defects:
            self._add(defect_sentence(defect, opened.remote), None, str(defect.segments[0]) if defect.segments else "")
        if not found.unmatched_defects:
            self._add("No defect without a stenosis", None, "")
        self.setCurrentRow(chosen if chosen < self.count() else -1)
        self.setFixedHeight(_ROW_PX * min(self.count(), _MOST_ROWS) + 4)

    def key_of(self, item: QListWidgetItem) -> str:
        """The vessel of a lesion, the first segment of a defect, "" of what leads nowhere."""
        return str(item.data(Qt.ItemDataRole.UserRole) or "")

    def _add(self, words: str, colour: tuple[int, int, int] | None, key: str) -> None:
        item = QListWidgetItem(words)
        swatch = QPixmap(QSize(12, 12))
        swatch.fill(QColor(*colour) if colour is not None else QColor(palette.LINE))
        item.setIcon(QIcon(swatch))
        item.setSizeHint(QSize(0, _ROW_PX))
        item.setToolTip(words)
        item.setData(Qt.ItemDataRole.UserRole, key)
        self.addItem(item)
