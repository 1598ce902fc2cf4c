"""Look through folders and files as a hospital hands them out, and tell what a case can be made of."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset

from calibration.dicom_values import DAMAGED, stored_text
from calibration.errors import InputError
from calibration.store import write_bytes
from engines.anatomy.files.ct import hu_doubt
from engines.anatomy.files.ct_series.ct_slice import CtSlice, slices_of_file
from engines.anatomy.files.nifti import is_nifti, read_nifti
from engines.anatomy.files.segmentations.dicom_segmentation import is_dicom_segmentation
from engines.anatomy.files.segmentations.nrrd import is_nrrd
from engines.anatomy.intake import models
from engines.anatomy.intake.found import SURVEY_FILE, FoundModel, FoundRun, FoundScan, PassedOver, Survey
from engines.anatomy.intake.runs import run_of
from engines.anatomy.intake.scans import SeriesFiles, other_scan, scan_of_volume, scans_of_series
from engines.angiography.files.dicom_encoding import is_dicom, read_header
from engines.angiography.patient_mark import PatientMark, mark_of

MOST_FILES = 20_000
Tell = Callable[[str, float], None]
_SORTED_SHARE = 0.5  # of the whole survey; then the pictures are made
_VIDEO_SUFFIXES = (".mp4", ".mkv", ".avi")
_RUN_MODALITIES = ("XA", "RF")
_KEYS = ("Modality", "SeriesInstanceUID", "PatientID", "PatientBirthDate")


def survey(places: Sequence[Path], out: Path, tell: Tell) -> Survey:
    """Find scans, models and runs in folders (searched with their subfolders) and files.

    A file that cannot be read never stops the search.

    Args:
        out: existing folder for the pictures and `survey.json`.
        tell: is told the stage and the share that is done.

    Raises:
        InputError: a place is not there or cannot be listed, or pictures cannot be written.
    """
    files, complete = _files_in(places)
    sorted_files = _Sorted()
    for number, file in enumerate(files):
        if number % 25 == 0:
            tell(f"looking at file {number + 1} of {len(files)}", _SORTED_SHARE * number / max(len(files), 1))
        sorted_files.put(file)
    steps = _Steps(tell=tell, total=len(sorted_files.series) + len(sorted_files.volumes) + len(sorted_files.runs))
    scans = list(_scans(sorted_files, out, steps))
    volumes, labelled = _volumes(sorted_files, out, steps)
    found = Survey(
        scans=(*scans, *volumes, *_others(sorted_files)),
        models=tuple(labelled + list(_models(sorted_files))),
        runs=tuple(_runs(sorted_files, out, steps)),
        passed_over=tuple(
            PassedOver(words=words, files=count, example=sorted_files.examples[words])
            for words, count in sorted_files.passed.most_common()
        ),
        files=len(files),
        complete=complete,
    )
    write_bytes(out / SURVEY_FILE, found.model_dump_json(by_alias=True).encode())
    return found


def _files_in(places: Sequence[Path]) -> tuple[list[Path], bool]:
    found: dict[Path, None] = {}
    for place in places:
        if not place.exists():
            raise InputError(f"{place}: is not there; choose a folder or files again")
        if place.is_file():
            found[place] = None
            continue
        try:
            list(place.iterdir())  # os.walk would pass over one that may not be read
        except OSError as error:
            raise InputError(
                f"{place}: cannot be listed ({error.strerror}); copy it to where you may read it"
            ) from error
        for folder, below, names in os.walk(place):
            below.sort()
            below[:] = [name for name in below if not name.startswith(".")]
            for name in sorted(names):
                if not name.startswith(".") and name.upper() != "DICOMDIR":
                    found[Path(folder) / name] = None
                if len(found) >= MOST_FILES:
                    return list(found), False
    return list(found), True


@dataclass(slots=True, kw_only=True)
class _Sorted:
    """Files by what they are."""

    series: dict[str, SeriesFiles] = field(default_factory=dict)
    others: dict[str, list[Path]] = field(default_factory=dict)
    runs: list[Path] = field(default_factory=list)
    volumes: list[Path] = field(default_factory=list)
    objects: list[Path] = field(default_factory=list)  # segmentations in DICOM and NRRD
    meshes: list[Path] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    passed: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    _patients: list[PatientMark] = field(default_factory=list)
    _letters: dict[Path, str] = field(default_factory=dict)

    def put(self, file: Path) -> None:
        name = file.name.lower()
        if not os.access(file, os.R_OK):
            self.pass_over("no permission to read", file)
        elif file.stat().st_size == 0:
            self.pass_over("empty files", file)
        elif is_nifti(file):
            self.volumes.append(file)
        elif is_nrrd(file):
            self.objects.append(file)
        elif models.is_mesh(file):
            self.meshes.append(file)
        elif models.may_be_lines(file) or name.endswith(".json"):
            self.tables.append(file)
        elif name.endswith(_VIDEO_SUFFIXES):
            self.runs.append(file)
        elif is_dicom(file):
            self._put_dicom(file)
        else:
            self.pass_over("no pictures, models or runs", file)

    def pass_over(self, words: str, file: Path) -> None:
        self.passed[words] += 1
        self.examples.setdefault(words, file.name)

    def letter(self, mark: PatientMark | None) -> str:
        """The letter "A" for the first patient that is met."""
        if mark is None:
            return ""
        if mark not in self._patients:
            self._patients.append(mark)
        return chr(ord("A") + min(self._patients.index(mark), 25))

    def letter_of_file(self, file: Path) -> str:
        return self._letters.get(file, "")

    def letter_of_slice(self, part: CtSlice) -> str:
        return self.letter(part.patient)

    def _put_dicom(self, file: Path) -> None:
        try:
            slices = slices_of_file(file)
        except InputError as error:
            self._put_damaged(file, str(error))
            return
        if slices:
            self.letter_of_slice(slices[0])
            self.series.setdefault(slices[0].series, SeriesFiles()).slices.extend(slices)
            return
        header = _short_header(file)
        modality = stored_text(header, "Modality")
        self._letters[file] = self.letter(
            mark_of(stored_text(header, "PatientID"), stored_text(header, "PatientBirthDate"))
        )
        if modality in _RUN_MODALITIES:
            self.runs.append(file)
        elif modality == "SEG" and is_dicom_segmentation(file):
            self.objects.append(file)
        elif modality in ("", "CT", "SR", "PR", "KO", "OT", "SC", "DOC"):
            self.pass_over("DICOM without slices or frames (scouts, reports, screenshots)", file)
        else:
            self.others.setdefault(stored_text(header, "SeriesInstanceUID") or str(file.parent), []).append(file)

    def _put_damaged(self, file: Path, reason: str) -> None:
        series = self.series.get(stored_text(_short_header(file), "SeriesInstanceUID"))
        if series is None:
            self.pass_over("damaged DICOM", file)
        else:
            series.damaged.append(reason.removeprefix(f"{file}: "))


@dataclass(slots=True, kw_only=True)
class _Steps:
    """Tells of the second half."""

    tell: Tell
    total: int
    done: int = 0

    def next(self, words: str) -> None:
        self.tell(words, _SORTED_SHARE + (1.0 - _SORTED_SHARE) * self.done / max(self.total, 1))
        self.done += 1


def _scans(found: _Sorted, out: Path, steps: _Steps) -> Iterator[FoundScan]:
    for number, series in enumerate(found.series.values(), start=1):
        steps.next(f"looking at CT series {number} of {len(found.series)}")
        yield from scans_of_series(series, out, f"scan-{number}", found.letter_of_slice)


def _others(found: _Sorted) -> Iterator[FoundScan]:
    for files in found.others.values():
        yield other_scan(files[0], len(files), found.letter_of_file(files[0]))


def _volumes(found: _Sorted, out: Path, steps: _Steps) -> tuple[list[FoundScan], list[FoundModel]]:
    """NIfTI files: scans by themselves, labels by themselves, and folders of masks."""
    scans: list[FoundScan] = []
    labelled: dict[Path, list[Path]] = {}
    mixed: set[Path] = set()
    for number, path in enumerate(found.volumes, start=1):
        steps.next(f"looking at volume {number} of {len(found.volumes)}")
        said: list[str] = []
        try:
            voxels, lps_from_index = read_nifti(path, note=said.append)
        except InputError as error:
            scans.append(FoundScan(path=path, words=path.name, why_not=str(error).removeprefix(f"{path}: ")))
            continue
        if models.looks_labelled(voxels):
            labelled.setdefault(path.parent, []).append(path)
            continue
        mixed.add(path.parent)
        doubts = filter(None, [*(line.removeprefix(f"{path}: ") for line in said), hu_doubt(voxels)])
        scans.append(scan_of_volume(path, voxels, lps_from_index, out, f"volume-{number}.png", "; ".join(doubts)))
    chosen: list[FoundModel] = []
    for folder, files in labelled.items():
        # A scan beside the masks would be read as one of them.
        if len(files) > 1 and folder not in mixed:
            chosen.append(models.masks_of_folder(folder, files))
        else:
            chosen.extend(models.label_volume(file) for file in files)
    return scans, chosen


def _models(found: _Sorted) -> Iterator[FoundModel]:
    yield from (models.label_volume(file) if is_nrrd(file) else _segmentation(file) for file in found.objects)
    yield from (models.mesh(file) for file in found.meshes)
    for file in found.tables:
        read: FoundModel | None = models.lines(file) if models.may_be_lines(file) else models.placement(file)
        if read is None:
            found.pass_over("tables or JSON of something else", file)
        else:
            yield read


def _segmentation(file: Path) -> FoundModel:
    return FoundModel(path=file, words=f"{file.name}: DICOM segmentation", role="vessels")


def _runs(found: _Sorted, out: Path, steps: _Steps) -> Iterable[FoundRun]:
    for number, path in enumerate(found.runs, start=1):
        steps.next(f"looking at run {number} of {len(found.runs)}")
        yield run_of(path, out, f"run-{number}.png", found.letter_of_file(path))


def _short_header(file: Path) -> Dataset:
    try:
        return read_header(file, _KEYS)
    except DAMAGED:
        return Dataset()
