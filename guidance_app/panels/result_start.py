"""Before a result is open: open a folder, take up a recent one, or compute one from a form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QDragEnterEvent, QDropEvent
from PyQt6.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from guidance_app.panels.jobs.job import Job, words_of
from guidance_app.panels.jobs.work import Work
from guidance_app.views import palette
from guidance_app.views.language import tr

MOST_RECENT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class StartField:
    """A line of the form.

    Args:
        names: in a case folder, the first that is there is taken; () where a person alone gives it.
        folder: a folder is asked for, never a file.
        needed: nothing is computed without it, and without it a folder is no case.
    """

    id: str
    words: str
    names: tuple[str, ...] = ()
    folder: bool = False
    needed: bool = False


_OUT = StartField(id="out", words="Result folder", folder=True, needed=True)


class ResultStart(QWidget):
    """Before a result is open.

    Attributes:
        title, hint: above the form.
        form: its lines, without that of the result's folder.
        run_words: on the button that computes.
        mark: file that tells a result from a case folder.

    Args:
        open_result: opens a folder; "" or one line why not.
        start_job: runs work and tells of its end.
    """

    title: str
    hint: str
    form: tuple[StartField, ...]
    run_words: str
    mark: str

    def __init__(
        self, open_result: Callable[[Path], str], start_job: Callable[[Work, Callable[[Job], None]], Job]
    ) -> None:
        super().__init__()
        self._open_result, self._start_job = open_result, start_job
        self.job: Job | None = None
        self._lines = (*self.form, _OUT)
        self.fields = {line.id: QLineEdit() for line in self._lines}
        self.run_button, self.cancel_button = QPushButton(self.run_words), QPushButton("Cancel")
        self.open_button = QPushButton("Open a result folder\u2026")
        self.nothing_recent = QLabel(tr("None yet. Results that you open are listed here."))
        self.nothing_recent.setObjectName("quiet")
        self.nothing_recent.setWordWrap(True)
        self.nothing_recent.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.recent = QListWidget()
        self.bar, self.line = QProgressBar(), QLabel()
        self.line.setWordWrap(True)
        self.line.setTextFormat(Qt.TextFormat.PlainText)
        self.bar.hide()
        self.cancel_button.setEnabled(False)
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._lay_out()
        self.run_button.clicked.connect(self.start)
        self.cancel_button.clicked.connect(self.cancel)
        self.open_button.clicked.connect(self._choose_result)
        self.recent.itemActivated.connect(lambda item: self.open_folder(Path(item.toolTip())))

    def show_recent(self, folders: tuple[str, ...]) -> None:
        """The folders of earlier results, newest first."""
        self.recent.clear()
        self.nothing_recent.setVisible(not folders)
        self.recent.setVisible(bool(folders))
        for folder in folders[:MOST_RECENT]:
            self.recent.addItem(Path(folder).name)
            item = self.recent.item(self.recent.count() - 1)
            assert item is not None
            item.setToolTip(folder)

    def open_folder(self, folder: Path) -> str:
        """Open a result folder, or take a case folder's files into the form; "" or one line why not."""
        self.line.setText("")
        if not (folder / self.mark).is_file() and self._take(folder):
            self.line.setText(f"Case taken over: check the fields, then {self.run_words}")
            return ""
        why = self._open_result(folder)
        self.line.setText(why)
        return why

    def start(self) -> None:
        """Compute what the fields name."""
        if self.job is not None:
            return
        given = {name: field.text().strip() for name, field in self.fields.items()}
        if why := self._refusal(given):
            self.line.setText(why)
            return
        work = self._work(Path(given.pop("out")), given)
        self.run_button.setEnabled(False)
        self.cancel_button.setEnabled(True)
        self.bar.show()
        self.job = self._start_job(work, self._ended)
        if self.job is not None:
            self.job.changed.connect(self._advanced)
            self._advanced()

    def cancel(self) -> None:
        if self.job is not None:
            self.job.cancel()

    def _advanced(self) -> None:
        if self.job is not None:
            self.bar.setValue(round(100 * self.job.share))
            self.line.setText(words_of(self.job))

    def _ended(self, job: Job) -> None:
        self.job = None
        self.run_button.setEnabled(True)
        self.cancel_button.setEnabled(False)
        self.bar.hide()
        self.line.setText(words_of(job))
        if job.state == "done":
            self.open_folder(job.work.out)

    def _work(self, out: Path, given: dict[str, str]) -> Work:
        """What the job does with the other fields' texts."""
        raise NotImplementedError

    def _conflict(self, given: dict[str, str]) -> str:  # noqa: ARG002 - for those whose fields exclude each other
        """Why these fields do not go together; "" where they do."""
        return ""

    def _add_rows(self, form: QFormLayout) -> None:
        """What the form asks besides files."""

    def _take(self, folder: Path) -> bool:
        """A folder as `simulate` writes it, or one with files of these names."""
        found = self._found(folder)
        if any(line.needed and found[line.id] is None for line in self.form):
            return False
        for key, path in found.items():
            self.fields[key].setText(str(path) if path is not None else "")
        self.fields["out"].setText(str(folder / "result"))
        return True

    def _found(self, folder: Path) -> dict[str, Path | None]:
        return {
            line.id: next((folder / n for n in line.names if (folder / n).exists()), None) for line in self.form
        }  # fmt: skip

    def _refusal(self, given: dict[str, str]) -> str:
        """Why these fields cannot be computed, in one line; "" where they can."""
        if missing := next((line.words for line in self._lines if line.needed and not given[line.id]), ""):
            return f"{missing} is missing"
        if why := self._conflict(given):
            return why
        out = Path(given["out"])
        # The folder appears as a whole, in place of one that is there: nothing else may lie in it.
        if out.exists() and not out.is_dir():
            return f"{out} is a file; name a new folder"
        if out.is_dir() and any(out.iterdir()) and not (out / "result.json").is_file():
            return f"{out} holds other files; name a new folder"
        return ""

    def _choose_result(self) -> None:
        if folder := QFileDialog.getExistingDirectory(self, "Result or case folder"):
            self.open_folder(Path(folder))

    def _browse(self, line: StartField) -> None:
        if line.folder:
            chosen = QFileDialog.getExistingDirectory(self, "Folder")
        else:
            chosen, _ = QFileDialog.getOpenFileName(self, "File (type a folder's path for DICOM folders)")
        if chosen:
            self.fields[line.id].setText(chosen)

    def dragEnterEvent(self, a0: QDragEnterEvent | None) -> None:
        if a0 is not None and (data := a0.mimeData()) is not None and data.hasUrls():
            a0.acceptProposedAction()

    def dropEvent(self, a0: QDropEvent | None) -> None:
        data = a0.mimeData() if a0 is not None else None
        if data is not None and data.urls():
            self.open_folder(Path(data.urls()[0].toLocalFile()))

    def _lay_out(self) -> None:
        title = QLabel(self.title)
        title.setStyleSheet(f"font-size: 24px; color: {palette.BRIGHT_TEXT};")
        hint = QLabel(self.hint)
        form = QFormLayout()
        form.setSpacing(8)
        for line in self._lines:
            row = QHBoxLayout()
            row.addWidget(self.fields[line.id], 1)
            browse = QPushButton("\u2026")
            browse.setFixedWidth(36)
            browse.clicked.connect(lambda _checked, line=line: self._browse(line))
            row.addWidget(browse)
            form.addRow(line.words, row)
        self._add_rows(form)
        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button)
        buttons.addWidget(self.cancel_button)
        buttons.addStretch(1)
        left = QVBoxLayout()
        for item in (title, hint):
            left.addWidget(item)
        left.addLayout(form)
        left.addLayout(buttons)
        left.addWidget(self.bar)
        left.addWidget(self.line)
        left.addStretch(1)
        heading = QLabel("RECENT")
        heading.setObjectName("heading")
        right = QVBoxLayout()
        right.addWidget(self.open_button)
        right.addWidget(heading)
        right.addWidget(self.nothing_recent, 1)
        right.addWidget(self.recent, 1)
        columns = QHBoxLayout()
        columns.setSpacing(28)
        columns.addLayout(left, 3)
        columns.addLayout(right, 2)
        research = QLabel(palette.RESEARCH_LINE)
        research.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(40, 28, 40, 10)
        layout.addLayout(columns, 1)
        layout.addWidget(research)
