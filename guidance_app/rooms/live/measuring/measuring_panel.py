"""Rulers, what they measured, and stored views, beside the picture."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QImage, QPixmap
from PyQt6.QtWidgets import (
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QVBoxLayout,
    QWidget,
)  # fmt: skip

from calibration.carm import CArmGeometry
from guidance_app.live.view_words import angles_text
from guidance_app.panels.button_panel import ButtonPanel, heading
from guidance_app.rooms.live.measuring.measured import RULERS, Measurement, Ruler
from guidance_app.rooms.live.measuring.measuring_desk import MeasuringDesk
from guidance_app.views.language import tr

_PICTURE_PX = 150
_WORDS: dict[Ruler, str] = {
    "length": "Length", "polyline": "Line", "angle": "Angle", "diameter": "Diameter", "catheter": "Catheter",
    "marker": "Marker", "ring": "Ring", "point": "Point",
}  # fmt: skip


class MeasuringPanel(ButtonPanel):
    """Shows what the desk has; only the two fields for sizes take the keyboard, and Esc gives it back."""

    def __init__(self, parent: QWidget | None, desk: MeasuringDesk, perform: Callable[[str], None]) -> None:
        super().__init__(parent, perform)
        self._desk = desk
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.setSpacing(6)
        layout.addWidget(heading(tr("MEASURE")))
        grid = QGridLayout()
        grid.setSpacing(4)
        for number, ruler in enumerate(RULERS):
            button = self.button(f"live.ruler-{ruler}", f"{tr(_WORDS[ruler])}  ({number + 1})", checkable=True)
            grid.addWidget(button, number // 2, number % 2)
        layout.addLayout(grid)
        self.french = _field("Catheter", " F", 1.0, 34.0, desk.french)
        self.french.valueChanged.connect(self._take_sizes)
        self.marker = _field("Marker", " mm", 0.5, 500.0, desk.marker_mm)
        self.marker.valueChanged.connect(self._take_sizes)
        for words, field in (("Catheter size", self.french), ("Marker length", self.marker)):
            row = QHBoxLayout()
            row.addWidget(QLabel(tr(words)), 1)
            row.addWidget(field)
            layout.addLayout(row)
        self.way = QLabel()
        self.way.setObjectName("quiet")
        self.way.setWordWrap(True)
        layout.addWidget(self.way)
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setMinimumHeight(54)
        self.status.setAlignment(Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self.status)
        self.list = _list("Measurements; a click on one removes it")
        self.list.itemClicked.connect(lambda item: desk.remove(self.list.row(item)))
        layout.addWidget(self.list, 2)
        row = QHBoxLayout()
        for action_id, words in (
            ("live.unmeasure", "Undo"),
            ("live.remeasure", "Redo"),
            ("live.save-measured", "Save"),
        ):
            row.addWidget(self.button(action_id, tr(words)))
        layout.addLayout(row)
        layout.addWidget(heading(tr("VIEWS")))
        layout.addWidget(self.button("live.store-view", tr("Store this view  (S)")))
        self.views = _list("Stored views; a click says the way back")
        self.views.itemClicked.connect(lambda item: desk.choose_view(self.views.row(item)))
        layout.addWidget(self.views, 1)
        self.picture = QLabel()
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout.addWidget(self.picture)
        self.hide()

    def show_desk(self) -> None:
        """Take over what the desk has now."""
        desk = self._desk
        self.setVisible(desk.is_open)
        for ruler in RULERS:
            self.buttons[f"live.ruler-{ruler}"].setChecked(desk.ruler == ruler)
        size = desk.pixel_size()
        way = size.way if size is not None else tr("not at all, figures are pixels")
        self.way.setText(tr("Calibrated: {way}").format(way=way))
        self.status.setText(desk.status)
        self.buttons["live.unmeasure"].setEnabled(not desk.no_undo())
        self.buttons["live.remeasure"].setEnabled(not desk.no_redo())
        _fill(self.list, [_row(one) for one in desk.measured.measurements])
        _fill(self.views, [_view_row(view.name, view.geometry) for view in desk.measured.views])
        chosen = desk.chosen_view
        self.views.setCurrentRow(-1 if chosen is None else desk.measured.views.index(chosen))
        self.show_reference()

    def show_reference(self) -> None:
        """The picture of the chosen view, once the C-arm stands there again."""
        view = self._desk.chosen_view
        if view is None or not view.picture.size or not self._desk.view_is_met:
            self.picture.hide()
            return
        grey = view.picture
        rows, columns = grey.shape
        image = QImage(grey.tobytes(), columns, rows, columns, QImage.Format.Format_Grayscale8)
        self.picture.setPixmap(
            QPixmap.fromImage(image).scaledToHeight(_PICTURE_PX, Qt.TransformationMode.SmoothTransformation)
        )
        self.picture.show()

    def _take_sizes(self) -> None:
        self._desk.french, self._desk.marker_mm = self.french.value(), self.marker.value()


def _row(one: Measurement) -> str:
    figures = "   ".join(f"{name} {figure}".strip() for name, figure in one.figures)
    ways = ", ".join(dict.fromkeys(figure.way for _, figure in one.figures))
    return f"{tr(_WORDS[one.kind])}: {figures}\n{ways}"


def _view_row(name: str, geometry: CArmGeometry) -> str:
    return f"{name}\n{angles_text(geometry)}"


def _fill(shown: QListWidget, rows: list[str]) -> None:
    before = [item.text() for at in range(shown.count()) if (item := shown.item(at)) is not None]
    if rows != before:
        shown.clear()
        shown.addItems(rows)


def _list(name: str) -> QListWidget:
    made = QListWidget()
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    made.setAccessibleName(name)
    made.setToolTip(name)
    made.setWordWrap(True)
    made.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return made


def _field(name: str, unit: str, low: float, high: float, value: float) -> QDoubleSpinBox:
    field = QDoubleSpinBox()
    field.setAccessibleName(name)
    field.setSuffix(unit)
    field.setDecimals(1)
    field.setRange(low, high)
    field.setValue(value)
    field.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
    return field
