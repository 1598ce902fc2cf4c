"""Small icons, painted as lines: no font and no file has to be installed, and they follow size and colour."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QIcon, QIconEngine, QPainter, QPainterPath, QPen, QPixmap

from guidance_app.views import palette

IconName = Literal[
    "case", "live", "replay", "ivus", "cmr", "training", "bench", "settings", "room", "jobs", "help", "search",
]  # fmt: skip

_UNIT = 24.0  # every icon is drawn in a square of this size
_LINE = 1.7


def icon(name: IconName) -> QIcon:
    """Bright where its button is checked, quiet otherwise, faint where disabled."""
    return QIcon(_LineIcon(_SHAPES[name]))


class _LineIcon(QIconEngine):
    def __init__(self, shape: Callable[[], QPainterPath]) -> None:
        super().__init__()
        self._shape = shape

    def paint(self, painter: QPainter | None, rect: object, mode: QIcon.Mode, state: QIcon.State) -> None:
        if painter is None:
            return
        area = QRectF(rect)  # type: ignore[call-overload]
        colour = palette.BRIGHT_TEXT if state == QIcon.State.On else palette.QUIET_TEXT
        if mode == QIcon.Mode.Disabled:
            colour = palette.LINE
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.translate(area.topLeft())
        painter.scale(area.width() / _UNIT, area.height() / _UNIT)
        pen = QPen(QColor(colour), _LINE)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter.setPen(pen)
        painter.drawPath(self._shape())
        painter.restore()

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        picture = QPixmap(size)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        self.paint(painter, QRectF(0.0, 0.0, size.width(), size.height()), mode, state)
        painter.end()
        return picture

    def clone(self) -> QIconEngine:
        return _LineIcon(self._shape)


def _case() -> QPainterPath:
    """A folder."""
    path = QPainterPath(QPointF(3, 19))
    for x, y in ((3, 6), (9, 6), (11, 8.5), (21, 8.5), (21, 19)):
        path.lineTo(x, y)
    path.closeSubpath()
    return path


def _live() -> QPainterPath:
    """A vessel that branches, in the round field of an image intensifier."""
    path = QPainterPath()
    path.addEllipse(QRectF(3, 3, 18, 18))
    path.moveTo(8, 19)
    path.cubicTo(8, 13, 12, 13, 12, 9)
    path.lineTo(12, 4)
    path.moveTo(11, 12.5)
    path.cubicTo(13, 14, 15.5, 14, 18.5, 17)
    return path


def _replay() -> QPainterPath:
    """Two pictures side by side, one of them playing."""
    path = QPainterPath()
    path.addRect(QRectF(2.5, 5, 8.5, 14))
    path.addRect(QRectF(13, 5, 8.5, 14))
    path.moveTo(5, 9)
    for x, y in ((9, 12), (5, 15), (5, 9)):
        path.lineTo(x, y)
    path.moveTo(16, 9)
    path.lineTo(16, 15)
    path.moveTo(18.5, 9)
    path.lineTo(18.5, 15)
    return path


def _ivus() -> QPainterPath:
    """A vessel across: wall, lumen, and the catheter in it."""
    path = QPainterPath()
    path.addEllipse(QRectF(3, 3, 18, 18))
    path.addEllipse(QRectF(6.5, 7, 11, 10))
    path.addEllipse(QRectF(10, 11, 3, 3))
    return path


def _cmr() -> QPainterPath:
    """The left ventricle in six segments."""
    path = QPainterPath()
    path.addEllipse(QRectF(3, 3, 18, 18))
    path.addEllipse(QRectF(8, 8, 8, 8))
    for x, y in ((1.0, 0.0), (0.5, 0.866), (-0.5, 0.866), (-1.0, 0.0), (-0.5, -0.866), (0.5, -0.866)):
        path.moveTo(12 + 4 * x, 12 + 4 * y)
        path.lineTo(12 + 9 * x, 12 + 9 * y)
    return path


def _training() -> QPainterPath:
    """A target, and how far off a shot is."""
    path = QPainterPath()
    path.addEllipse(QRectF(3, 3, 18, 18))
    path.addEllipse(QRectF(8, 8, 8, 8))
    path.moveTo(12, 12)
    path.lineTo(18, 6)
    path.addEllipse(QRectF(17.2, 4.8, 2, 2))
    return path


def _bench() -> QPainterPath:
    """A stopwatch."""
    path = QPainterPath()
    path.addEllipse(QRectF(4, 6, 16, 16))
    path.moveTo(12, 6)
    path.lineTo(12, 3)
    path.moveTo(9, 2.5)
    path.lineTo(15, 2.5)
    path.moveTo(12, 14)
    path.lineTo(16, 10)
    return path


def _settings() -> QPainterPath:
    """Three sliders."""
    path = QPainterPath()
    for y, x in ((6, 15), (12, 8), (18, 13)):
        path.moveTo(3, y)
        path.lineTo(x - 2, y)
        path.addEllipse(QRectF(x - 2, y - 2, 4, 4))
        path.moveTo(x + 2, y)
        path.lineTo(21, y)
    return path


def _room() -> QPainterPath:
    """A door that stands open: a room without an icon of its own."""
    path = QPainterPath()
    path.addRect(QRectF(5, 3, 14, 18))
    path.moveTo(5, 3)
    path.lineTo(13, 6)
    path.lineTo(13, 21)
    return path


def _jobs() -> QPainterPath:
    """Three bars of progress."""
    path = QPainterPath()
    for y, x in ((6, 21), (12, 15), (18, 9)):
        path.moveTo(3, y)
        path.lineTo(x, y)
    return path


def _help() -> QPainterPath:
    """A keyboard."""
    path = QPainterPath()
    path.addRoundedRect(QRectF(2, 6, 20, 12), 2, 2)
    for x in (6, 10, 14, 18):
        path.moveTo(x, 10)
        path.lineTo(x + 0.1, 10)
    path.moveTo(8, 14)
    path.lineTo(16, 14)
    return path


def _search() -> QPainterPath:
    path = QPainterPath()
    path.addEllipse(QRectF(4, 4, 11, 11))
    path.moveTo(13.5, 13.5)
    path.lineTo(20, 20)
    return path


_SHAPES: dict[IconName, Callable[[], QPainterPath]] = {
    "case": _case,
    "live": _live,
    "replay": _replay,
    "ivus": _ivus,
    "cmr": _cmr,
    "training": _training,
    "bench": _bench,
    "settings": _settings,
    "room": _room,
    "jobs": _jobs,
    "help": _help,
    "search": _search,
}
