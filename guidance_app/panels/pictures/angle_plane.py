"""A plane of C-arm angles, RAO to LAO from left to right and caudal to cranial upwards, in which a press chooses."""

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QImage, QMouseEvent
from PyQt6.QtWidgets import QWidget

from engines.planning.segment_views import AngleMap
from guidance_app.panels.pictures.grey import colour_image


class AnglePlane(QWidget):
    """`chosen` tells the angles under a pressed mouse, in whole degrees: + is LAO, + is cranial.

    Args:
        widest_deg, highest_deg: of the plane's edges.
        margins_px: left, top, right and bottom of the plane in the widget.
    """

    chosen = pyqtSignal(float, float)

    def __init__(self, widest_deg: float, highest_deg: float, margins_px: tuple[int, int, int, int]) -> None:
        super().__init__()
        self._widest_deg, self._highest_deg, self._margins_px = widest_deg, highest_deg, margins_px
        self.setCursor(Qt.CursorShape.CrossCursor)

    def area(self) -> QRectF:
        left, top, right, bottom = self._margins_px
        return QRectF(left, top, self.width() - left - right, self.height() - top - bottom)

    def place_of(self, primary_deg: float, secondary_deg: float) -> QPointF:
        area = self.area()
        return QPointF(
            area.center().x() + primary_deg / self._widest_deg * area.width() / 2,
            area.center().y() - secondary_deg / self._highest_deg * area.height() / 2,
        )

    def mousePressEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is not None and a0.button() == Qt.MouseButton.LeftButton:
            self._choose(a0.position())

    def mouseMoveEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is not None and a0.buttons() & Qt.MouseButton.LeftButton:
            self._choose(a0.position())

    def _choose(self, at: QPointF) -> None:
        area = self.area()
        primary = (at.x() - area.center().x()) / (area.width() / 2) * self._widest_deg
        secondary = (area.center().y() - at.y()) / (area.height() / 2) * self._highest_deg
        self.chosen.emit(
            float(np.clip(round(primary), -self._widest_deg, self._widest_deg)),
            float(np.clip(round(secondary), -self._highest_deg, self._highest_deg)),
        )


def loss_image(found: AngleMap, much: np.ndarray, nothing: np.ndarray) -> QImage:
    """What a segment loses at each angle, cranial on top; RGB of much and of nothing, 0 to 255."""
    share = np.clip(found.lost / max(float(np.quantile(found.lost, 0.9)), 1e-6), 0.0, 1.0)[::-1, :, None]
    return colour_image((share * much + (1 - share) * nothing).astype(np.uint8))
