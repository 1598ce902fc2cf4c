"""One of the two sides: how its answer comes about, its picture, and its time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from calibration.errors import GuidanceError
from engines.angiography.run import Run
from engines.inference.factory import BACKENDS
from engines.registration.methods.catalogue import CARDS
from guidance_app.live.guidance import ScreenState
from guidance_app.live.recording.recorded_screens import RecordedScreens
from guidance_app.panels.jobs.job import Job
from guidance_app.panels.pictures.timeline import Timeline
from guidance_app.views import palette
from guidance_app.views.language import tr
from guidance_app.views.live_view import LiveView
from guidance_app.views.picture_tool import PictureTool

Letter = Literal["A", "B"]
COLOURS: dict[Letter, str] = {"A": palette.BRIGHT_TEXT, "B": "#ffd27a"}
_DESK_MM = 700.0  # from the eyes to the screen: nobody replays from the table

_LEAST_LETTERS, _WIDEST_BOX_PX, _LIST_MARGIN_PX = 6, 190, 30

SEARCHED, FROM_POSE, RECORDED = "searched", "pose", "recorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a side's answer is to be computed.

    Args:
        models: folder of the networks; None for those of the program.
        pose: file to begin with; None searches.
        method: registration method that finds the pose to begin with; empty for the live search.
    """

    backend: str
    models: Path | None = None
    pose: Path | None = None
    method: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a side shows: in a line, and as shortly as a picture has room for."""

    words: str = ""
    short: str = ""


class _Name(PictureTool):
    """Says on the picture itself which one it is."""

    def __init__(self) -> None:
        self.words = ""

    @property
    def notes(self) -> tuple[str, ...]:
        return (self.words,) if self.words else ()


class Side(QWidget):
    """Shows what it is given; the room computes and links.

    Args:
        go_to: as `Timeline`.
        ask_folder, ask_pose: let a person choose; None where nothing was chosen.

    Attributes:
        screens: what it shows; None before anything was computed or recorded.
        named: that in words.
        job: that computes for it now.
    """

    def __init__(
        self,
        letter: Letter,
        go_to: Callable[[int], object],
        *,
        chosen: Callable[[Side], None],
        ask_folder: Callable[[], Path | None],
        ask_pose: Callable[[], Path | None],
    ) -> None:
        super().__init__()
        self.letter: Letter = letter
        self.screens: RecordedScreens | None = None
        self.job: Job | None = None
        self.named = Named()
        self._run: Run | None = None
        self._models: Path | None = None
        self._pose: Path | None = None
        self._chosen, self._ask_folder, self._ask_pose = chosen, ask_folder, ask_pose
        self._before = SEARCHED
        self.how = _box(tr("Pose of {letter}: searched, from a file, or as recorded").format(letter=letter))
        self.registers = _box(tr("Registration method of {letter}").format(letter=letter))
        self._offer_methods()
        self.backend = _box(tr("Backend of {letter}").format(letter=letter))
        self.backend.addItems(list(BACKENDS))
        self.networks = _box(tr("Networks of {letter}: those of the program, or of a folder").format(letter=letter))
        self.networks.addItem(tr("Shipped"), None)
        self.networks.addItem(tr("Folder\u2026"), None)
        self.title = QLabel()
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.mark = QLabel(letter)
        for label, style in ((self.mark, "font-size: 22px; font-weight: bold;"), (self.title, "font-size: 15px;")):
            label.setStyleSheet(f"{style} color: {COLOURS[letter]};")
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.view = LiveView(self)
        self.view.distance_mm = _DESK_MM
        self._name = _Name()
        self.view.tools.append(self._name)
        self.timeline = Timeline(self, go_to)
        kept = self.timeline.sizePolicy()
        kept.setRetainSizeWhenHidden(True)  # both pictures have one size, whatever is known of either
        self.timeline.setSizePolicy(kept)
        self._bar = QHBoxLayout()
        self._lay_out()
        self.offer_recorded(False)
        self.how.activated.connect(self._how_chosen)
        self.networks.activated.connect(self._networks_chosen)
        self.backend.activated.connect(lambda _row: self._chosen(self))

    @property
    def method(self) -> str:
        """`SEARCHED`, `FROM_POSE` or `RECORDED`."""
        return str(self.how.currentData())

    @property
    def recipe(self) -> Recipe:
        return Recipe(
            backend=self.backend.currentText(), models=self._models,
            pose=self._pose if self.method == FROM_POSE else None,
            method=str(self.registers.currentData()) if self.method == SEARCHED else "",
        )  # fmt: skip

    def offer_recorded(self, there: bool) -> None:
        """A recording can also be shown as it was."""
        self.how.clear()
        if there:
            self.how.addItem(tr("As recorded"), RECORDED)
        self.how.addItem(tr("Searched"), SEARCHED)
        self.how.addItem(tr("From file\u2026"), FROM_POSE)
        self._before = self.method
        self._enable()

    def choose(self, method: str) -> None:
        self.how.setCurrentIndex(max(self.how.findData(method), 0))
        self._before = self.method
        self._enable()

    def use_pose(self, pose: Path) -> None:
        """Begin with this pose file."""
        self._pose = pose
        self.choose(FROM_POSE)

    def swap_choices(self, other: Side) -> None:
        """How each answer came about goes with it."""
        mine, its = ((one.how, one.registers, one.backend) for one in (self, other))
        mine, its = (tuple(box.currentIndex() for box in boxes) for boxes in (mine, its))
        self._models, other._models = other._models, self._models
        self._pose, other._pose = other._pose, self._pose
        for side, (how, registers, backend) in ((self, its), (other, mine)):
            side.how.setCurrentIndex(how)
            side.registers.setCurrentIndex(registers)
            side.backend.setCurrentIndex(backend)
            side.networks.setCurrentIndex(0 if side._models is None else 1)
            side.networks.setToolTip("" if side._models is None else str(side._models))
            side._before = side.method
            side._enable()

    def add_button(self, button: QPushButton) -> None:
        self._bar.addWidget(button)

    def take(self, run: Run | None, screens: RecordedScreens | None, named: Named) -> None:
        """Show this from now on; without screens the run's pictures alone."""
        if self.screens is not None and self.screens is not screens:
            self.screens.close()
        self._run, self.screens = run, screens
        self._say(named)
        if screens is None:
            self.timeline.begin()
            return
        total = screens.run.frame_count
        self.timeline.fill(
            [screens.sketch(place) for place in range(total)], [screens.vessel_px(place) for place in range(total)],
            screens.marks,
        )  # fmt: skip

    def _say(self, named: Named) -> None:
        """Above the picture, and on it."""
        self.named = named
        self.title.setText(named.words)
        self.title.setToolTip(named.words)
        self._name.words = f"{self.letter}: {named.short}" if named.short else ""
        self.view.update()

    def show_frame(self, frame: int, *, playing: bool) -> None:
        screen = self._screen(frame)
        if screen is None:
            return
        self.view.show_screen(replace(screen, paused=not playing))
        if self.screens is not None:
            self.timeline.stand_at(frame, self.view.shown_image())

    def _screen(self, frame: int) -> ScreenState | None:
        if self.screens is not None:
            return self.screens.screen(min(frame, self.screens.run.frame_count - 1))
        if self._run is None:
            return None
        banner, picture = tr("not computed yet"), None
        try:
            picture = replace(self._run.frame(frame), index=frame, source_frame=frame)
        except GuidanceError as error:
            banner = str(error)
        return ScreenState(
            frame=picture, result=None, overlay=None, overlay_state="hidden", overlay_age_ms=None,
            source_state="replay", guidance_state="unregistered", engine_up=True, banner=banner,
            frames_total=self._run.frame_count, fps=0.0, p95_ms=0.0,
        )  # fmt: skip

    def _how_chosen(self, _row: int) -> None:
        if self.method == FROM_POSE:
            pose = self._ask_pose()
            if pose is None:
                self.choose(self._before)
                return
            self._pose = pose
        self._before = self.method
        self._enable()
        self._chosen(self)

    def _networks_chosen(self, row: int) -> None:
        folder = self._ask_folder() if row else None
        self._models = folder
        self.networks.setCurrentIndex(1 if folder is not None else 0)
        self.networks.setToolTip("" if folder is None else str(folder))
        self._chosen(self)

    def _offer_methods(self) -> None:
        """Each with what it does as a tip; what the live search is comes first."""
        self.registers.addItem(tr("Live search"), "")
        for card in CARDS:
            if card.name != "ours":
                self.registers.addItem(card.name, card.name)
                self.registers.setItemData(self.registers.count() - 1, card.words, Qt.ItemDataRole.ToolTipRole)
        widest = self.registers.view()
        if widest is not None:
            widest.setMinimumWidth(widest.sizeHintForColumn(0) + _LIST_MARGIN_PX)

    def _enable(self) -> None:
        computed = self.method != RECORDED
        self.backend.setEnabled(computed)
        self.networks.setEnabled(computed)
        self.registers.setEnabled(self.method == SEARCHED)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self._bar.setSpacing(6)
        for box in (self.how, self.registers, self.backend, self.networks):
            self._bar.addWidget(box)
        self._bar.addStretch(1)
        heading = QHBoxLayout()
        heading.setSpacing(10)
        heading.addWidget(self.mark)
        heading.addWidget(self.title, 1)
        layout.addLayout(heading)
        layout.addLayout(self._bar)
        layout.addWidget(self.view, 1)
        layout.addWidget(self.timeline)


def _box(name: str) -> QComboBox:
    box = QComboBox()
    box.setAccessibleName(name)
    box.setToolTip(name)
    box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    # Two sides with four boxes each have to fit into 1280 pixels; the list that opens is as wide as its words.
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(_LEAST_LETTERS)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    box.setMaximumWidth(_WIDEST_BOX_PX)
    return box
