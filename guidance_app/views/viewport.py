"""Where the frame lies in the view: fit, zoom and pan."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PyQt6.QtCore import QPointF, QSizeF
from PyQt6.QtGui import QTransform

_ZOOM_LIMITS = (0.25, 16.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewport:
    """Zoom 1 shows the whole frame as large as fits; the pan moves it by view pixels."""

    zoom: float = 1.0
    pan_x: float = 0.0
    pan_y: float = 0.0

    def view_from_frame(self, view: QSizeF, shape_px: tuple[int, int]) -> QTransform:
        """Frame pixel EDGES (0 to columns, 0 to rows) to view pixels."""
        rows, columns = shape_px
        scale = self.scale(view, shape_px)
        left = (view.width() - columns * scale) / 2.0 + self.pan_x
        top = (view.height() - rows * scale) / 2.0 + self.pan_y
        return QTransform(scale, 0.0, 0.0, scale, left, top)

    def scale(self, view: QSizeF, shape_px: tuple[int, int]) -> float:
        rows, columns = shape_px
        return max(min(view.width() / columns, view.height() / rows), 1e-6) * self.zoom

    def zoomed(self, factor: float, *, about: QPointF, view: QSizeF) -> Viewport:
        """Zoom with the picture point under `about` staying where it is."""
        zoom = min(max(self.zoom * factor, _ZOOM_LIMITS[0]), _ZOOM_LIMITS[1])
        ratio = zoom / self.zoom
        from_centre_x = about.x() - view.width() / 2.0
        from_centre_y = about.y() - view.height() / 2.0
        return Viewport(
            zoom=zoom,
            pan_x=from_centre_x - ratio * (from_centre_x - self.pan_x),
            pan_y=from_centre_y - ratio * (from_centre_y - self.pan_y),
        )

    def panned(self, by: QPointF) -> Viewport:
        return replace(self, pan_x=self.pan_x + by.x(), pan_y=self.pan_y + by.y())
