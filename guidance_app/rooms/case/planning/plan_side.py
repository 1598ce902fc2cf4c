"""Beside the slices: what to place, what was placed, the annulus in figures, a segment's best view, the gantry."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from engines.planning.angles import GantryLimits, ViewAngles
from engines.planning.annulus import CUSPS, Annulus, AnnulusSize
from engines.planning.plan import MarkKind, Plan
from engines.planning.segment_views import SeenFrom, Segment
from guidance_app.panels.button_panel import heading, quiet
from guidance_app.views import palette
from guidance_app.views.language import tr

_WIDTH_PX = 330
_NOTCHED = 1.12  # of the diameters by perimeter and by area; an annulus of twice its width still stays below
_EDGE_ON_DEG = 5.0  # nearer than this a plane looks like a line


class PlanSide(QWidget):
    """Signals: `placed` a kind of mark, `hinge_placed` a cusp, `went` and `removed` a mark's name, `segment_chosen` its
    number or -1, `limits_changed` how far the gantry turns.
    """

    placed = pyqtSignal(str)
    hinge_placed = pyqtSignal(str)
    went = pyqtSignal(str)
    removed = pyqtSignal(str)
    segment_chosen = pyqtSignal(int)
    limits_changed = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setFixedWidth(_WIDTH_PX)
        self.name = QLineEdit()
        self.name.setPlaceholderText(tr("Name of the mark, as left renal"))
        self.name.setAccessibleName(tr("Name of the mark"))
        self.name.setMaxLength(64)
        self.buttons: dict[str, QPushButton] = {}
        self.marks = QListWidget()
        self.marks.setAccessibleName(tr("Marks"))
        self.marks.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.marks.setMinimumHeight(60)
        self.marks.setStyleSheet(f"QListWidget {{ background: {palette.PANEL}; border: 0; font-size: 13px; }}")
        self.marks.itemClicked.connect(lambda item: self.went.emit(item.data(Qt.ItemDataRole.UserRole)))
        self.remove_button = QPushButton(tr("Remove"))
        self.remove_button.setToolTip("Del")
        self.remove_button.clicked.connect(lambda: self.remove_chosen())
        self.annulus, self.views, self.best, self.here = QLabel(), QLabel(), QLabel(), QLabel()
        for label in (self.annulus, self.views, self.best, self.here):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setStyleSheet("font-size: 13px;")
        self.segments = QComboBox()
        self.segments.setAccessibleName(tr("Segment"))
        self.segments.setMinimumHeight(34)
        self.segments.currentIndexChanged.connect(lambda number: self.segment_chosen.emit(number - 1))
        self.limits: dict[str, QSpinBox] = {}
        self._lay_out()

    @property
    def chosen(self) -> str:
        item = self.marks.currentItem()
        return "" if item is None or not item.isSelected() else str(item.data(Qt.ItemDataRole.UserRole))

    def remove_chosen(self) -> str:
        self.removed.emit(self.chosen)
        return ""

    def show_plan(self, plan: Plan) -> None:
        chosen = self.chosen
        kinds = {"landmark": tr("landmark"), "target": tr("target"), "ostium": tr("ostium")}
        rows = [(mark.name, kinds[mark.kind]) for mark in plan.marks]
        rows += [(cusp, tr("hinge point")) for cusp in CUSPS if cusp in plan.hinges]
        self.marks.clear()
        for name, words in rows:
            item = QListWidgetItem(name if name == words else f"{name}   ({words})")
            item.setData(Qt.ItemDataRole.UserRole, name)
            self.marks.addItem(item)
            if name == chosen:
                self.marks.setCurrentItem(item)
        for cusp in CUSPS:
            self.buttons[cusp].setChecked(cusp in plan.hinges)

    def show_annulus(self, annulus: Annulus | None, size: AnnulusSize | None, problem: str, *, missing: int) -> None:
        colour = palette.ALARM if problem else palette.BRIGHT_TEXT
        if annulus is None:
            words = tr("Set the lowest point of each cusp: {n} to go").format(n=missing)
            text = problem or words
            colour = palette.ALARM if problem else palette.QUIET_TEXT
        else:
            text = tr("Circle through the points {mm:.1f} mm").format(mm=annulus.circle_mm)
            if size is None:
                text += "\n" + tr("no lumen is cut by this plane: no size")
            else:
                text += "\n" + tr("area {a:.0f} mm\u00b2: {d:.1f} mm; perimeter {p:.1f} mm: {e:.1f} mm").format(
                    a=size.area_mm2, d=size.area_diameter_mm, p=size.perimeter_mm, e=size.perimeter_diameter_mm
                )
                text += "\n" + tr("{a:.1f} x {b:.1f} mm, of the model's lumen").format(
                    a=size.least_mm, b=size.greatest_mm
                )
                if size.perimeter_diameter_mm > _NOTCHED * size.area_diameter_mm:
                    text += "\n" + tr("its wall is notched here: look at the model, or trust the area")
                    colour = palette.UNVERIFIED
            if annulus.doubt:
                text, colour = f"{text}\n{annulus.doubt}", palette.UNVERIFIED
        self.annulus.setText(text)
        self.annulus.setStyleSheet(f"font-size: 13px; color: {colour};")

    def show_views(self, views: Sequence[tuple[str, ViewAngles]], limits: GantryLimits) -> None:
        lines = [
            f"{words}: {angles.words()}" + ("" if limits.reach(angles) else tr("  (out of reach)"))
            for words, angles in views
        ]
        self.views.setText("\n".join(line[:1].upper() + line[1:] for line in lines))
        self.views.setVisible(bool(lines))

    def show_segments(self, segments: Sequence[Segment]) -> None:
        self.segments.blockSignals(True)
        self.segments.clear()
        self.segments.addItem(tr("No segment"))
        for segment in segments:
            self.segments.addItem(f"{segment.name}, {segment.length_mm:.0f} mm")
        self.segments.blockSignals(False)

    def show_best(self, best: SeenFrom | None, *, searching: bool) -> None:
        if best is None:
            self.best.setText(tr("Looking through all angles\u2026") if searching else "")
        else:
            words = ViewAngles(primary_deg=best.primary_deg, secondary_deg=best.secondary_deg).words()
            self.best.setText(tr("Best within reach: {view}: {lost}").format(view=words, lost=_lost(best)))
        self.best.setVisible(bool(self.best.text()))

    def show_here(
        self, here: ViewAngles, off_edge_deg: float | None, seen: SeenFrom | None, *, live: bool, reached: bool
    ) -> None:
        text = (tr("C-arm, live: {view}") if live else tr("Tried: {view}")).format(view=here.words())
        if not reached:
            text += tr("  (out of reach)")
        if off_edge_deg is not None:
            near = tr("edge-on") if off_edge_deg < _EDGE_ON_DEG else tr("not edge-on")
            text += "\n" + tr("annulus {deg:.0f}\u00b0 off edge-on: {words}").format(deg=off_edge_deg, words=near)
        if seen is not None:
            text += "\n" + tr("segment: {lost}").format(lost=_lost(seen))
        self.here.setText(text)

    def _limits_set(self) -> None:
        self.limits_changed.emit(
            GantryLimits(
                lao_deg=self.limits["LAO"].value(), rao_deg=self.limits["RAO"].value(),
                cranial_deg=self.limits["CRA"].value(), caudal_deg=self.limits["CAU"].value(),
            )
        )  # fmt: skip

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(heading(tr("PLACE AT THE CROSSHAIR")))
        column.addWidget(self.name)
        grid = QGridLayout()
        grid.setSpacing(5)
        kinds: tuple[tuple[MarkKind, str, str], ...] = (
            ("landmark", tr("Landmark"), "L"), ("target", tr("Target"), "T"), ("ostium", tr("Ostium"), "O"),
        )  # fmt: skip
        for number, (kind, words, key) in enumerate(kinds):
            self.buttons[kind] = _button(words, key, partial(self.placed.emit, kind))
            grid.addWidget(self.buttons[kind], 0, number)
        cusps = {"right": tr("Hinge right"), "left": tr("left"), "non-coronary": tr("non-cor.")}
        for number, (cusp, words) in enumerate(cusps.items()):
            button = _button(words, str(number + 1), partial(self.hinge_placed.emit, cusp))
            button.setCheckable(True)
            button.setStyleSheet(f"QPushButton:checked {{ border: 2px solid {palette.VALID}; }}")
            button.clicked.connect(partial(self._stay_down, button, cusp))
            self.buttons[cusp] = button
            grid.addWidget(button, 1, number)
        column.addLayout(grid)
        column.addWidget(self.marks, 1)
        column.addWidget(self.remove_button)
        column.addWidget(heading(tr("ANNULUS")))
        column.addWidget(self.annulus)
        column.addWidget(self.views)
        column.addWidget(heading(tr("SEGMENT")))
        column.addWidget(self.segments)
        column.addWidget(self.best)
        column.addWidget(heading(tr("C-ARM")))
        column.addWidget(self.here)
        reach = QHBoxLayout()
        reach.setSpacing(4)
        defaults = GantryLimits()
        for words, degrees, most in (
            ("LAO", defaults.lao_deg, 90), ("RAO", defaults.rao_deg, 90), ("CRA", defaults.cranial_deg, 60),
            ("CAU", defaults.caudal_deg, 60),
        ):  # fmt: skip
            spin = QSpinBox()
            spin.setRange(5, most)
            spin.setSingleStep(5)
            spin.setPrefix(f"{words} ")
            spin.setValue(round(degrees))
            spin.setKeyboardTracking(False)
            spin.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
            spin.setToolTip(tr("How far this gantry turns"))
            spin.valueChanged.connect(self._limits_set)
            self.limits[words] = spin
            reach.addWidget(spin)
        column.addWidget(quiet(tr("How far this gantry turns, in degrees:")))
        column.addLayout(reach)
        self.show_annulus(None, None, "", missing=len(CUSPS))
        self.show_views((), defaults)
        self.show_best(None, searching=False)

    def _stay_down(self, button: QPushButton, cusp: str, _checked: bool = False) -> None:
        names = [self.marks.item(row) for row in range(self.marks.count())]
        button.setChecked(any(item is not None and item.data(Qt.ItemDataRole.UserRole) == cusp for item in names))


def _lost(seen: SeenFrom) -> str:
    return tr("{f:.0f} % foreshortened, {c:.0f} % covered").format(
        f=100 * seen.foreshortening, c=100 * seen.overlap
    )  # fmt: skip


def _button(words: str, key: str, press: partial[None]) -> QPushButton:
    button = QPushButton(words)
    button.setMinimumHeight(38)
    button.setToolTip(f"{words}   {key}")
    button.setStyleSheet("QPushButton { padding: 4px 6px; }")
    button.clicked.connect(lambda _checked=False: press())
    return button
