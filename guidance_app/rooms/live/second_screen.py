"""The picture alone on a second screen: it follows the live room's picture, and goes when its screen goes."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QCoreApplication, Qt
from PyQt6.QtGui import QCloseEvent, QGuiApplication, QKeyEvent, QScreen
from PyQt6.QtWidgets import QVBoxLayout, QWidget

from guidance_app.views import palette
from guidance_app.views.live_view import LiveView


class SecondScreen(QWidget):
    """A window of its own; keys pressed in it go to the main window.

    Args:
        main: the picture that it follows.
        closed: told once, in a few words, why it has gone; "" when a person closed it.
    """

    def __init__(self, main: LiveView, closed: Callable[[str], None]) -> None:
        super().__init__()
        self._main = main
        self._closed: Callable[[str], None] | None = closed
        self.setWindowTitle(f"Picture - {palette.RESEARCH_LINE}")
        self.setAttribute(Qt.WidgetAttribute.WA_QuitOnClose, False)
        self.view = LiveView(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.view)
        self._shown: tuple[object, ...] | None = None  # what `follow` saw last
        self._screen_used: QScreen | None = None
        application = QGuiApplication.instance()
        assert isinstance(application, QGuiApplication)
        application.screenRemoved.connect(self._screen_gone)
        self._application = application

    def open(self) -> str:
        """Fill another screen than the main window's; with only one screen, a window that can be moved."""
        main_screen = self._main.screen()
        other = next((screen for screen in QGuiApplication.screens() if screen is not main_screen), None)
        if other is None:
            self.resize(900, 900)
            self.show()
            return "Only one screen is connected: the second picture is a window of its own"
        self._screen_used = other
        self.setGeometry(other.geometry())
        self.showFullScreen()
        return "Picture on the second screen"

    def follow(self) -> None:
        """Show what the main picture shows; to be called after it was painted."""
        main, view = self._main, self.view
        shown = (
            main.screen_state, main.raw, main.frozen, main.overlay_held, main.mode, main.opacity, main.viewport,
            main.window_level, main.change,
        )  # fmt: skip
        if self._shown is not None and all(now is before for now, before in zip(shown, self._shown, strict=True)):
            return
        self._shown = shown
        view.case_id, view.raw, view.frozen, view.overlay_held = main.case_id, main.raw, main.frozen, main.overlay_held
        view.mode, view.opacity, view.viewport = main.mode, main.opacity, main.viewport
        view.tools, view.takes_mouse = main.tools, False
        view.set_change(main.change)
        if main.screen_state is not None and view.screen_state is not main.screen_state:
            view.show_screen(main.screen_state)
        if main.window_level is not None and view.window_level != main.window_level:
            view.set_window_level(main.window_level)
        view.update()

    def end(self, why: str = "") -> None:
        """Close for good; twice is harmless."""
        if self._closed is None:
            return
        closed, self._closed = self._closed, None
        self._application.screenRemoved.disconnect(self._screen_gone)
        self.hide()
        self.deleteLater()
        closed(why)

    def keyPressEvent(self, a0: QKeyEvent | None) -> None:
        if a0 is not None:
            QCoreApplication.sendEvent(self._main.window(), a0)

    def keyReleaseEvent(self, a0: QKeyEvent | None) -> None:
        if a0 is not None:
            QCoreApplication.sendEvent(self._main.window(), a0)

    def closeEvent(self, a0: QCloseEvent | None) -> None:
        super().closeEvent(a0)
        self.end()

    def _screen_gone(self, screen: QScreen) -> None:
        if screen is self._screen_used:
            self.end("The second screen has gone: the picture is in this window alone")
