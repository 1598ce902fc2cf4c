"""What is wrong with the words and controls of a window as it was painted: measured, not looked at."""

from __future__ import annotations

from itertools import combinations

from PyQt6.QtCore import QPoint, QRect, QRectF, Qt
from PyQt6.QtGui import QFontMetricsF
from PyQt6.QtWidgets import (
    QAbstractButton,
    QLabel,
    QListWidget,
    QPushButton,
    QSlider,
    QStyle,
    QStyleOptionButton,
    QWidget,
)  # fmt: skip

from guidance_app.views.annotation_layout import text_width
from guidance_app.views.live_view import LiveView

_ROUNDING_PX = 1.0


def word_faults(window: QWidget) -> list[str]:
    """Texts that overlap, are cut off, or leave what they stand on; [] where all is well."""
    faults = []
    for view in window.findChildren(LiveView):
        if view.isVisible():
            faults += _faults_on_picture(view)
    return faults + _cut_off(window) + _on_each_other(window)


def control_places(window: QWidget) -> dict[str, tuple[int, int, int, int]]:
    """Where everything that a hand aims at lies, in the window."""
    kinds = (QAbstractButton, QSlider, QListWidget)
    shown = (child for kind in kinds for child in window.findChildren(kind) if child.isVisible())
    return {f"{number} {_name(child)}": _place(child, window).getRect() for number, child in enumerate(shown)}  # type: ignore[misc]


def covered_share(view: LiveView) -> float:
    """How much of the picture lies under words."""
    transform = view.view_from_frame()
    if transform is None or view.screen_state is None or view.screen_state.frame is None:
        return 0.0
    rows, columns = view.screen_state.frame.shape_px
    picture = transform.mapRect(QRectF(0.0, 0.0, columns, rows)).intersected(QRectF(view.rect()))
    covered = [text.at.intersected(picture) for text in view.painted_texts]
    return sum(at.width() * at.height() for at in covered) / max(picture.width() * picture.height(), 1.0)


def _faults_on_picture(view: LiveView) -> list[str]:
    area, texts = QRectF(view.rect()), view.painted_texts
    faults = [f"{text.lines} crosses the border" for text in texts if not area.contains(text.at)]
    faults += [
        f"{first.lines} overlaps {second.lines}" for first, second in combinations(texts, 2)
        if first.at.intersects(second.at)
    ]  # fmt: skip
    for text in texts:
        for line, size in zip(text.lines, text.sizes_px, strict=True):
            if text_width(line, size, bold=text.bold) > text.at.width():
                faults.append(f"{line!r} leaves its plate")
    return faults


def _cut_off(window: QWidget) -> list[str]:
    faults = []
    for child in _with_words(window):
        text = child.text()
        metrics = QFontMetricsF(child.font())
        room = child.contentsRect()
        if isinstance(child, QLabel) and child.wordWrap():
            wanted = metrics.boundingRect(QRectF(0, 0, room.width(), 9999), int(Qt.TextFlag.TextWordWrap), text)
            fits = wanted.height() <= room.height() + _ROUNDING_PX and wanted.width() <= room.width() + _ROUNDING_PX
        else:
            lines = text.split("\n")
            width = max(metrics.horizontalAdvance(line.replace("&", "")) for line in lines)
            height = len(lines) * metrics.height()
            fits = width <= _room_px(child) + _ROUNDING_PX and height <= child.height() + _ROUNDING_PX
        if not fits:
            faults.append(f"{text!r} is cut off")
    return faults


def _room_px(child: QLabel | QAbstractButton) -> float:
    """For the words, without the padding of the style sheet."""
    style = child.style()
    if isinstance(child, QPushButton) and style is not None:
        option = QStyleOptionButton()
        child.initStyleOption(option)
        return style.subElementRect(QStyle.SubElement.SE_PushButtonContents, option, child).width()
    return child.contentsRect().width()


def _on_each_other(window: QWidget) -> list[str]:
    """Words and controls of one parent that lie on each other."""
    aimed_at = [child for kind in (QSlider, QListWidget) for child in window.findChildren(kind) if child.isVisible()]
    shown: list[QWidget] = [*_with_words(window), *aimed_at]
    return [
        f"{_name(first)!r} lies on {_name(second)!r}" for first, second in combinations(shown, 2)
        if first.parent() is second.parent() and first.geometry().intersects(second.geometry())
    ]  # fmt: skip


def _with_words(window: QWidget) -> list[QLabel | QAbstractButton]:
    found: list[QLabel | QAbstractButton] = [*window.findChildren(QLabel), *window.findChildren(QAbstractButton)]
    return [child for child in found if child.isVisible() and child.text()]


def _name(child: QWidget) -> str:
    text = child.text() if isinstance(child, QLabel | QAbstractButton) else ""
    return child.accessibleName() or text or type(child).__name__


def _place(child: QWidget, window: QWidget) -> QRect:
    return QRect(child.mapTo(window, QPoint(0, 0)), child.size())
