"""A benchmark while it runs: the times of the stages, and the age of the overlay with the frames that were lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyqtgraph as pg
from PyQt6.QtWidgets import QHBoxLayout, QWidget

from guidance_app.live.benches.latency_follow import Moment
from guidance_app.views import palette
from guidance_app.views.language import tr

# Apart for the colour-blind by brightness too, and named in the legend.
_STAGES = {
    "ingest_to_overlay": palette.BRIGHT_TEXT,
    "ingest_to_paint": palette.VALID,
    "segment": palette.UNVERIFIED,
    "track": palette.HELD,
    "motion": palette.CARRIED,
    "render": palette.ALARM,
    "paint": palette.NOT_CURRENT,
}


class RunningPlots(QWidget):
    """Milliseconds over seconds at the left; overlay age, and superseded and dropped frames so far, at the right."""

    def __init__(self) -> None:
        super().__init__()
        self.stages, self._stages = _plot(tr("ms, median of each half second"))
        self.losses, self._losses = _plot(tr("overlay age, ms; frames lost so far"))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self.stages, 3)
        layout.addWidget(self.losses, 2)

    def show_moments(self, moments: Sequence[Moment]) -> None:
        """Draw all of a run so far."""
        self._stages.clear()
        self._losses.clear()
        for name, colour in _STAGES.items():
            known = [(one.t_s, one.stages_ms[name]) for one in moments if name in one.stages_ms]
            _draw(self._stages, known, tr(name.replace("_", " ")), colour)
        age = [(one.t_s, one.overlay_age_ms) for one in moments if one.overlay_age_ms is not None]
        _draw(self._losses, age, tr("overlay age (ms)"), palette.VALID)
        superseded = [(one.t_s, one.superseded) for one in moments]
        _draw(self._losses, superseded, tr("superseded (frames)"), palette.UNVERIFIED)
        _draw(self._losses, [(one.t_s, one.dropped) for one in moments], tr("dropped (frames)"), palette.ALARM)
        for plot in (self._stages, self._losses):
            plot.setYRange(0.0, max(_top(plot), 10.0), padding=0.05)


def _plot(label: str) -> tuple[pg.PlotWidget, Any]:
    widget = pg.PlotWidget(background=palette.ROOM)
    item: Any = widget.getPlotItem()  # its stubs know half of its methods
    item.setMenuEnabled(False)
    item.hideButtons()
    item.setMouseEnabled(x=False, y=False)
    item.showGrid(y=True, alpha=0.15)
    item.setLabel("left", label, **{"font-size": "11px", "color": palette.TEXT})
    item.setLabel("bottom", tr("seconds"), **{"font-size": "11px", "color": palette.TEXT})
    item.addLegend(offset=(-8, 4), labelTextColor=palette.TEXT, brush=pg.mkBrush(11, 12, 14, 200), colCount=4)
    return widget, item


def _draw(item: Any, points: Sequence[tuple[float, float]], name: str, colour: str) -> None:
    if points:
        item.plot([t for t, _ in points], [value for _, value in points], name=name, pen=pg.mkPen(colour, width=1.8))


def _top(item: Any) -> float:
    """Above what is drawn, with room for the legend."""
    return 1.45 * max((float(max(line.getData()[1])) for line in item.listDataItems()), default=0.0)
