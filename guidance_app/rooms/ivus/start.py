"""Before a result is open: open a folder, take up a recent one, or register a pullback here."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QDragEnterEvent, QDropEvent
from PyQt6.QtWidgets import (
    QComboBox,
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

from engines.ivus.files.session_file import NAME as SESSION
from guidance_app.panels.command_job import CommandJob
from guidance_app.views import palette

_MOST_RECENT = 8
_FIELDS = (
    ("cta", "CT (DICOM folder or NIfTI)"), ("centerline", "Centerline (VTP, VTK, CSV)"),
    ("pullback", "Pullback (DICOM file or folder)"), ("contours", "or contours (folder)"), ("out", "Result folder"),
)  # fmt: skip


class StartPlace(QWidget):
    """Args: open_result: opens a folder; "" or one line why not."""

    def __init__(self, open_result: Callable[[Path], str]) -> None:
        super().__init__()
        self._open_result = open_result
        self.job = CommandJob(self)
        self.job.advanced.connect(self._advanced)
        self.job.ended.connect(self._ended)
        self._fresh_parts: set[Path] = set()
        self.fields = {name: QLineEdit() for name, _ in _FIELDS}
        self.method = QComboBox()
        self.method.addItems(["ours", "paper"])
        self.run_button, self.cancel_button = QPushButton("Register"), QPushButton("Cancel")
        self.open_button = QPushButton("Open a result folder\u2026")
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
        self.cancel_button.clicked.connect(self.job.cancel)
        self.open_button.clicked.connect(self._choose_result)
        self.recent.itemActivated.connect(lambda item: self.open_folder(Path(item.toolTip())))

    def show_recent(self, folders: tuple[str, ...]) -> None:
        """The folders of earlier results, newest first."""
        self.recent.clear()
        for folder in folders[:_MOST_RECENT]:
            self.recent.addItem(Path(folder).name)
            item = self.recent.item(self.recent.count() - 1)
            assert item is not None
            item.setToolTip(folder)

    def open_folder(self, folder: Path) -> str:
        """Open a result folder, or take a case folder's files into the form; "" or one line why not."""
        self.line.setText("")
        if not (folder / SESSION).is_file() and self._take(folder):
            self.line.setText("Case taken over: check the fields, then Register")
            return ""
        why = self._open_result(folder)
        self.line.setText(why)
        return why

    def start(self) -> None:
        """Register what the fields name."""
        if self.job.running:
            return
        given = {name: field.text().strip() for name, field in self.fields.items()}
        missing = [words for name, words in _FIELDS if name in ("cta", "centerline", "out") and not given[name]]
        if missing or bool(given["pullback"]) == bool(given["contours"]):
            self.line.setText(f"{missing[0]} is missing" if missing else "Give a pullback or contours, one of them")
            return
        out = Path(given["out"])
        # What is there before stays there when the job is cancelled.
        self._existed = out.exists()
        self._fresh_parts = set(out.glob(".part-*")) if self._existed else set()
        arguments = ["ivus", "register", "--method", self.method.currentText()]
        for name in ("cta", "centerline", "pullback", "contours", "out"):
            if given[name]:
                arguments += [f"--{name}", given[name]]
        self._working(True)
        self.line.setText("starting")
        self.job.start(arguments)

    def close_place(self) -> None:
        self.job.close()

    def _advanced(self, share: float, stage: str, left_s: float) -> None:
        self.bar.setValue(round(100 * share))
        self.line.setText(stage + (f", about {max(1, round(left_s))} s left" if left_s >= 0 else ""))

    def _ended(self, why: str) -> None:
        self._working(False)
        out = Path(self.fields["out"].text().strip())
        if why:
            self._tidy(out)
            self.line.setText(why)
            return
        self.open_folder(out)

    def _tidy(self, out: Path) -> None:
        """A job that was ended leaves nothing."""
        for part in out.glob(".part-*"):
            if part not in self._fresh_parts:
                shutil.rmtree(part, ignore_errors=True)
        if not self._existed and out.is_dir() and not any(out.iterdir()):
            out.rmdir()

    def _working(self, working: bool) -> None:
        self.run_button.setEnabled(not working)
        self.cancel_button.setEnabled(working)
        self.bar.setVisible(working)
        self.bar.setValue(0)

    def _take(self, folder: Path) -> bool:
        """A folder as `simulate ivus` writes it, or one with files of these names."""
        names = {"cta": ("cta.nii.gz", "cta"), "centerline": ("centerline.csv", "centerline.vtp", "centerline.vtk"),
                 "pullback": ("pullback", "pullback.dcm"), "contours": ("contours",)}  # fmt: skip
        found = {
            key: next((folder / n for n in options if (folder / n).exists()), None) for key, options in names.items()
        }
        if found["cta"] is None or found["centerline"] is None:
            return False
        if found["pullback"] is not None:
            found["contours"] = None
        for key, path in found.items():
            self.fields[key].setText(str(path) if path is not None else "")
        self.fields["out"].setText(str(folder / "result"))
        return True

    def _choose_result(self) -> None:
        if folder := QFileDialog.getExistingDirectory(self, "Result or case folder"):
            self.open_folder(Path(folder))

    def _browse(self, name: str) -> None:
        if name in ("contours", "out"):
            chosen = QFileDialog.getExistingDirectory(self, "Folder")
        else:
            chosen, _ = QFileDialog.getOpenFileName(self, "File (type a folder's path for DICOM folders)")
        if chosen:
            self.fields[name].setText(chosen)

    def dragEnterEvent(self, a0: QDragEnterEvent | None) -> None:
        if a0 is not None and (data := a0.mimeData()) is not None and data.hasUrls():
            a0.acceptProposedAction()

    def dropEvent(self, a0: QDropEvent | None) -> None:
        data = a0.mimeData() if a0 is not None else None
        if data is not None and data.urls():
            self.open_folder(Path(data.urls()[0].toLocalFile()))

    def _lay_out(self) -> None:
        title = QLabel("Intravascular ultrasound laid into the coronary CT")
        title.setStyleSheet(f"font-size: 24px; color: {palette.BRIGHT_TEXT};")
        hint = QLabel("Open a result, drop a result or case folder here, or register a pullback:")
        form = QFormLayout()
        form.setSpacing(8)
        for name, words in _FIELDS:
            row = QHBoxLayout()
            row.addWidget(self.fields[name], 1)
            browse = QPushButton("\u2026")
            browse.setFixedWidth(36)
            browse.clicked.connect(lambda _checked, name=name: self._browse(name))
            row.addWidget(browse)
            form.addRow(words, row)
        form.addRow("Method", self.method)
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
