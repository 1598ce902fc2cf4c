"""Profiles over the same axis as the lanes above, with one cursor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from jaxtyping import Float
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QWidget

from guidance_app.panels.lane_view import LEFT_PX, RIGHT_PX
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
        self._item = item
        item.setContentsMargins(0, 2, RIGHT_PX, 0)
        item.getAxis("left").setWidth(LEFT_PX)
        item.setLabel("left", left, **{"font-size": "11px", "color": palette.TEXT})
        item.hideAxis("bottom")
        item.hideButtons()
        item.setMenuEnabled(False)
        item.getViewBox().setMouseEnabled(x=False, y=False)
        item.getViewBox().setDefaultPadding(0.0)
        item.layout.setContentsMargins(0, 0, 0, 0)
        self._legend = item.addLegend(offset=(-6, 2), labelTextSize="8pt", colCount=4)
        self._line = pg.InfiniteLine(angle=90, pen=pg.mkPen(palette.VALID, width=1.4))
        item.addItem(self._line, ignoreBounds=True)
        self.setMinimumHeight(80)

    def show_profiles(self, profiles: tuple[Profile, ...], range_mm: tuple[float, float], spots: tuple[Spot, ...] = ()) -> None:
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
        self._item.setYRange(0.0, 1.25 * top, padding=0)

    def show_cursor(self, at_mm: float) -> None:
        self._line.setPos(at_mm)

    @property
    def cursor_mm(self) -> float:
        return float(self._line.value())

    def mousePressEvent(self, event: object) -> None:
        self._scrub(event)

    def mouseMoveEvent(self, event: object) -> None:
        self._scrub(event)

    def mouseReleaseEvent(self, event: object) -> None:
        del event

    def _scrub(self, event: object) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:  # pyright: ignore[reportAttributeAccessIssue]
            inside = self._item.getViewBox().mapSceneToView(self.mapToScene(event.position().toPoint()))  # pyright: ignore[reportAttributeAccessIssue]
            self.scrubbed.emit(float(inside.x()))
