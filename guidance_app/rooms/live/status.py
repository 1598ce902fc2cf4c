"""The slim panel beside the picture: registration, overlay, runs and latencies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QFontMetrics, QKeyEvent, QResizeEvent
from PyQt6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)  # fmt: skip

from guidance_app.live.guidance import Figures, ScreenState
from guidance_app.panels.button_panel import heading
from guidance_app.views import palette
from guidance_app.views.annotation_layout import text_font, text_width, wrapped
from guidance_app.views.language import tr
from guidance_app.views.overlay_painter import OVERLAY_MODES, OverlayMode

PANEL_WIDTH_PX = 300
_MARGIN_PX = 14
_RUNS_HEIGHT_PX = 220
_BUTTON_HEIGHT_PX = 44  # a gloved hand, or a trackball at arm's length
_STATE_WORDS = {
    "unregistered": ("\u25cb Not registered", palette.TEXT),
    "proposed": ("\u25c6 Proposed - unverified", palette.UNVERIFIED),
    "accepted": ("\u25cf Accepted", palette.VALID),
    "stale": ("\u25b2 Not current", palette.NOT_CURRENT),
    "rejected": ("\u2715 Rejected", palette.ALARM),
}
_NOT_RUNNING = ("\u2715 Guidance not running", palette.ALARM)
_STATE_SIZES_PX = (17, 15, 13, 12)  # the largest in which the words go into the panel
_HANDLE_PX = 16  # of the slider, as in the style sheet
_REASON_LINES = 3
_ROW_PX = 30
_BUTTON_PADDING_PX, _MODE_PADDING_PX = 20, 8  # beside the words, border included
_MODE_HEIGHT_PX = 34
_LATENCY_FROM_PX = 620  # height of the panel
_RUNS_FROM_PX = 480
_CONTROLS_PX = 360
_FIGURE_WIDTH_PX = 84  # "12345.6 ms"
_STAGES = ("decode", "segment", "track", "render")


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelCommands:
    """What the panel asks the window to do."""

    register: Callable[[], None]
    accept: Callable[[], None]
    reject: Callable[[], None]
    choose_mode: Callable[[OverlayMode], None]
    choose_opacity: Callable[[float], None]
    choose_run: Callable[[int], None]


class StatusPanel(QFrame):
    """Shows a `ScreenState` in figures and words. Tab reaches all of it; a click leaves the keys with the picture."""

    def __init__(self, parent: QWidget | None, commands: PanelCommands) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setFixedWidth(PANEL_WIDTH_PX)
        self._commands = commands
        layout = QVBoxLayout(self)
        layout.setContentsMargins(_MARGIN_PX, 12, _MARGIN_PX, 12)
        layout.setSpacing(6)
        self._add_registration(layout)
        self._add_overlay(layout)
        self._add_runs(layout)
        self._add_latency(layout)

    def show_screen(self, screen: ScreenState, *, paint_ms: float) -> None:
        """Figures belong to the state beside them: where no registration is current there are none."""
        down = not screen.engine_up and not screen.engine_loading
        self._show_state(*(_NOT_RUNNING if down else _STATE_WORDS[screen.guidance_state]))
        result, figures = screen.result, screen.figures
        _set(self._confidence, _percent(figures))
        _set(self._error, _millimetres(figures.expected_error_mm if figures else None))
        _set(self._depth, _millimetres(figures.depth_sigma_mm if figures else None, sign="\u00b1"))
        self._show_reasons(figures.reasons if figures else ())
        self.accept_button.setEnabled(screen.guidance_state == "proposed")
        can_reject = screen.guidance_state in ("proposed", "accepted", "stale")
        self.reject_button.setEnabled(can_reject or screen.can_undo_reject)
        _set_with_key(self.reject_button, tr("Undo" if screen.can_undo_reject else "Reject"), tr("Del"))
        for stage, label in self._stages.items():
            _set(label, _milliseconds(getattr(result.times, stage) if result else None))
        _set(self._paint, _milliseconds(paint_ms))
        _set(self._p95, _milliseconds(screen.p95_ms if screen.frame is not None else None))
        self._mark_run(screen)

    def resizeEvent(self, a0: QResizeEvent | None) -> None:
        super().resizeEvent(a0)
        # What a hand needs stays; a low window has no room for what is only looked at.
        self._latency.setVisible(self.height() >= _LATENCY_FROM_PX)
        self._run_list.setVisible(self.height() >= _RUNS_FROM_PX)

    def minimumSizeHint(self) -> QSize:
        """Of the controls alone: the rest gives way in a low window."""
        return QSize(PANEL_WIDTH_PX, _CONTROLS_PX)

    def _show_state(self, words: str, colour: str) -> None:
        words, room = tr(words), PANEL_WIDTH_PX - 2 * _MARGIN_PX - 2
        fitting = [px for px in _STATE_SIZES_PX if text_width(words, px, bold=True) <= room]
        size_px = fitting[0] if fitting else _STATE_SIZES_PX[-1]
        _set(self._state, words)
        self._state.setStyleSheet(f"color: {colour}; font-size: {size_px}px; font-weight: bold;")

    def _show_reasons(self, reasons: tuple[str, ...]) -> None:
        """In a place of fixed height: what a hand aims at must not move. The whole text is in the tip."""
        self._reasons.setToolTip("\n".join(reasons))
        room = PANEL_WIDTH_PX - 2 * _MARGIN_PX - 4
        lines = [line for reason in reasons for line in wrapped(_sentence(reason), room, palette.SMALL_TEXT_PX)]
        if len(lines) > _REASON_LINES:
            lines = [*lines[: _REASON_LINES - 1], lines[_REASON_LINES - 1] + " \u2026"]
        _set(self._reasons, "\n".join(lines))

    def _mark_run(self, screen: ScreenState) -> None:
        """A run that is none of the case's stands below them under its own name, and is the one that is marked."""
        if self._current_run >= 0 or screen.frame is None:
            return
        name = f"\u25b6 {screen.frame.source_id}"
        if screen.patient in ("silent", "other"):
            name += "  " + tr("(whose?)" if screen.patient == "silent" else "(another patient)")
        row = self._named_runs
        if self._runs.count() > row and (item := self._runs.item(row)) is not None and item.text() == name:
            return
        self._runs.blockSignals(True)
        self._runs.takeItem(row)
        self._runs.addItem(name)
        if (item := self._runs.item(row)) is not None:
            item.setToolTip(name)  # an address may be longer than the list is wide
        self._runs.setCurrentRow(row)
        self._runs.blockSignals(False)

    def settle(self) -> None:
        """Lay out and paint now, so that the panel never lags behind the picture beside it."""
        layout = self.layout()
        if layout is not None:
            layout.activate()
        self.repaint()

    def show_overlay_choice(self, mode: OverlayMode, opacity: float) -> None:
        self._modes[mode].setChecked(True)
        self._opacity.blockSignals(True)
        self._opacity.setValue(round(100 * opacity))
        self._opacity.blockSignals(False)

    def show_runs(self, names: tuple[str, ...], current: int) -> None:
        self._runs.blockSignals(True)
        self._runs.clear()
        self._named_runs, self._current_run = len(names), current
        self._runs.addItems([f"\u25b6 {name}" if row == current else name for row, name in enumerate(names)])
        self._runs.setCurrentRow(current)
        self._runs.blockSignals(False)

    def _add_registration(self, layout: QVBoxLayout) -> None:
        layout.addWidget(heading(tr("REGISTRATION")))
        self._state = QLabel()
        self._state.setMinimumHeight(28)
        layout.addWidget(self._state)
        grid = _grid()
        self._confidence = _figure(grid, 0, tr("Confidence"))
        self._error = _figure(grid, 1, tr("Expected error"))
        self._depth = _figure(grid, 2, tr("Depth sigma"))
        layout.addLayout(grid)
        self._reasons = QLabel()
        self._reasons.setObjectName("quiet")
        self._reasons.setFixedHeight(_REASON_LINES * QFontMetrics(text_font(palette.SMALL_TEXT_PX)).lineSpacing())
        self._reasons.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self._reasons)
        self.register_button = _button(tr("Register"), self._commands.register)
        self.accept_button = _button(tr("Accept"), self._commands.accept)
        self.reject_button = _button(tr("Reject"), self._commands.reject)
        _set_with_key(self.register_button, tr("Register"), "G", columns=1)
        _set_with_key(self.accept_button, tr("Accept"), tr("Enter"))
        _set_with_key(self.reject_button, tr("Reject"), tr("Del"))
        layout.addWidget(self.register_button)
        row = QHBoxLayout()
        for button in (self.accept_button, self.reject_button):  # before the first picture there is nothing to judge
            button.setEnabled(False)
        row.addWidget(self.accept_button)
        row.addWidget(self.reject_button)
        layout.addLayout(row)
        layout.addSpacing(10)

    def _add_overlay(self, layout: QVBoxLayout) -> None:
        layout.addWidget(heading(tr("OVERLAY")))
        group = QButtonGroup(self)
        self._modes: dict[OverlayMode, QPushButton] = {}
        columns = _columns_for([tr(mode.capitalize()) for mode in OVERLAY_MODES])
        grid = QGridLayout()
        grid.setSpacing(4)
        for number, mode in enumerate(OVERLAY_MODES):
            button = _button(tr(mode.capitalize()), partial(self._commands.choose_mode, mode))
            button.setCheckable(True)
            button.setFixedHeight(_MODE_HEIGHT_PX if columns == len(OVERLAY_MODES) else _MODE_HEIGHT_PX - 6)
            button.setStyleSheet(f"font-size: {palette.SMALL_TEXT_PX}px; padding: 2px;")
            button.setAccessibleName(tr(f"Overlay as {mode}"))
            group.addButton(button)
            grid.addWidget(button, number // columns, number % columns)
            self._modes[mode] = button
        layout.addLayout(grid)
        self._opacity = QSlider(Qt.Orientation.Horizontal)
        self._opacity.setRange(10, 100)
        self._opacity.setMinimumHeight(_HANDLE_PX + 6)
        self._opacity.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._opacity.setAccessibleName(tr("Opacity of the overlay"))
        self._opacity.valueChanged.connect(lambda percent: self._commands.choose_opacity(percent / 100.0))
        opacity = QHBoxLayout()
        opacity.addWidget(QLabel(tr("Opacity")))
        opacity.addWidget(self._opacity, 1)
        layout.addLayout(opacity)
        layout.addSpacing(10)

    def _add_runs(self, layout: QVBoxLayout) -> None:
        self._run_list = QWidget()
        column = QVBoxLayout(self._run_list)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(heading(tr("RUNS")))
        self._named_runs, self._current_run = 0, -1
        self._runs = _RunList()
        self._runs.setAccessibleName(tr("Runs"))
        self._runs.currentRowChanged.connect(self._run_chosen)
        self._runs.setMaximumHeight(_RUNS_HEIGHT_PX)
        self._runs.setMinimumHeight(_ROW_PX)
        column.addWidget(self._runs)
        layout.addWidget(self._run_list, 1)
        layout.addStretch(1)

    def _add_latency(self, layout: QVBoxLayout) -> None:
        self._latency = QWidget()
        column = QVBoxLayout(self._latency)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(heading(tr("LATENCY")))
        grid = _grid()
        self._stages = {stage: _figure(grid, row, tr(stage.capitalize())) for row, stage in enumerate(_STAGES)}
        self._paint = _figure(grid, len(_STAGES), tr("Paint"))
        self._p95 = _figure(grid, len(_STAGES) + 1, tr("Paint, p95"))
        self._p95.setToolTip(tr("Ingest to paint, 95th percentile of the last seconds"))
        column.addLayout(grid)
        layout.addWidget(self._latency)

    def _run_chosen(self, row: int) -> None:
        if row >= 0:
            self._commands.choose_run(row)


class _RunList(QListWidget):
    """Takes the arrows where a person went to it with Tab, and no letter: those are keys of the room."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setTabKeyNavigation(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)  # the end says whose run it is
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def keyPressEvent(self, e: QKeyEvent | None) -> None:
        if e is not None and e.key() not in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            e.ignore()
            return
        super().keyPressEvent(e)


def _set_with_key(button: QPushButton, words: str, key: str, *, columns: int = 2) -> None:
    """With its key where there is room for it; the tip names the key in any case."""
    room = (PANEL_WIDTH_PX - 2 * _MARGIN_PX - 6 * (columns - 1)) / columns - _BUTTON_PADDING_PX
    both = f"{words}  ({key})"
    _set(button, both if text_width(both, palette.PANEL_TEXT_PX) <= room else words)


def _columns_for(names: list[str]) -> int:
    """As many buttons side by side as their words leave room for."""
    widest = max(text_width(name, palette.SMALL_TEXT_PX) for name in names) + _MODE_PADDING_PX
    room = PANEL_WIDTH_PX - 2 * _MARGIN_PX
    return next((count for count in range(len(names), 1, -1) if count * widest + 4 * (count - 1) <= room), 1)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _set(label: QLabel | QPushButton, text: str) -> None:
    # Setting the same text again would still cost a layout.
    if label.text() != text:
        label.setText(text)


def _grid() -> QGridLayout:
    grid = QGridLayout()
    grid.setVerticalSpacing(3)
    grid.setColumnStretch(0, 1)
    return grid


def _figure(grid: QGridLayout, row: int, name: str) -> QLabel:
    grid.addWidget(QLabel(name), row, 0)
    figure = QLabel("\u2013")
    figure.setAlignment(Qt.AlignmentFlag.AlignRight)
    figure.setMinimumWidth(_FIGURE_WIDTH_PX)
    grid.addWidget(figure, row, 1)
    return figure


def _button(text: str, pressed: Callable[..., None]) -> QPushButton:
    button = QPushButton(text)
    button.setMinimumHeight(_BUTTON_HEIGHT_PX)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.clicked.connect(lambda: pressed())
    return button


def _percent(figures: Figures | None) -> str:
    if figures is None:
        return "\u2013"
    # Nothing that was estimated is certain: rounding must not make it look so.
    return ">99 %" if figures.confidence > 0.99 else f"{100.0 * figures.confidence:.0f} %"


def _millimetres(value: float | None, *, sign: str = "") -> str:
    return "\u2013" if value is None else f"{sign}{value:.1f} mm"


def _milliseconds(value: float | None) -> str:
    return "\u2013" if value is None else f"{value:.1f} ms"
