"""The slim panel beside the picture: registration, overlay, runs and latencies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QFontMetrics, QResizeEvent
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
from guidance_app.views import palette
from guidance_app.views.overlay_painter import OVERLAY_MODES, OverlayMode

PANEL_WIDTH_PX = 268
_RUNS_HEIGHT_PX = 220
_BUTTON_HEIGHT_PX = 44  # a gloved hand, or a trackball at arm's length
_STATE_WORDS = {
    "unregistered": ("\u25cb Not registered", palette.TEXT),
    "proposed": ("\u25c6 Proposed - unverified", palette.UNVERIFIED),
    "accepted": ("\u25cf Accepted", palette.VALID),
    "stale": ("\u25b2 Not current", palette.NOT_CURRENT),
    "rejected": ("\u2715 Rejected", palette.ALARM),
}
_HANDLE_PX = 16  # of the slider, as in the style sheet
_REASON_LINES = 2
_ROW_PX = 30
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
    """Shows a `ScreenState` in figures and words; takes no keyboard focus, so that keys always reach the picture."""

    def __init__(self, parent: QWidget | None, commands: PanelCommands) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setFixedWidth(PANEL_WIDTH_PX)
        self._commands = commands
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 12, 14, 12)
        layout.setSpacing(6)
        self._add_registration(layout)
        self._add_overlay(layout)
        self._add_runs(layout)
        self._add_latency(layout)

    def show_screen(self, screen: ScreenState, *, paint_ms: float) -> None:
        """Figures belong to the state beside them: where no registration is current there are none."""
        words, colour = _STATE_WORDS[screen.guidance_state]
        _set(self._state, words)
        self._state.setStyleSheet(f"color: {colour}; font-size: 17px; font-weight: bold;")
        result, figures = screen.result, screen.figures
        _set(self._confidence, _percent(figures))
        _set(self._error, _millimetres(figures.expected_error_mm if figures else None))
        _set(self._depth, _millimetres(figures.depth_sigma_mm if figures else None, sign="\u00b1"))
        self._show_reasons(figures.reasons if figures else ())
        self.accept_button.setEnabled(screen.guidance_state == "proposed")
        can_reject = screen.guidance_state in ("proposed", "accepted", "stale")
        self.reject_button.setEnabled(can_reject or screen.can_undo_reject)
        _set(self.reject_button, "Undo  (Del)" if screen.can_undo_reject else "Reject  (Del)")
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

    def _show_reasons(self, reasons: tuple[str, ...]) -> None:
        """In a place of fixed height: what a hand aims at must not move. The whole text is in the tip."""
        text = "\n".join(reasons)
        self._reasons.setToolTip(text)
        metrics = QFontMetrics(self._reasons.font())
        lines = reasons[:_REASON_LINES]
        width = self._reasons.width() - 2
        _set(self._reasons, "\n".join(metrics.elidedText(line, Qt.TextElideMode.ElideRight, width) for line in lines))

    def _mark_run(self, screen: ScreenState) -> None:
        """A run that is none of the case's stands below them under its own name, and is the one that is marked."""
        if self._current_run >= 0 or screen.frame is None:
            return
        name = f"\u25b6 {screen.frame.source_id}"
        if screen.patient != "same":
            name += "  (whose?)" if screen.patient != "other" else "  (another patient)"
        row = self._named_runs
        if self._runs.count() > row and (item := self._runs.item(row)) is not None and item.text() == name:
            return
        self._runs.blockSignals(True)
        self._runs.takeItem(row)
        self._runs.addItem(name)
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
        layout.addWidget(_heading("REGISTRATION"))
        self._state = QLabel()
        self._state.setMinimumHeight(28)
        layout.addWidget(self._state)
        grid = _grid()
        self._confidence = _figure(grid, 0, "Confidence")
        self._error = _figure(grid, 1, "Expected error")
        self._depth = _figure(grid, 2, "Depth sigma")
        layout.addLayout(grid)
        self._reasons = QLabel()
        self._reasons.setObjectName("quiet")
        self._reasons.setFixedHeight(_REASON_LINES * QFontMetrics(self._reasons.font()).lineSpacing())
        self._reasons.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self._reasons)
        self.register_button = _button("Register  (G)", self._commands.register)
        self.accept_button = _button("Accept  (Enter)", self._commands.accept)
        self.reject_button = _button("Reject  (Del)", self._commands.reject)
        layout.addWidget(self.register_button)
        row = QHBoxLayout()
        row.addWidget(self.accept_button)
        row.addWidget(self.reject_button)
        layout.addLayout(row)
        layout.addSpacing(10)

    def _add_overlay(self, layout: QVBoxLayout) -> None:
        layout.addWidget(_heading("OVERLAY"))
        row = QHBoxLayout()
        row.setSpacing(4)
        group = QButtonGroup(self)
        self._modes: dict[OverlayMode, QPushButton] = {}
        for mode in OVERLAY_MODES:
            button = _button(mode.capitalize(), partial(self._commands.choose_mode, mode))
            button.setCheckable(True)
            button.setFixedHeight(34)
            button.setStyleSheet(f"font-size: {palette.SMALL_TEXT_PX}px; padding: 2px;")
            group.addButton(button)
            row.addWidget(button)
            self._modes[mode] = button
        layout.addLayout(row)
        self._opacity = QSlider(Qt.Orientation.Horizontal)
        self._opacity.setRange(10, 100)
        self._opacity.setMinimumHeight(_HANDLE_PX + 6)
        self._opacity.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._opacity.valueChanged.connect(lambda percent: self._commands.choose_opacity(percent / 100.0))
        opacity = QHBoxLayout()
        opacity.addWidget(QLabel("Opacity"))
        opacity.addWidget(self._opacity, 1)
        layout.addLayout(opacity)
        layout.addSpacing(10)

    def _add_runs(self, layout: QVBoxLayout) -> None:
        self._run_list = QWidget()
        column = QVBoxLayout(self._run_list)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(_heading("RUNS"))
        self._named_runs, self._current_run = 0, -1
        self._runs = QListWidget()
        self._runs.setFocusPolicy(Qt.FocusPolicy.NoFocus)
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
        column.addWidget(_heading("LATENCY"))
        grid = _grid()
        self._stages = {stage: _figure(grid, row, stage.capitalize()) for row, stage in enumerate(_STAGES)}
        self._paint = _figure(grid, len(_STAGES), "Paint")
        self._p95 = _figure(grid, len(_STAGES) + 1, "Ingest to paint p95")
        column.addLayout(grid)
        layout.addWidget(self._latency)

    def _run_chosen(self, row: int) -> None:
        if row >= 0:
            self._commands.choose_run(row)


def _set(label: QLabel | QPushButton, text: str) -> None:
    # Setting the same text again would still cost a layout.
    if label.text() != text:
        label.setText(text)


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("heading")
    return label


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
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
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
