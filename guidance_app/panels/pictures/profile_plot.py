"""Profiles over the same axis as the lanes above, with one cursor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph as pg
from jaxtyping import Float
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QWidget

from guidance_app.panels.pictures.lane_view import LEFT_PX, RIGHT_PX
from guidance_app.views import palette


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Profile:
    """One line; NaN leaves a gap.

    Args:
        name: with its unit, for the legend.
        right: against the axis at the right.
    """

    name: str
    x_mm: Float[np.ndarray, " n"]
    y: Float[np.ndarray, " n"]
    colour: str
    right: bool = False
    dashed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A marked point with a word."""

    x_mm: float
    y: float
    words: str
    colour: str


class ProfilePlot(pg.PlotWidget):
    """`scrubbed` tells the place under a pressed mouse."""

    scrubbed = pyqtSignal(float)

    def __init__(self, *, left: str, parent: QWidget | None = None) -> None:
        super().__init__(parent, background=palette.ROOM)
        item = self.getPlotItem()
        assert item is not None
        self._item: Any = item  # its stubs know half of its methods
        self._item.setContentsMargins(0, 2, RIGHT_PX, 0)
        self._item.getAxis("left").setWidth(LEFT_PX)
        self._item.setLabel("left", left, **{"font-size": "11px", "color": palette.TEXT})
        self._item.hideAxis("bottom")
        self._item.hideButtons()
        self._item.setMenuEnabled(False)
        self._item.getViewBox().setMouseEnabled(x=False, y=False)
        self._item.getViewBox().setDefaultPadding(0.0)
        self._item.layout.setContentsMargins(0, 0, 0, 0)
        self._legend = self._item.addLegend(offset=(-6, 2), labelTextSize="8pt", colCount=4)
        self._line = pg.InfiniteLine(angle=90, pen=pg.mkPen(palette.VALID, width=1.4))
        self._item.addItem(self._line, ignoreBounds=True)
        self.setMinimumHeight(80)

    def show_profiles(
        self, profiles: tuple[Profile, ...], range_mm: tuple[float, float], spots: tuple[Spot, ...] = ()
    ) -> None:
        self._item.clear()
        self._legend.clear()
        top = 1.0
        for profile in profiles:
            style = Qt.PenStyle.DashLine if profile.dashed else Qt.PenStyle.SolidLine
            self._item.plot(profile.x_mm, profile.y, name=profile.name, connect="finite",
                            pen=pg.mkPen(profile.colour, width=1.6, style=style))  # fmt: skip
            if np.isfinite(profile.y).any():
                top = max(top, float(np.nanmax(profile.y)))
        for spot in spots:
            self._item.addItem(pg.ScatterPlotItem([spot.x_mm], [spot.y], size=9, brush=pg.mkBrush(spot.colour),
                                                  pen=pg.mkPen(palette.CASING)))  # fmt: skip
            text = pg.TextItem(spot.words, color=spot.colour, anchor=(0.5, 1.15))
            text.setPos(spot.x_mm, spot.y)
            self._item.addItem(text, ignoreBounds=True)
        self._item.addItem(self._line, ignoreBounds=True)
        self._item.setXRange(*range_mm, padding=0)
        # Room above for the legend, and below for the whole of the axis' zero.
        self._item.setYRange(-0.08 * top, 1.8 * top, padding=0)

    def show_cursor(self, at_mm: float) -> None:
        self._line.setPos(at_mm)

    @property
    def cursor_mm(self) -> float:
        return float(self._line.value())  # pyright: ignore[reportArgumentType]

    def mousePressEvent(self, ev: object) -> None:
        self._scrub(ev)

    def mouseMoveEvent(self, ev: object) -> None:
        self._scrub(ev)

    def mouseReleaseEvent(self, ev: object) -> None:
        del ev

    def _scrub(self, event: object) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:  # pyright: ignore[reportAttributeAccessIssue]
            inside = self._item.getViewBox().mapSceneToView(self.mapToScene(event.position().toPoint()))  # pyright: ignore[reportAttributeAccessIssue]
            self.scrubbed.emit(float(inside.x()))
