"""One thing that was found, as a card: picture, what it is, what speaks against it; a click or a key chooses it."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QFont, QPainter, QPaintEvent, QPen, QPixmap, QPolygonF
from PyQt6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from guidance_app.views import palette

_PAD, _PICTURE_PX, _LINE_PX = 10, 92, 18
_CURVE = (120, 34)
_MARK_PX = 18
_SHORT = 48  # letters, which every card has room for


class ChoiceCard(QAbstractButton):
    """Painted by itself, so that its words are cut where they end and never push the picture away.

    Args:
        title: in bold.
        facts: quiet lines below.
        warning: in amber, or in red where `refused`.
        refused: it cannot be chosen.
        curve: (frame, contrast from 0 to 1) over time; () where there is none.
        several: chosen beside others; else it is one of a group.
    """

    def __init__(
        self, title: str, facts: tuple[str, ...], warning: str, *, picture: Path | None = None, refused: bool = False,
        curve: tuple[tuple[int, float], ...] = (), at: int = 0, several: bool = False, parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.title, self.facts, self.warning, self.refused = title, facts, warning, refused
        self._curve, self._at, self._several = curve, at, several
        self._picture = QPixmap(str(picture)) if picture is not None else QPixmap()
        self.setCheckable(not refused)
        self.setEnabled(not refused)
        self.setCursor(Qt.CursorShape.ArrowCursor if refused else Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus if refused else Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(title)
        self.setAccessibleDescription(". ".join([*facts, *filter(None, [warning])]))
        self.setToolTip("\n".join([title, *facts, *filter(None, [warning])]))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def picture_width(self) -> int:
        if self._picture.isNull():
            return 0
        return round(self._picture.width() * _PICTURE_PX / self._picture.height())

    def sizeHint(self) -> QSize:
        lines = 1 + len(self.facts) + (0 if not self.warning else 1 if len(self.warning) < _SHORT else 2)
        words = 2 * _PAD + _LINE_PX * lines + (_CURVE[1] + 4 if self._curve else 0)
        return QSize(340, max(words, _PICTURE_PX + 2 * _PAD if not self._picture.isNull() else 0, 48))

    def minimumSizeHint(self) -> QSize:
        return QSize(240, self.sizeHint().height())

    def paintEvent(self, e: QPaintEvent | None) -> None:  # noqa: ARG002 - Qt's signature
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        self._paint_frame(painter)
        left = _PAD + _MARK_PX + 6
        self._paint_mark(painter)
        if not self._picture.isNull():
            width = min(self.picture_width, round(0.55 * self.width()))
            shown = round(self._picture.width() * width / self.picture_width)  # a narrow card shows the first of them
            painter.drawPixmap(
                QRectF(left, _PAD, width, _PICTURE_PX), self._picture, QRectF(0, 0, shown, self._picture.height())
            )
            left += width + _PAD
        self._paint_words(painter, left)
        painter.end()

    def _paint_frame(self, painter: QPainter) -> None:
        chosen, focus = self.isChecked(), self.hasFocus()
        painter.setBrush(QColor("#1d242c" if chosen else "#191c20" if self.underMouse() else palette.PANEL))
        edge = palette.BRIGHT_TEXT if focus else palette.VALID if chosen else palette.LINE
        painter.setPen(QPen(QColor(edge), 2.0 if chosen or focus else 1.0))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 7, 7)

    def _paint_mark(self, painter: QPainter) -> None:
        """A ring of a choice of one, a box of a choice of several; nothing where it cannot be chosen."""
        box = QRectF(_PAD, self.height() / 2 - _MARK_PX / 2, _MARK_PX, _MARK_PX)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if self.refused:
            painter.setPen(QPen(QColor(palette.DISABLED_TEXT), 2))
            painter.drawLine(box.topLeft() + QPointF(4, 4), box.bottomRight() - QPointF(4, 4))
            painter.drawLine(box.topRight() + QPointF(-4, 4), box.bottomLeft() + QPointF(4, -4))
            return
        painter.setPen(QPen(QColor(palette.VALID if self.isChecked() else "#5a626b"), 2))
        painter.drawRoundedRect(box, 4, 4) if self._several else painter.drawEllipse(box)
        if self.isChecked():
            painter.setBrush(QColor(palette.VALID))
            inner = box.adjusted(5, 5, -5, -5)
            painter.drawRect(inner) if self._several else painter.drawEllipse(inner)

    def _paint_words(self, painter: QPainter, left: int) -> None:
        width = self.width() - left - _PAD
        font = QFont(palette.FONT_FAMILY)
        font.setPixelSize(palette.PANEL_TEXT_PX)
        font.setBold(True)
        painter.setFont(font)
        painter.setPen(QColor(palette.DISABLED_TEXT if self.refused else palette.BRIGHT_TEXT))
        y = _PAD
        self._line(painter, left, y, width, self.title)
        font.setBold(False)
        font.setPixelSize(palette.SMALL_TEXT_PX + 1)
        painter.setFont(font)
        for fact in self.facts:
            y += _LINE_PX
            painter.setPen(QColor(palette.DISABLED_TEXT if self.refused else palette.TEXT))
            self._line(painter, left, y, width, fact)
        y += _LINE_PX
        if self._curve:
            self._paint_curve(painter, QRectF(left, y + 3, min(width, 2 * _CURVE[0]), _CURVE[1]))
            y += _CURVE[1] + 6
        if self.warning:
            painter.setPen(QColor(palette.ALARM if self.refused else palette.UNVERIFIED))
            area = QRectF(left, y, width, self.height() - y - 4)
            flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
            painter.drawText(area, int(flags), self._fitting(painter, self.warning, width, int(area.height())))

    def _fitting(self, painter: QPainter, text: str, width: int, height: int) -> str:
        """As many words as two or three lines hold; the tool tip has all."""
        metrics = painter.fontMetrics()
        lines = max(1, height // metrics.lineSpacing())
        return metrics.elidedText(text, Qt.TextElideMode.ElideRight, int(lines * width * 0.92))

    def _line(self, painter: QPainter, x: int, y: int, width: int, text: str) -> None:
        shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, width)
        painter.drawText(QRectF(x, y, width, _LINE_PX), int(Qt.AlignmentFlag.AlignVCenter), shown)

    def _paint_curve(self, painter: QPainter, area: QRectF) -> None:
        """Contrast over time, with a mark at the frame that the picture shows."""
        last = max(self._curve[-1][0], 1)
        painter.setPen(QPen(QColor(palette.LINE), 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        places = [
            QPointF(area.left() + area.width() * frame / last, area.bottom() - (area.height() - 3) * min(amount, 1.0))
            for frame, amount in self._curve
        ]
        painter.setPen(QPen(QColor(palette.VALID), 1.6))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF(places))
        x = area.left() + area.width() * self._at / last
        painter.setPen(QPen(QColor(palette.UNVERIFIED), 1, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
