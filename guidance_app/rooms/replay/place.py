"""What is seen in the replay room: one run, two answers of guidance to it, linked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from calibration.errors import GuidanceError, InputError
from engines.anatomy.cases.case import Case
from engines.angiography.run import Run
from guidance_app.live.recording.recorded_screens import RecordedScreens
from guidance_app.panels.action import Action
from guidance_app.panels.action_button import action_button
from guidance_app.panels.jobs.job import words_of
from guidance_app.panels.pictures.png import write_png
from guidance_app.rooms.replay.comparison_file import NAMES, write_comparison
from guidance_app.rooms.replay.difference import Apart, all_apart, model_points_mm, words_of_frame, words_of_run
from guidance_app.rooms.replay.difference_strip import DifferenceStrip
from guidance_app.rooms.replay.linked_views import LinkedViews
from guidance_app.rooms.replay.playback import LinkedPlayback
from guidance_app.rooms.replay.side import RECORDED, SEARCHED, Letter, Named, Side
from guidance_app.rooms.replay.take_desk import TakeDesk
from guidance_app.rooms.room import House
from guidance_app.sources.recording.recording_messages import SCREEN
from guidance_app.sources.recording.recording_source import RecordedRun
from guidance_app.sources.uri import shown_run
from guidance_app.views import palette
from guidance_app.views.language import tr

if TYPE_CHECKING:
    from guidance_app.live.engine.model_projection import ProjectedModel

_RUNS = "XA, recordings, pictures, films (*.dcm *.mcap *.mp4 *.avi *.png *.jpg);;All files (*)"


class ReplayPlace(QWidget):
    """Opens a run, computes for either side, and keeps both at one frame.

    Attributes:
        sides: A and B.
        source: path of the run; None before one is open.
        away: how far A and B lie apart, by frame.
    """

    def __init__(self, house: House) -> None:
        super().__init__()
        self._cancel: QPushButton | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._house = house
        self._case: Case | None = None
        self._model: ProjectedModel | None = None
        self.source: Path | None = None
        self._run: Run | None = None
        self.away: dict[int, Apart] = {}
        self.runs = QComboBox()
        self.runs.setAccessibleName(tr("Run"))
        self.runs.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.runs.activated.connect(lambda row: self.open(self.runs.itemData(row)))
        self.state, self.told = QLabel(), QLabel()
        self.state.setObjectName("quiet")
        for label in (self.state, self.told):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        self.playback = LinkedPlayback(self, self._show_frame, self._show_pace)
        self.sides: dict[Letter, Side] = {letter: self._side(letter) for letter in ("A", "B")}
        self.strip = DifferenceStrip(self.playback.go_to)
        self.linked = LinkedViews(tuple(side.view for side in self.sides.values()))
        for side in self.sides.values():
            side.view.on_frame_wheel = self._wheel
        self._top = QHBoxLayout()
        self._lay_out()
        self.takes = TakeDesk(
            self, house, tuple(self.sides.values()), computed=self._show_take, changed=self.show_state
        )
        self._show_difference()
        self.show_state()

    # What a person does

    def take_case(self, case: Case | None) -> None:
        """Every room works on this case from now on; begins with its first recording."""
        if case is self._case:
            return
        self.takes.cancel()
        self._case, self._model = case, None
        self._forget_run()
        self.runs.clear()
        for recording in () if case is None else case.recordings:
            self.runs.addItem(recording.path.name, recording.path)
        if case is not None and case.recordings:
            self._house.say(self.open(case.recordings[0].path))
        self.show_state()

    def open(self, path: Path | None = None) -> str:
        """Open a run or a recording on the present case; asks where none is given. Returns "" or why not."""
        if self._case is None:
            return tr("No case is open; choose one in the case room")
        if path is None:
            text, _ = QFileDialog.getOpenFileName(self, tr("A run or a recording"), "", tr(_RUNS))
            if not text:
                return ""
            path = Path(text)
        try:
            run = shown_run(path)
        except GuidanceError as error:
            return str(error)
        self.takes.cancel()
        self._forget_run()
        self._run, self.source = run, path
        recorded = isinstance(run, RecordedRun) and run.reader.count(SCREEN) > 0
        for side in self.sides.values():
            side.offer_recorded(recorded)
            side.choose(SEARCHED)
            side.take(run, None, Named(words=tr("Nothing computed yet")))
        if recorded:
            self.sides["A"].choose(RECORDED)
            self._show_recorded(self.sides["A"])
        else:
            # So that the first comparison compares something: the reference beside what live guidance takes.
            self.sides["B"].backend.setCurrentText("torch")
        row = next((row for row in range(self.runs.count()) if self.runs.itemData(row) == path), -1)
        if row < 0:
            self.runs.addItem(path.name, path)
            row = self.runs.count() - 1
        self.runs.setCurrentIndex(row)
        self._compare()
        self.playback.begin(run.frame_count, run.frame_time_ms)
        self.show_state()
        return ""

    def compute(self, letter: Letter) -> str:
        """Compute this side as its choices say."""
        if refusal := self.cannot_compute(letter):
            return refusal
        assert self._case is not None
        assert self.source is not None
        side = self.sides[letter]
        if side.method == RECORDED:
            self._show_recorded(side)
        else:
            self.takes.compute(side, self._case, self.source)
        return ""

    def cannot_compute(self, letter: Letter) -> str:
        """Why this side cannot be computed now, "" where it can."""
        if self._case is None:
            return tr("No case is open; choose one in the case room")
        if self.source is None:
            return tr("No run is open; open one first")
        if self.sides[letter].job is not None:
            return tr("{letter} is being computed").format(letter=letter)
        if guiding := self._house.guiding:
            return tr("Nothing is computed while live guidance runs: it would slow the picture.") + f" {guiding}"
        return ""

    def swap(self) -> str:
        """What A shows goes to B, and the other way round."""
        if any(side.job is not None for side in self.sides.values()):
            return tr("Wait until both are computed, or cancel")
        first, second = self.sides.values()
        (one, one_name), (other, other_name) = (first.screens, first.named), (second.screens, second.named)
        first.screens = second.screens = None  # so that none is closed
        first.take(self._run, other, other_name)
        second.take(self._run, one, one_name)
        first.swap_choices(second)
        self._compare()
        self.playback.go_to(self.playback.at)
        return ""

    def export(self, folder: Path | None = None) -> str:
        """Write the comparison as JSON and CSV, and the room as it is seen; asks for the folder where none is given."""
        if not any(side.screens is not None for side in self.sides.values()):
            return tr("Nothing has been computed yet")
        if folder is None:
            text = QFileDialog.getExistingDirectory(self, tr("Export into a folder"))
            if not text:
                return ""
            folder = Path(text)
        assert self._case is not None
        assert self.source is not None
        sides: dict[str, tuple[str, RecordedScreens | None]] = {
            letter: (side.named.words, side.screens) for letter, side in self.sides.items()
        }
        try:
            write_comparison(folder, sides, self.away, case=self._case.id, source=self.source.name)
            write_png(self.grab().toImage(), folder / "replay.png")
        except InputError as error:
            return str(error)
        return tr("{count} files in {folder}").format(count=len(NAMES) + 1, folder=folder)

    def close_place(self) -> None:
        self.playback.pause()
        self.linked.stop()
        self._forget_run()
        self.takes.close()

    # What is seen

    def show_state(self, problem: str = "") -> None:
        """What is being computed, or why nothing can be, or what to keep in mind."""
        lines = [f"{side.letter}: {words_of(side.job)}" for side in self.sides.values() if side.job is not None]
        if self._cancel is not None:
            self._cancel.setEnabled(not self.takes.cannot_cancel())
        self.state.setText(problem or "   ".join(lines) or self.cannot_compute("A") or self._caution())

    def _caution(self) -> str:
        words = tr("Each frame gets all the time it needs: this is what guidance says, not how fast it is.")
        shown = [side.screens for side in self.sides.values() if side.screens is not None]
        if any(screens.followed_motion for screens in shown):
            words += " " + tr("Drawn rigid: a recording keeps no motion of the heart.")
        return words

    def dress(self, actions: tuple[Action, ...]) -> None:
        """Buttons for the room's actions."""
        short = {
            "replay.open": tr("Open\u2026"), "replay.swap": tr("Swap"), "replay.export": tr("Export\u2026"),
            "replay.cancel": tr("Cancel"), "replay.compute-a": tr("Compute A"), "replay.compute-b": tr("Compute B"),
        }  # fmt: skip
        for action in actions:
            if action.id not in short:
                continue
            button = action_button(action, self._house.perform, words=short[action.id])
            if action.id == "replay.compute-a":
                self.sides["A"].add_button(button)
            elif action.id == "replay.compute-b":
                self.sides["B"].add_button(button)
            else:
                self._top.addWidget(button)
            if action.id == "replay.cancel":
                self._cancel = button
        self.show_state()

    def _side(self, letter: Letter) -> Side:
        return Side(
            letter, self.playback.go_to, chosen=self._choice_changed,
            ask_folder=lambda: _asked(QFileDialog.getExistingDirectory(self, tr("Folder of networks (manifest.json)"))),
            ask_pose=lambda: _asked(QFileDialog.getOpenFileName(self, tr("Pose file"), "", "JSON (*.json)")[0]),
        )  # fmt: skip

    def _choice_changed(self, side: Side) -> None:
        if side.method == RECORDED:
            self._show_recorded(side)

    def _show_recorded(self, side: Side) -> None:
        """A reader of its own: both sides may show the same recording."""
        if self.source is None:
            return
        try:
            named = Named(words=tr("As it was recorded"), short=tr("as recorded"))
            self._show_take(side, RecordedRun(self.source), named)
        except GuidanceError as error:
            self._house.say(str(error))

    def _show_take(self, side: Side, run: RecordedRun, named: Named) -> None:
        side.take(self._run, RecordedScreens(run, self._projected()), named)
        self._compare()
        self.playback.go_to(self.playback.at)

    def _compare(self) -> None:
        both = [side.screens for side in self.sides.values()]
        first, second = both
        self.away = {}
        if first is not None and second is not None and self._case is not None:
            self.away = all_apart(first.poses, second.poses, model_points_mm(self._case.vessel_model()))
        total = 0 if self._run is None else self._run.frame_count
        self.strip.show_run(total, {frame: one.picture_mm for frame, one in self.away.items()}, words_of_run(self.away))
        self._show_difference()

    def _show_frame(self, frame: int, playing: bool) -> None:
        for side in self.sides.values():
            side.show_frame(frame, playing=playing)
        self.linked.follow()
        self.strip.stand_at(frame)
        self._show_difference()

    def _show_difference(self) -> None:
        poses = {side.letter: {} if side.screens is None else side.screens.poses for side in self.sides.values()}
        without = [letter for letter, known in poses.items() if self.playback.at not in known]
        self.told.setText(words_of_frame(self.away, self.playback.at, without))

    def _wheel(self, frames: int) -> None:
        self.playback.step(frames)

    def _show_pace(self) -> None:
        for side in self.sides.values():
            side.timeline.show_pace(self.playback.stretch, self.playback.speed)

    def _projected(self) -> ProjectedModel:
        if self._model is None:
            from guidance_app.live.engine.model_projection import ProjectedModel

            assert self._case is not None
            self._model = ProjectedModel(self._case.vessel_model())
        return self._model

    def _forget_run(self) -> None:
        for side in self.sides.values():
            side.take(None, None, Named())
        if isinstance(self._run, RecordedRun):
            self._run.close()
        self._run = self.source = None
        self.away = {}
        self.playback.begin(0, None)

    def _lay_out(self) -> None:
        title = QLabel(tr("Replay, side by side"))
        title.setStyleSheet(f"font-size: 22px; color: {palette.BRIGHT_TEXT};")
        self.told.setStyleSheet(f"font-size: 15px; color: {palette.BRIGHT_TEXT};")
        self.told.setToolTip(tr("Mean over the model, in the isocentre plane. One view hardly shows the depth."))
        self._top.setSpacing(6)
        self._top.addWidget(title)
        self._top.addSpacing(16)
        self._top.addWidget(self.runs, 1)
        pair = QHBoxLayout()
        pair.setSpacing(10)
        for side in self.sides.values():
            pair.addWidget(side, 1)
        research = QLabel(palette.RESEARCH_LINE)
        research.setObjectName("quiet")
        feet = QHBoxLayout()
        feet.addWidget(research)
        feet.addSpacing(24)
        feet.addWidget(self.state, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 10, 14, 6)
        layout.setSpacing(6)
        layout.addLayout(self._top)
        layout.addLayout(pair, 1)
        layout.addWidget(self.told)
        layout.addWidget(self.strip)
        layout.addLayout(feet)


def _asked(text: str) -> Path | None:
    return Path(text) if text else None
