"""Series from a hospital's archive (PACS): search, choose, fetch; what was fetched is looked through as any folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from calibration.errors import GuidanceError, InputError
from guidance_app.pacs.address import parse_address
from guidance_app.pacs.client import FoundSeries, FoundStudy, StudyQuery, find_series, find_studies
from guidance_app.panels.background import Background
from guidance_app.panels.jobs.work import TellProgress
from guidance_app.rooms.case.importing.progress_line import ProgressLine
from guidance_app.rooms.case.importing.sources_page import primary_button
from guidance_app.views import palette
from guidance_app.views.language import tr

Answer = TypeVar("Answer")
_FORM = "HOST:PORT?aet=ARCHIVE"


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedSeries:
    """What the person chose: an archive's address as it was typed, a study, and some of its series."""

    address: str
    study_uid: str
    series_uids: tuple[str, ...]


def fetch_wanted(folder: Path, tell: TellProgress, *, wanted: WantedSeries) -> None:
    """Work of a job: each series into a folder of its own, all or none."""
    from guidance_app.pacs.retrieval import fetch_series

    address = parse_address(wanted.address)
    for number, uid in enumerate(wanted.series_uids):

        def report(text: str, number: int = number) -> None:
            tell(text, number / len(wanted.series_uids))

        report(tr("fetching series {n} of {all}").format(n=number + 1, all=len(wanted.series_uids)))
        fetch_series(address, wanted.study_uid, uid, folder / f"series-{number + 1}", report=report)


class ArchivePage(QWidget):
    """Asks the archive off Qt's thread. Signals: `wanted` carries `WantedSeries`, `cancelled` ends the fetching."""

    wanted = pyqtSignal(object)
    cancelled = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self._background = Background(self)
        self.address, self.patient, self.date = QLineEdit(), QLineEdit(), QLineEdit()
        for line, hint, name in (
            (self.address, _FORM, tr("Archive")),
            (self.patient, tr("any; * and ? stand for letters"), tr("Patient ID")),
            (self.date, tr("20260131 or 20260101-20260131"), tr("Study date")),
        ):
            line.setPlaceholderText(hint)
            line.setAccessibleName(name)
            line.returnPressed.connect(self.find_studies)
        self.find_button = QPushButton(tr("Find studies"))
        self.find_button.setMinimumHeight(44)
        self.find_button.clicked.connect(self.find_studies)
        self.studies, self.series = QListWidget(), QListWidget()
        self.studies.setAccessibleName(tr("Studies"))
        self.series.setAccessibleName(tr("Series"))
        self.series.setSelectionMode(QAbstractItemView.SelectionMode.MultiSelection)
        self.studies.currentItemChanged.connect(lambda _now, _before: self._study_chosen())
        self.series.itemSelectionChanged.connect(self._show_fetchable)
        self.fetch_button = primary_button(tr("Fetch"))
        self.fetch_button.clicked.connect(self.fetch)
        self.fetch_button.setEnabled(False)
        self.line = QLabel()
        self.line.setWordWrap(True)
        self.line.setTextFormat(Qt.TextFormat.PlainText)
        self.progress = ProgressLine()
        self.progress.cancelled.connect(self.cancelled)
        self._lay_out()

    def find_studies(self) -> None:
        """Ask for the studies that fit."""
        try:
            address = parse_address(self.address.text().strip())
        except InputError as error:
            self.say(str(error))
            return
        query = StudyQuery(patient_id=self.patient.text().strip(), study_date=self.date.text().strip())
        self._ask(partial(find_studies, address, query), self._show_studies)

    def fetch(self) -> None:
        """Ask for the series that are chosen."""
        study = self._study()
        chosen = tuple(str(item.data(Qt.ItemDataRole.UserRole)) for item in self.series.selectedItems())
        if study and chosen:
            self.wanted.emit(
                WantedSeries(address=self.address.text().strip(), study_uid=study, series_uids=chosen)
            )  # fmt: skip

    def say(self, problem: str, *, calm: bool = False) -> None:
        """One line; "" takes it away."""
        self.line.setStyleSheet(f"color: {palette.TEXT if calm else palette.ALARM};")
        self.line.setText(problem)

    def show_job(self, running: bool) -> None:
        """While series are fetched their progress stands where the button is."""
        self._footer.setCurrentIndex(int(running))
        self._asking.setEnabled(not running)

    def close_page(self) -> None:
        """Twice is harmless."""
        self._background.close()

    def _study(self) -> str:
        item = self.studies.currentItem()
        return "" if item is None else str(item.data(Qt.ItemDataRole.UserRole))

    def _study_chosen(self) -> None:
        if study := self._study():
            address = parse_address(self.address.text().strip())
            self._ask(partial(find_series, address, study), self._show_series)

    def _ask(self, question: Callable[[], Answer], then: Callable[[Answer], None]) -> None:
        self.say(tr("asking the archive \u2026"), calm=True)
        self._background.run(question, then, failed=self._failed)

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, GuidanceError):
            raise error
        self.say(str(error))

    def _show_studies(self, found: list[FoundStudy]) -> None:
        self.studies.clear()
        self.series.clear()
        for study in found:
            count = "" if study.instances is None else tr("{n} pictures").format(n=study.instances)
            _add(self.studies, study.study_uid, study.date, study.modalities, study.description, count)
        self.say(tr("{n} studies").format(n=len(found)), calm=True)

    def _show_series(self, found: list[FoundSeries]) -> None:
        self.series.clear()
        for series in found:
            count = "" if series.instances is None else tr("{n} pictures").format(n=series.instances)
            _add(self.series, series.series_uid, series.modality, series.number, series.description, count)
        self.say(tr("Choose the CT series and the runs, then fetch them"), calm=True)

    def _show_fetchable(self) -> None:
        self.fetch_button.setEnabled(bool(self.series.selectedItems()))

    def _lay_out(self) -> None:
        self._asking = QWidget()
        column = QVBoxLayout(self._asking)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        row = QHBoxLayout()
        row.setSpacing(8)
        for line, share in ((self.address, 4), (self.patient, 2), (self.date, 2)):
            row.addWidget(line, share)
        row.addWidget(self.find_button)
        lists = QHBoxLayout()
        lists.setSpacing(12)
        for words, own in ((tr("STUDIES"), self.studies), (tr("SERIES"), self.series)):
            part = QVBoxLayout()
            heading = QLabel(words)
            heading.setObjectName("heading")
            part.addWidget(heading)
            part.addWidget(own, 1)
            lists.addLayout(part, 1)
        column.addLayout(row)
        column.addLayout(lists, 1)
        bottom = QWidget()
        below = QHBoxLayout(bottom)
        below.setContentsMargins(0, 0, 0, 0)
        below.addWidget(self.line, 1)
        below.addWidget(self.fetch_button)
        self._footer = QStackedWidget()
        self._footer.addWidget(bottom)
        self._footer.addWidget(self.progress)
        self._footer.setFixedHeight(56)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._asking, 1)
        layout.addWidget(self._footer)


def _add(found: QListWidget, uid: str, *words: str) -> None:
    item = QListWidgetItem("   ".join(word for word in words if word) or uid)
    item.setData(Qt.ItemDataRole.UserRole, uid)
    found.addItem(item)
