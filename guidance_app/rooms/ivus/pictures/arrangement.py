"""Where everything of the IVUS room stands: verdict, pictures and candidates, long views and curves."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QLayout, QSplitter, QVBoxLayout, QWidget

from guidance_app.views import palette

_SIDE_PX = 272


def side_column(candidates: QWidget, here: QWidget, modes: QWidget, tools: QGridLayout) -> QFrame:
    """Candidates, how sure the frame is, and the buttons."""
    side = QFrame()
    side.setObjectName("panel")
    column = QVBoxLayout(side)
    column.setContentsMargins(8, 6, 8, 6)
    column.setSpacing(4)
    heading = QLabel("CANDIDATES (C: next)")
    heading.setObjectName("heading")
    column.addWidget(heading)
    column.addWidget(candidates, 1)
    row = QHBoxLayout()
    row.addWidget(here, 1)
    row.addWidget(modes)
    column.addLayout(row)
    tools.setSpacing(3)
    column.addLayout(tools)
    side.setFixedWidth(_SIDE_PX)
    return side


def arrange(
    place: QWidget, banner: QWidget, pictures: Sequence[QWidget], side: QWidget, lanes: QWidget, curves: QWidget
) -> None:
    """The verdict on top, pictures beside the candidates, the axis of the vessel below."""
    top = QHBoxLayout()
    for picture in pictures:
        top.addWidget(picture, 3)
    top.addWidget(side)
    below = QVBoxLayout()
    below.addWidget(lanes, 4)
    below.addWidget(curves, 1)
    split = QSplitter(Qt.Orientation.Vertical)
    split.addWidget(_holding(top, above_px=0, spacing_px=2))
    split.addWidget(_holding(below, above_px=2, spacing_px=0))
    split.setStretchFactor(0, 45)
    split.setStretchFactor(1, 55)
    split.setSizes([470, 530])
    research = QLabel(palette.RESEARCH_LINE)
    research.setAlignment(Qt.AlignmentFlag.AlignHCenter)
    research.setObjectName("quiet")
    layout = QVBoxLayout(place)
    layout.setContentsMargins(4, 4, 4, 2)
    layout.setSpacing(3)
    layout.addWidget(banner)
    layout.addWidget(split, 1)
    layout.addWidget(research)


def _holding(layout: QLayout, *, above_px: int, spacing_px: int) -> QWidget:
    layout.setContentsMargins(0, above_px, 0, 0)
    layout.setSpacing(spacing_px)
    held = QWidget()
    held.setLayout(layout)
    return held
