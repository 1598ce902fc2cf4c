"""The C-arm about the patient's vessels in 3-D, beside the live picture: five times a second at most."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QVBoxLayout, QWidget

from calibration.errors import GuidanceError
from engines.anatomy.vessel_model import SurfaceMesh
from engines.angiography.frame import Frame
from guidance_app.live.guidance import ScreenState
from guidance_app.panels.background import Background
from guidance_app.panels.pictures.carm_scene import CArmScene, PlaceDoubt, simplified
from guidance_app.panels.pictures.scene_view import SceneView
from guidance_app.rooms.live.guided_session import GuidedSession
from guidance_app.views.language import tr

WIDTH_PX, NARROW_PX, WIDE_FROM_PX = 400, 250, 1600
EVERY_MS = 200
_DRAWN = ("proposed", "accepted", "stale")


class SpaceView(QWidget):
    """Hidden until it is asked for; draws nothing meanwhile.

    Args:
        look: the newest screen and the session that it is of; None before the first.

    Attributes:
        scene: what is rendered.
    """

    def __init__(self, look: Callable[[], tuple[ScreenState | None, GuidedSession | None]]) -> None:
        super().__init__()
        self._look = look
        self._background = Background(self)
        self.view = SceneView(tr("C-arm and model"))
        self.view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.view.setAccessibleName(tr("C-arm and model in 3-D"))
        self.scene = CArmScene(self.view)
        self.near_view = SceneView(tr("Model, and 1 sigma of its place"))
        self.near_view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.near_view.setAccessibleName(self.near_view.title)
        self.near = CArmScene(self.near_view, near=True)
        self._seen: object = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.view, 1)
        layout.addWidget(self.near_view, 1)
        self.hide()
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self.look)

    def take_surface(self, make: Callable[[], SurfaceMesh | None]) -> None:
        """Show this case's model; `make` reads it, off Qt's thread."""
        self.view.legend = tr("reading the model")
        self._background.run(lambda: _small(make), self._took, failed=self._failed)

    def toggle(self) -> str:
        """Show or hide it."""
        shown = self.isHidden()
        window = self.window()
        wide = (
            window is not None and window.width() >= WIDE_FROM_PX
        )  # a narrow window has no width to spare beside its picture
        self.setFixedWidth(WIDTH_PX if wide else NARROW_PX)
        self.setVisible(shown)
        if shown:
            self._seen = None
            self._timer.start()
            self.look()
        else:
            self._timer.stop()
        return ""

    def look(self) -> None:
        """Follow the live picture; renders only what has changed."""
        screen, session = self._look()
        if self.isHidden() or screen is None or screen.frame is None or screen is self._seen:
            return
        self._seen = screen
        geometry = screen.frame.geometry
        if geometry is None:
            self._say(tr("this picture does not say how the C-arm stood"))
            return
        found = session.registration if session is not None else None
        registered = found if screen.guidance_state in _DRAWN else None
        doubt = None
        if registered is not None and np.isfinite([registered.expected_error_mm, registered.depth_sigma_mm]).all():
            doubt = PlaceDoubt(across_mm=registered.expected_error_mm, along_mm=registered.depth_sigma_mm)
        pose = None if registered is None else registered.isocentre_from_lps
        self.scene.show_arm(geometry, pose, doubt, _grey(screen.frame))
        self.near.show_arm(geometry, pose, doubt, None)
        if registered is None:
            self._say(tr("not registered:\nwhere the model lies is not known"))
        else:
            self._say(screen.guidance_state + ("" if doubt is None else f"\n{doubt.words}"))
        self.near_view.render_soon()

    def resizeEvent(self, a0: QResizeEvent | None) -> None:
        super().resizeEvent(a0)
        self.scene.fit()
        self.near.fit()
        self._seen = None

    def close_view(self) -> None:
        """End what is running; twice is harmless."""
        self._timer.stop()
        self._background.close()
        self.view.close_scene()
        self.near_view.close_scene()

    def _say(self, words: str) -> None:
        self.view.legend = words
        self.view.render_soon()

    def _took(self, surface: SurfaceMesh | None) -> None:
        if surface is None:
            self._say(tr("this case has no surface to show in 3-D"))
            return
        self.scene.show_model(surface)
        self.near.show_model(surface)
        self._seen = None
        self.look()

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, GuidanceError):
            raise error
        self._say(str(error))


def _small(make: Callable[[], SurfaceMesh | None]) -> SurfaceMesh | None:
    surface = make()
    return None if surface is None else simplified(surface)


def _grey(frame: Frame) -> np.ndarray:
    """A small picture with dark vessels; every fourth pixel is enough for a detector of 160."""
    step = max(min(frame.shape_px) // 200, 1)
    pixels = frame.pixels[::step, ::step].astype(np.float32)
    low, high = np.percentile(pixels, [2.0, 98.0])
    grey = np.clip((pixels - low) * (255.0 / max(float(high - low), 1.0)), 0, 255).astype(np.uint8)
    return 255 - grey if frame.vessels_bright else grey
