"""Two pictures with one zoom, one window and one look: what a hand does to one happens to both."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QTimer

from guidance_app.views.language import tr
from guidance_app.views.live_view import OPACITY_STEP, LiveView
from guidance_app.views.overlay_painter import OVERLAY_MODES, OverlayMode
from guidance_app.views.viewport import Viewport
from guidance_app.views.windowing import WindowLevel

_LOOK_MS = 33  # a drag on one picture is seen on the other with the next frame

_Look = tuple[Viewport, WindowLevel | None, OverlayMode, float]


class LinkedViews:
    """Follows the picture that was changed last, from a timer while both are seen."""

    def __init__(self, views: tuple[LiveView, ...]) -> None:
        self._views = views
        self._seen: _Look = _look(views[0])
        self._timer = QTimer(views[0])
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self.follow)
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()

    def follow(self) -> None:
        """Give every picture what one of them was given."""
        changed = next((view for view in self._views if _look(view) != self._seen), None)
        if changed is None:
            return
        self._seen = viewport, window, mode, opacity = _look(changed)
        for view in self._views:
            if _look(view) == self._seen:
                continue
            view.viewport, view.mode, view.opacity = viewport, mode, opacity
            if window is not None and view.window_level != window:
                view.set_window_level(window)
            view.update()

    def for_each(self, change: Callable[[LiveView], object]) -> None:
        for view in self._views:
            change(view)
            view.update()

    def hold_overlay(self, held: bool) -> str:
        def hold(view: LiveView) -> None:
            view.overlay_held = held

        self.for_each(hold)
        return ""

    def next_mode(self) -> str:
        mode = OVERLAY_MODES[(OVERLAY_MODES.index(self._views[0].mode) + 1) % len(OVERLAY_MODES)]
        self.for_each(lambda view: view.set_mode(mode))
        return tr(f"Overlay as {mode}")

    def change_opacity(self, steps: int) -> str:
        opacity = self._views[0].opacity + steps * OPACITY_STEP
        self.for_each(lambda view: view.set_opacity(opacity))
        return tr("Overlay at {share} %").format(share=round(100 * self._views[0].opacity))

    def zoom(self, factor: float) -> str:
        self._views[0].zoom(factor)
        self.follow()
        return ""

    def invert(self) -> str:
        self._views[0].invert()
        self.follow()
        return ""

    def reset(self) -> str:
        self.for_each(lambda view: view.reset())
        return tr("Zoom and window reset")


def _look(view: LiveView) -> _Look:
    return view.viewport, view.window_level, view.mode, view.opacity
