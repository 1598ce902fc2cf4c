"""Heat where the network's evidence lies, in place of the overlay, on its own frame alone."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from PyQt6.QtCore import QPointF, QRectF
from PyQt6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF

from engines.angiography.frame import Frame
from guidance_app.views import palette
from guidance_app.views.language import tr
from guidance_app.views.picture_tool import PaintedPicture, PictureTool

_HEAT = (255, 176, 32)  # amber: what is not verified
_STRONGEST = 0.65  # of the heat over the picture, which stays to be seen
_OUTLINE = QColor(palette.BRIGHT_TEXT)


class AttentionTool(PictureTool):
    """Nothing is painted on another frame than the one that was asked about."""

    def __init__(self) -> None:
        self._frame: Frame | None = None
        self._heat: QImage | None = None
        self._bytes: np.ndarray | None = None  # owned by the image above
        self._outline: list[np.ndarray] = []

    @property
    def shows(self) -> bool:
        return self._heat is not None

    @property
    def hides_overlay(self) -> bool:
        return self.shows

    @property
    def notes(self) -> tuple[str, ...]:
        """Short, since words of the picture are large: the line below the window says what is bright."""
        return (tr("NETWORK'S EVIDENCE (Y)"),) if self.shows else ()

    def show(
        self, frame: Frame, values: Float[np.ndarray, "rows columns"], found: Bool[np.ndarray, "rows columns"]
    ) -> None:
        """Lay this on the frame: evidence from 0 to 1, and the mask of what was found."""
        import cv2

        rows, columns = values.shape
        alpha = np.clip(values.astype(np.float32), 0.0, 1.0) * _STRONGEST
        rgba = np.empty((rows, columns, 4), np.uint8)
        rgba[..., :3] = (alpha[..., None] * np.array(_HEAT)).astype(np.uint8)
        rgba[..., 3] = (255 * alpha).astype(np.uint8)
        self._bytes = np.ascontiguousarray(rgba)
        self._heat = QImage(
            self._bytes.data, columns, rows, 4 * columns, QImage.Format.Format_RGBA8888_Premultiplied  # pyright: ignore[reportCallIssue, reportArgumentType] - any buffer will do
        )  # fmt: skip
        contours, _ = cv2.findContours(found.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        self._outline = [contour[:, 0, :].astype(np.float64) for contour in contours]
        self._frame = frame

    def end(self) -> None:
        self._frame = self._heat = self._bytes = None
        self._outline = []

    def is_on(self, frame: Frame | None) -> bool:
        """Whether this is the very frame that was asked about."""
        return frame is not None and self._frame is not None and frame.index == self._frame.index

    def paint(self, painter: QPainter, picture: PaintedPicture) -> None:
        if self._heat is None or not self.is_on(picture.frame):
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(picture.placing.view_from_frame.mapRect(QRectF(self._heat.rect())), self._heat)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(_OUTLINE, 1.2))
        for line in self._outline:
            painter.drawPolygon(QPolygonF([picture.at(column, row) for column, row in line] or [QPointF()]))
