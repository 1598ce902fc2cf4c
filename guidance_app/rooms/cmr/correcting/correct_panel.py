"""One row of controls for the tree: choose a branch, name or hide it, set a stenosis on it."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QPushButton, QSlider, QSpinBox

from engines.cmr.coronaries.tree import VESSELS
from engines.cmr.fusion_result import Fusion
from guidance_app.views import palette

_PLACES = 100  # of the slider: percent of the branch's length
_FIRST_PERCENT = 70


class CorrectPanel(QFrame):
    """`named` carries branch and vessel, `hidden_or_shown` the branch, `stenosis_set` branch, point and percent."""

    named = pyqtSignal(int, str)
    hidden_or_shown = pyqtSignal(int)
    stenosis_set = pyqtSignal(int, int, float)
    place_changed = pyqtSignal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("panel")
        self._fusion: Fusion | None = None
        self.branches = QComboBox()
        self.branches.setMinimumWidth(130)
        self.vessels = {name: _button(name, f"This branch belongs to the {name}") for name in VESSELS}
        self.hide_button = _button("Hide", "Hide this branch, or show it again")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _PLACES)
        self.slider.setValue(_PLACES // 3)
        self.slider.setMaximumWidth(170)
        self.slider.setToolTip("Place of the stenosis along the branch, origin left")
        self.percent = QSpinBox()
        self.percent.setRange(1, 100)
        self.percent.setValue(_FIRST_PERCENT)
        self.percent.setSuffix(" %")
        self.set_button = _button("Set stenosis", "Set a stenosis of this diameter percent at this place")
        self.said = QLabel("")
        self.said.setObjectName("quiet")
        self.said.setTextFormat(Qt.TextFormat.PlainText)
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 3, 8, 3)
        row.setSpacing(6)
        widgets = (
            QLabel("Branch"), self.branches, *self.vessels.values(), self.hide_button, self.slider, self.percent,
            self.set_button,
        )  # fmt: skip
        for widget in widgets:
            row.addWidget(widget)
        row.addWidget(self.said, 1)
        for name, button in self.vessels.items():
            button.clicked.connect(lambda _=False, name=name: self.named.emit(self.branch, name))
        self.hide_button.clicked.connect(lambda: self.hidden_or_shown.emit(self.branch))
        self.set_button.clicked.connect(
            lambda: self.stenosis_set.emit(self.branch, self.point, float(self.percent.value()))
        )
        self.branches.currentIndexChanged.connect(lambda: self.place_changed.emit(self.branch, self.point))
        self.slider.valueChanged.connect(lambda: self.place_changed.emit(self.branch, self.point))

    @property
    def branch(self) -> int:
        return self.branches.currentIndex()

    @property
    def point(self) -> int:
        """Index of the branch's point at the slider's place."""
        assert self._fusion is not None
        assert self._fusion.tree is not None
        along = self._fusion.tree[self.branch].branch.along_mm
        return int(abs(along - along[-1] * self.slider.value() / _PLACES).argmin())

    def show_fusion(self, fusion: Fusion) -> None:
        self._fusion = fusion
        chosen = max(self.branch, 0)
        self.branches.blockSignals(True)
        self.branches.clear()
        for part in fusion.tree or ():
            vessel = "hidden" if part.hidden else part.vessel
            self.branches.addItem(f"{part.name} ({vessel})" if vessel and vessel != part.name else part.name)
        self.branches.setCurrentIndex(min(chosen, self.branches.count() - 1))
        self.branches.blockSignals(False)
        for widget in (*self.vessels.values(), self.hide_button, self.slider, self.percent, self.set_button):
            widget.setEnabled(bool(fusion.tree))
        self.said.setText("By hand: " + "; ".join(fusion.by_hand) if fusion.by_hand else "Nothing changed by hand yet")
        self.said.setToolTip("\n".join(fusion.by_hand))


def _button(words: str, tip: str) -> QPushButton:
    button = QPushButton(words)
    button.setToolTip(tip)
    button.setStyleSheet(f"font-size: {palette.SMALL_TEXT_PX}px; padding: 2px 8px;")
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button
