"""Short messages that pass by at the lower right: they stop nothing, take no key, and cover no picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from guidance_app.views import palette

ToastKind = Literal["done", "problem"]
WIDTH_PX = 284  # within the panel beside the live picture
_STAYS_MS = 8000
_MOST = 3
_SIGNS: dict[ToastKind, tuple[str, str]] = {"done": ("\u2713", palette.TEXT), "problem": ("\u25b2", palette.ALARM)}


class Toasts:
    """Shows at most three at a time, the newest lowest. A problem stays until a person closes it.

    Args:
        window: what they lie upon, `margin_px` above its lower edge.
    """

    def __init__(self, window: QWidget, *, margin_px: int) -> None:
        self._window = window
        self._margin_px = margin_px
        self.shown: list[Toast] = []

    def show(
        self, text: str, kind: ToastKind = "done", *, offer: str = "", taken: Callable[[], None] | None = None
    ) -> Toast:
        """Show a line; `offer` is the word on a button that calls `taken` and closes the toast."""
        toast = Toast(self._window, text, kind, offer, taken, self._close)
        self.shown.append(toast)
        while len(self.shown) > _MOST:
            self._close(self.shown[0])
        toast.show()
        self.place()
        return toast

    def place(self) -> None:
        bottom = self._window.height() - self._margin_px
        for toast in reversed(self.shown):
            toast.setFixedHeight(toast.heightForWidth(WIDTH_PX))
            toast.move(self._window.width() - WIDTH_PX - 8, bottom - toast.height())
            toast.raise_()
            bottom -= toast.height() + 8

    def close_all(self) -> None:
        for toast in list(self.shown):
            self._close(toast)

    def _close(self, toast: Toast) -> None:
        if toast in self.shown:
            self.shown.remove(toast)
            toast.hide()
            toast.deleteLater()
            self.place()


class Toast(QFrame):
    def __init__(
        self,
        window: QWidget,
        text: str,
        kind: ToastKind,
        offer: str,
        taken: Callable[[], None] | None,
        close: Callable[[Toast], None],
    ) -> None:
        super().__init__(window)
        self.setObjectName("toast")
        self.setFixedWidth(WIDTH_PX)
        self.text = text
        self.kind: ToastKind = kind
        sign, colour = _SIGNS[kind]
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 10)
        self._line = QLabel(f"{sign}  {text}")
        self._line.setWordWrap(True)
        self._line.setStyleSheet(f"color: {colour};")
        layout.addWidget(self._line)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        self.offer_button = self._button(offer, buttons, lambda: (close(self), taken() if taken else None))
        self.close_button = self._button("Close", buttons, lambda: close(self))
        self.offer_button.setVisible(bool(offer))
        if kind == "problem" or offer:
            layout.addLayout(buttons)
        else:
            self.close_button.hide()
            # It asks for nothing and goes by itself: a click is meant for what lies under it.
            self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAccessibleName(text)
        if kind == "done":
            timer = QTimer(self)
            timer.setSingleShot(True)
            timer.timeout.connect(lambda: close(self))
            timer.start(_STAYS_MS)

    def _button(self, text: str, layout: QHBoxLayout, pressed: Callable[[], object]) -> QPushButton:
        button = QPushButton(text, self)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda: pressed())
        layout.addWidget(button)
        return button
