"""The ways a pullback may lie, as a list: chance, stretch of the vessel, turn, and what the CT shows there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QIcon, QPixmap
from PyQt6.QtWidgets import QListWidget

from engines.ivus.fusion import Candidate
from guidance_app.panels.pictures.grey import grey_image
from guidance_app.rooms.ivus.answer.desk import FusionDesk
from guidance_app.rooms.ivus.pictures.thumbnails import SIDE_PX


class CandidateList(QListWidget):
    """Two lines a candidate; the keyboard stays with the room."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setIconSize(QSize(SIDE_PX, SIDE_PX))
        self.setStyleSheet("QListWidget { font-size: 13px; } QListWidget::item { padding: 3px 4px; }")

    def show_candidates(self, desk: FusionDesk, pictures: Sequence[np.ndarray | None]) -> None:
        """Show the desk's candidates, the shown one chosen.

        Args:
            pictures: one a candidate; none while the CT is still read.
        """
        self.blockSignals(True)
        self.clear()
        found = desk.opened.fusion
        judged = found.method == "ours"
        length_mm = float(np.ptp(found.place_mm))  # as it truly is: the device's own is off by up to 6 %
        for number, candidate in enumerate(desk.candidates, start=1):
            chance = f"{100 * candidate.probability:.0f} %" if judged else f"{candidate.probability:.2f}"
            way = "\u2190" if candidate.distal_to_proximal else "\u2192"
            mirror = ", mirror" if candidate.handedness < 0 else ""
            ends = _ends(candidate, length_mm)
            self.addItem(f"{number}   {chance}\n{ends} mm {way} {candidate.rotation_deg:.0f}\u00b0{mirror}")
            item = self.item(number - 1)
            assert item is not None
            order = "distal to proximal" if candidate.distal_to_proximal else "proximal to distal"
            item.setToolTip(f"frames {order} over {ends}, the first turned by {candidate.rotation_deg:.0f} degrees")
            picture = pictures[number - 1] if pictures else None
            if picture is not None:
                shown = QPixmap.fromImage(grey_image(picture))
                icon = QIcon(shown)
                icon.addPixmap(shown, QIcon.Mode.Selected)  # a chosen candidate's picture stays grey
                item.setIcon(icon)
        self.setCurrentRow(desk.shown_candidate)
        self.blockSignals(False)


def _ends(candidate: Candidate, length_mm: float) -> str:
    """The stretch of the vessel that a candidate covers."""
    other = candidate.offset_mm + (-length_mm if candidate.distal_to_proximal else length_mm)
    low, high = sorted((candidate.offset_mm, other))
    return f"{low:.0f} to {high:.0f}"
