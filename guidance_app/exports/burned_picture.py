"""A frame with its overlay, angles and the research line painted in, at the frame's own scale or a whole multiple."""

from __future__ import annotations

from dataclasses import replace

from PyQt6.QtCore import QRectF
from PyQt6.QtGui import QColor, QImage, QPainter, QTransform

from engines.anatomy.vessel_model import VesselModel
from engines.angiography.frame import Frame, FrameKind
from guidance_app.exports.burned_measurements import BurnedMeasurements
from guidance_app.live.engine.model_projection import ProjectedModel
from guidance_app.live.guidance import Overlay, ScreenState
from guidance_app.live.reason import Reason
from guidance_app.live.recording.recorded_poses import FramePose
from guidance_app.live.session.overlay_rule import OverlayLimits
from guidance_app.live.view_words import angles_text
from guidance_app.views import palette, windowing
from guidance_app.views.annotation_layout import placed_texts
from guidance_app.views.annotation_painter import paint_texts
from guidance_app.views.annotations import Annotations, Corners, side_letters
from guidance_app.views.legibility import TextSizes
from guidance_app.views.overlay_look import badge_of, look_of
from guidance_app.views.overlay_painter import OverlayMode, OverlayPainter, Placing

_SIZES = TextSizes(primary_px=20.0, secondary_px=14.0)  # an export is read at a desk
_READABLE_PX = 768  # below it the words would cover the picture


class BurnedPictures:
    """Paints the frames of one run; every picture has the size of the first. Needs Qt's application.

    Args:
        model: of the case, None for pictures without overlay.
        measured: what a person measured and marked in this run.
    """

    def __init__(
        self, model: VesselModel | None, *, mode: OverlayMode = "outline", measured: BurnedMeasurements | None = None
    ) -> None:
        self._measured = measured
        self._model = None if model is None else ProjectedModel(model)
        self._mode: OverlayMode = mode
        self._painter = OverlayPainter()
        self._windows: dict[FrameKind, windowing.WindowLevel] = {}  # a run may be subtracted in part
        self._size: tuple[int, int] | None = None

    def paint(self, frame: Frame, pose: FramePose | None, *, age_ms: float = 0.0, number: int, total: int) -> QImage:
        """RGB picture of a frame.

        Args:
            age_ms: time between the frame and the one the pose was found on.
            number: of the frame, from 0.
        """
        if frame.kind not in self._windows:
            self._windows[frame.kind] = windowing.window_of(frame)
        rows, columns = frame.shape_px
        if self._size is None:
            zoom = max(1, -(-_READABLE_PX // max(rows, columns)))
            self._size = columns * zoom, rows * zoom
        image = QImage(*self._size, QImage.Format.Format_RGB32)
        area = QRectF(image.rect())
        scale = min(area.width() / columns, area.height() / rows)
        painter = QPainter(image)
        try:
            painter.fillRect(area, QColor(palette.ROOM))
            transform = QTransform.fromScale(scale, scale)
            self._paint_frame(painter, frame, transform)
            screen = self._screen(frame, pose, age_ms)
            self._paint_overlay(painter, screen, transform, area)
            if self._measured is not None:
                placing = Placing(view_from_frame=transform, clip=transform.mapRect(QRectF(0.0, 0.0, columns, rows)))
                self._measured.paint(painter, screen, placing, pose)
            words = Annotations(
                badge=badge_of(screen, held=False, raw=False),
                corners=_corners(frame, pose, number, total),
                sides=side_letters(frame.geometry, frame.patient_position),
            )
            paint_texts(painter, placed_texts(area, area, words, _SIZES))
        finally:
            painter.end()
        return image

    def _paint_frame(self, painter: QPainter, frame: Frame, transform: QTransform) -> None:
        rows, columns = frame.shape_px
        grey = windowing.grey_of(frame.pixels, self._windows[frame.kind].lut())
        picture = QImage(grey.tobytes(), columns, rows, columns, QImage.Format.Format_Grayscale8)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(transform.mapRect(QRectF(0.0, 0.0, columns, rows)), picture)

    def _paint_overlay(self, painter: QPainter, screen: ScreenState, transform: QTransform, area: QRectF) -> None:
        look = look_of(screen)
        if look is None or screen.overlay is None:
            return
        placing = Placing(view_from_frame=transform, clip=area)
        self._painter.paint(painter, screen.overlay, look, placing=placing, mode=self._mode, opacity=1.0)

    def _screen(self, frame: Frame, pose: FramePose | None, age_ms: float) -> ScreenState:
        """The window's own state, so that an export marks an overlay exactly as the window does.

        Nothing looks at the picture here: only what the recording says of this very frame may call its pose valid.
        """
        overlay = self._overlay(frame, pose)
        evidence = None if pose is None or age_ms > 0.0 else pose.evidence
        overlay = None if overlay is None else replace(overlay, evidence=evidence)
        checked = evidence is not None and evidence.kind != "carried"
        why = None if checked else Reason(code="unchecked", text="not checked on this picture")
        return ScreenState(
            frame=frame,
            result=None,
            overlay=overlay,
            overlay_state="hidden" if overlay is None else ("valid" if checked else "stale"),
            overlay_age_ms=None if overlay is None else age_ms,
            source_state="replay",
            guidance_state="unregistered" if pose is None else pose.state,
            engine_up=True,
            banner="",
            frames_total=None,
            fps=0.0,
            p95_ms=0.0,
            why=why if age_ms <= OverlayLimits().valid_ms else None,
        )

    def _overlay(self, frame: Frame, pose: FramePose | None) -> Overlay | None:
        geometry = frame.geometry
        if pose is None or geometry is None or self._model is None:
            return None
        return self._model.overlay(
            frame, geometry, pose.isocentre_from_lps, expected_error_mm=pose.expected_error_mm, generation=0
        )


def _corners(frame: Frame, pose: FramePose | None, number: int, total: int) -> Corners:
    """The corners' text, without the name of a file, a case or a patient."""
    geometry = frame.geometry
    guidance = []
    if pose is not None:
        guidance.append("Overlay rigid")  # a recording keeps poses, not the motion of each frame
    if pose is not None and pose.depth_sigma_mm is not None:
        guidance.append(f"Depth \u00b1{pose.depth_sigma_mm:.1f} mm")
    if pose is not None and pose.expected_error_mm is not None:
        guidance.append(f"Expected error {pose.expected_error_mm:.1f} mm")
    return Corners(
        state="EXPORT",
        angles=("angles unknown",) if geometry is None else tuple(angles_text(geometry).split("  ")),
        frame=f"Frame {number + 1}/{total}",
        top_left=("DSA" if frame.kind == "dsa" else "FLUORO",),
        top_right=() if geometry is None else (f"SID {geometry.sid_mm:.0f} mm",),
        bottom_right=tuple(guidance),
    )


def rgb_bytes(image: QImage) -> bytes:
    """Rows of red, green, blue."""
    import numpy as np

    from guidance_app.panels.pictures.annotated_video import pixels_of

    bgra = pixels_of(image, (image.width(), image.height()))
    return np.ascontiguousarray(bgra[:, :, 2::-1]).tobytes()
