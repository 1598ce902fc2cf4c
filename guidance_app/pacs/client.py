"""What we ask of an archive: whether it is there, what it holds, and to keep our exports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pynetdicom.presentation import PresentationContext, build_context

from calibration.dicom_values import DAMAGED, stored_text
from calibration.errors import InputError
from guidance_app.pacs.address import PacsAddress, require_uid
from guidance_app.pacs.association import PacsLimits, associated, failed, require_context, status_of

Report = Callable[[str], None]
_VERIFICATION = "1.2.840.10008.1.1"
_STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
_SUCCESS, _PENDING = 0x0000, (0xFF00, 0xFF01)
_MAX_CONTEXTS = 128  # PS3.8 9.3.2: odd identifiers of one byte


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyQuery:
    """What to look for; "" matches everything, dates are YYYYMMDD or YYYYMMDD-YYYYMMDD."""

    patient_id: str = ""
    study_date: str = ""
    modality: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundStudy:
    """A study; nothing that names the patient is asked for."""

    study_uid: str
    date: str
    modalities: str
    description: str
    instances: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSeries:
    """A series; `instances` is None where the archive does not count."""

    series_uid: str
    number: str
    modality: str
    description: str
    instances: int | None


def echo(address: PacsAddress, limits: PacsLimits | None = None) -> None:
    """C-ECHO. Raises PacsError where the archive is not there or refuses us."""
    limits = limits or PacsLimits()
    with associated(address, limits, [build_context(_VERIFICATION)]) as association:
        require_context(association, address, _VERIFICATION, "C-ECHO")
        status = status_of(association.send_c_echo(), address, "C-ECHO")
    if status != _SUCCESS:
        raise failed(address, "C-ECHO", status)


def find_studies(address: PacsAddress, query: StudyQuery, limits: PacsLimits | None = None) -> list[FoundStudy]:
    """C-FIND at study level, newest first. Raises PacsError."""
    keys = Dataset()
    keys.QueryRetrieveLevel = "STUDY"
    keys.PatientID = query.patient_id
    keys.StudyDate = query.study_date
    keys.ModalitiesInStudy = query.modality
    keys.StudyInstanceUID = keys.StudyDescription = ""
    keys.NumberOfStudyRelatedInstances = None
    found = [
        FoundStudy(
            study_uid=uid,
            date=stored_text(answer, "StudyDate"),
            modalities=stored_text(answer, "ModalitiesInStudy").replace("\\", ", "),
            description=stored_text(answer, "StudyDescription"),
            instances=_count(answer, "NumberOfStudyRelatedInstances"),
        )
        for answer in _find(address, keys, limits or PacsLimits())
        if (uid := stored_text(answer, "StudyInstanceUID"))
    ]
    return sorted(found, key=lambda study: study.date, reverse=True)


def find_series(
    address: PacsAddress, study_uid: str, series_uid: str = "", limits: PacsLimits | None = None
) -> list[FoundSeries]:
    """C-FIND of a study's series, or of one of them. Raises PacsError, or InputError for what is no UID."""
    keys = Dataset()
    keys.QueryRetrieveLevel = "SERIES"
    keys.StudyInstanceUID = require_uid("--study", study_uid)
    keys.SeriesInstanceUID = require_uid("--series", series_uid) if series_uid else ""
    keys.Modality = keys.SeriesDescription = ""
    keys.SeriesNumber = keys.NumberOfSeriesRelatedInstances = None
    return [
        FoundSeries(
            series_uid=uid,
            number=stored_text(answer, "SeriesNumber"),
            modality=stored_text(answer, "Modality"),
            description=stored_text(answer, "SeriesDescription"),
            instances=_count(answer, "NumberOfSeriesRelatedInstances"),
        )
        for answer in _find(address, keys, limits or PacsLimits())
        if (uid := stored_text(answer, "SeriesInstanceUID"))
    ]


def store(
    address: PacsAddress, files: Sequence[Path], *, report: Report = lambda _: None, limits: PacsLimits | None = None
) -> int:
    """C-STORE of files, all read before the first is sent; the number sent.

    Raises:
        InputError: a file is no DICOM object.
        PacsError: the archive is not there or did not keep them all; the text says how many it did.
    """
    limits = limits or PacsLimits()
    kinds: dict[tuple[str, str], PresentationContext] = {}
    for file in files:
        kinds.setdefault(_kind(file), build_context(*_kind(file)))
    if not kinds:
        raise InputError("nothing to store; give DICOM files")
    if len(kinds) > _MAX_CONTEXTS:
        raise InputError(f"{len(kinds)} kinds of objects, at most {_MAX_CONTEXTS} can be sent at once; send fewer")
    sent = 0
    with associated(address, limits, list(kinds.values())) as association:
        accepted = {(context.abstract_syntax, context.transfer_syntax[0]) for context in association.accepted_contexts}
        for file in files:
            if _kind(file) not in accepted:
                raise InputError(f"{file}: the archive does not take this kind of object; {sent} were stored before it")
            report(f"storing {file.name}")
            status = status_of(association.send_c_store(str(file)), address, f"C-STORE of {file.name}")
            # 0xBxxx are warnings: kept, with something coerced (PS3.4 B.2.3).
            if status != _SUCCESS and status & 0xF000 != 0xB000:
                raise failed(address, f"C-STORE of {file.name} (after {sent} that were stored)", status)
            sent += 1
    return sent


def _find(address: PacsAddress, keys: Dataset, limits: PacsLimits) -> list[Dataset]:
    answers: list[Dataset] = []
    with associated(address, limits, [build_context(_STUDY_ROOT_FIND)]) as association:
        require_context(association, address, _STUDY_ROOT_FIND, "queries (Study Root C-FIND)")
        for answer, identifier in association.send_c_find(keys, _STUDY_ROOT_FIND):
            status = status_of(answer, address, "C-FIND")
            if status == _SUCCESS:
                return answers
            if status not in _PENDING:
                raise failed(address, "C-FIND", status)
            if identifier is not None:
                answers.append(identifier)
            if len(answers) > limits.max_answers:
                raise InputError(f"{address}: more than {limits.max_answers} answers; narrow the query")
    raise failed(address, "C-FIND", 0xC000)


def _kind(file: Path) -> tuple[str, str]:
    """(SOP class, transfer syntax)."""
    try:
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["SOPClassUID", "SOPInstanceUID"])
        if not header.get("SOPInstanceUID"):
            raise InvalidDicomError("no SOP Instance UID")
        return str(header.SOPClassUID), str(header.file_meta.TransferSyntaxUID)
    except DAMAGED as error:
        raise InputError(f"{file}: is no DICOM object that can be stored; give files that `export` wrote") from error


def _count(answer: Dataset, keyword: str) -> int | None:
    text = stored_text(answer, keyword)
    return int(text) if text.isascii() and text.isdigit() else None
