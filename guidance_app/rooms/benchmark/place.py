"""What is seen in the benchmark room: what to measure, how it stands, and one or two runs as figures."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from calibration.errors import InputError
from engines.anatomy.cases.case import Case
from engines.inference.factory import BACKENDS
from guidance_app.live.benches.latency_follow import Moment, moments_after
from guidance_app.panels.action import Action
from guidance_app.panels.action_button import action_button
from guidance_app.panels.jobs.job import Job, words_of
from guidance_app.panels.jobs.work import Work
from guidance_app.panels.pictures.png import write_png
from guidance_app.panels.scratch import scratch_folder
from guidance_app.rooms.benchmark.bench_work import REPORT, measure_into
from guidance_app.rooms.benchmark.measured_run import MeasuredRun, counts_words, export_runs, open_runs
from guidance_app.rooms.benchmark.percentile_table import A_COLOUR, B_COLOUR, PercentileTable
from guidance_app.rooms.benchmark.running_plots import RunningPlots
from guidance_app.rooms.room import House
from guidance_app.views import palette
from guidance_app.views.language import tr

Slot = Literal["A", "B"]
_SLOTS: tuple[Slot, Slot] = ("A", "B")
_LOOK_MS = 500
_SECONDS, _FPS, _SIZES = ("10", "30", "60"), ("15", "30", "7.5"), ("512", "1024", "256")


class BenchmarkPlace(QWidget):
    """Measures one run at a time, into A or B.

    Args:
        folder: runs are kept below it.

    Attributes:
        runs: what A and B hold; None where nothing is.
        job: that measures now; None where none does.
        moments: of the run that is plotted.
    """

    def __init__(self, house: House, folder: Path) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._house, self._folder = house, folder
        self._case: Case | None = None
        self.runs: dict[Slot, MeasuredRun | None] = {"A": None, "B": None}
        self.job: Job | None = None
        self.moments: list[Moment] = []
        self._slot: Slot = "A"
        self._label = ""
        self._follow: Path | None = None
        self._read_to = 0
        self.backend = _chooser(BACKENDS, tr("Backend of the network"))
        self.seconds = _chooser(_SECONDS, tr("Seconds"))
        self.fps = _chooser(_FPS, tr("Frames a second"))
        self.pixels = _chooser(_SIZES, tr("Rows and columns of the picture"))
        self.case_line, self.state = QLabel(), QLabel()
        self.state.setWordWrap(True)
        self.plots, self.table = RunningPlots(), PercentileTable()
        self.lines: dict[Slot, QLabel] = {"A": QLabel(), "B": QLabel()}
        for slot, colour in zip(_SLOTS, (A_COLOUR, B_COLOUR), strict=True):
            self.lines[slot].setStyleSheet(f"color: {colour};")
            self.lines[slot].setTextFormat(Qt.TextFormat.PlainText)
        self.buttons: dict[str, QPushButton] = {}
        self._lay_out()
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self.look)
        self._show_runs()
        self.take_case(None)

    def take_case(self, case: Case | None) -> None:
        self._case = case
        first = "" if case is None else tr("Case {id}, its first recording").format(id=case.id)
        self.case_line.setText(first or tr("No case is open"))
        self.show_state()

    # What a person does

    def measure(self, slot: Slot) -> str:
        """Measure into A or B."""
        if refusal := self.cannot_measure():
            return refusal
        assert self._case is not None
        self._slot, self._label = slot, self.backend.currentText()
        self._follow = scratch_folder("bench") / "follow.jsonl"
        self._read_to, self.moments = 0, []
        self.plots.show_moments(())
        work = Work(
            words=tr("Benchmark {slot}, {label}").format(slot=slot, label=self._label),
            run=measure_into,
            out=self._folder / f"benchmark-{slot.lower()}",
            arguments={
                "follow": str(self._follow), "case": str(self._case.folder), "backend": self._label,
                "fps": float(self.fps.currentText()), "seconds": float(self.seconds.currentText()),
                "size": int(self.pixels.currentText()),
            },
            gives_way=False,
        )  # fmt: skip
        self.job = self._house.start_job(work, self._ended)
        if self.job is not None and not self.job.is_over:
            self._timer.start()
        self.show_state()
        return ""

    def cannot_measure(self) -> str:
        """Why nothing can be measured now, "" where it can."""
        if self.job is not None:
            return tr("A benchmark is running")
        if self._case is None:
            return tr("No case is open; choose one in the case room")
        if not self._case.recordings:
            return tr("Case {id} has no recording to play; take another case").format(id=self._case.id)
        if guiding := self._house.guiding:
            return tr("No benchmark while live guidance runs: it would slow the picture.") + f" {guiding}"
        return ""

    def cancel(self) -> str:
        if self.job is None:
            return tr("No benchmark is running")
        self.job.cancel()
        return tr("Cancelled; the earlier figures stay")

    def open_file(self, path: Path | None = None) -> str:
        """Open a latency.json beside what is there, or both arms of a comparison; asks where none is given."""
        if path is None:
            text, _ = QFileDialog.getOpenFileName(self, "latency.json", "", "JSON (*.json)")
            if not text:
                return ""
            path = Path(text)
        try:
            found = open_runs(path)
        except InputError as error:
            return str(error)
        if len(found) == 2:
            self.runs = {"A": found[0], "B": found[1]}
        else:
            self.runs["B" if self.runs["A"] is not None else "A"] = found[0]
        self._show_runs()
        return tr("Opened {name}").format(name=path.name)

    def swap(self) -> str:
        self.runs = {"A": self.runs["B"], "B": self.runs["A"]}
        self._show_runs()
        return ""

    def clear(self) -> str:
        self.runs = {"A": None, "B": None}
        self._show_runs()
        return ""

    def export(self, folder: Path | None = None) -> str:
        """Write JSON, CSV, a chart, and the room as it is seen; asks for the folder where none is given."""
        shown = [run for run in self.runs.values() if run is not None]
        if not shown:
            return tr("Nothing has been measured or opened yet")
        if folder is None:
            text = QFileDialog.getExistingDirectory(self, tr("Export into a folder"))
            if not text:
                return ""
            folder = Path(text)
        try:
            written = export_runs(shown, folder)
            write_png(self.grab().toImage(), folder / "benchmark.png")
        except InputError as error:
            return str(error)
        return tr("{count} files in {folder}").format(count=len(written) + 1, folder=folder)

    def close_place(self) -> None:
        self._timer.stop()

    # While it runs

    def look(self) -> None:
        """Draw what is new; end at once where live guidance has begun meanwhile."""
        if self.job is not None and self._house.guiding:
            self._house.toast(tr("The benchmark was ended: live guidance began"), "problem")
            self.job.cancel()
            return
        self._read()
        self.show_state()

    def _read(self) -> None:
        if self._follow is None:
            return
        new, self._read_to = moments_after(self._follow, self._read_to)
        if new:
            self.moments += new
            self.plots.show_moments(self.moments)

    def _ended(self, job: Job) -> None:
        self._timer.stop()
        self._read()
        self.job = None
        if self._follow is not None:
            shutil.rmtree(self._follow.parent, ignore_errors=True)
            self._follow = None
        if job.state == "done":
            try:
                (self.runs[self._slot],) = open_runs(job.work.out / REPORT, self._label)
            except InputError as error:
                self._house.toast(str(error), "problem")
            self._show_runs()
        self.show_state()
        if job.state == "failed":
            self.state.setText(job.problem)

    # What is seen

    def dress(self, actions: tuple[Action, ...]) -> None:
        """Buttons for the room's actions."""
        for action in actions:
            name = action.id.removeprefix("benchmark.")
            self.buttons[name] = button = action_button(action, self._house.perform, words=tr(_SHORT[name]))
            button.setMinimumHeight(34)
            self._tools.addWidget(button)
        self.show_state()

    def show_state(self) -> None:
        running = self.job is not None
        refusal = "" if running else self.cannot_measure()
        if self.job is not None:
            now = self.moments[-1] if self.moments else None
            counts = "" if now is None else f": {counts_words(now.painted, now.superseded, now.dropped)}"
            self.state.setText(words_of(self.job) + counts)
        else:
            ready = tr("Ready. Leave the machine alone meanwhile: this window draws twice a second")
            self.state.setText(refusal or ready)
        for name in ("run-a", "run-b"):
            if name in self.buttons:
                self.buttons[name].setEnabled(not running and not refusal)
        if "cancel" in self.buttons:
            self.buttons["cancel"].setEnabled(running)

    def _show_runs(self) -> None:
        for slot, run in self.runs.items():
            self.lines[slot].setText("" if run is None else f"{slot}  {run.words}")
            self.lines[slot].setToolTip("" if run is None else run.machine_words)
            self.lines[slot].setVisible(run is not None)
        self.table.show_runs((self.runs["A"], self.runs["B"]))

    def _lay_out(self) -> None:
        title = QLabel(tr("Benchmark of the live path"))
        title.setStyleSheet(f"font-size: 22px; color: {palette.BRIGHT_TEXT};")
        top = QHBoxLayout()
        top.addWidget(title)
        top.addSpacing(20)
        top.addWidget(self.case_line, 1)
        asked = QHBoxLayout()
        asked.setSpacing(8)
        for words, box in (("Backend", self.backend), ("Seconds", self.seconds), ("Frames/s", self.fps),
                           ("Size", self.pixels)):  # fmt: skip
            asked.addWidget(QLabel(tr(words)))
            asked.addWidget(box)
        asked.addStretch(1)
        self._tools = QHBoxLayout()
        self._tools.setSpacing(6)
        asked.addLayout(self._tools)
        note = QLabel(tr("Ingest to paint, never glass to glass: software cannot see the light leave the screen."))
        note.setObjectName("quiet")
        research = QLabel(palette.RESEARCH_LINE)
        research.setObjectName("quiet")
        feet = QHBoxLayout()
        feet.addWidget(research)
        feet.addSpacing(24)
        feet.addWidget(note, 1)  # toasts may cover it, and not the line before it
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 14, 20, 8)
        layout.setSpacing(8)
        layout.addLayout(top)
        layout.addLayout(asked)
        layout.addWidget(self.state)
        layout.addWidget(self.plots, 5)
        for line in self.lines.values():
            layout.addWidget(line)
        layout.addWidget(self.table, 6)
        layout.addLayout(feet)


_SHORT = {
    "run-a": "Run as A", "run-b": "Run as B", "cancel": "Cancel", "open": "Open\u2026", "swap": "Swap",
    "clear": "Clear", "export": "Export\u2026",
}  # fmt: skip


def _chooser(words: tuple[str, ...], name: str) -> QComboBox:
    box = QComboBox()
    box.addItems(list(words))
    box.setAccessibleName(name)
    box.setToolTip(name)
    box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return box
