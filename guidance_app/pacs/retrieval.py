"""Fetch one series into a folder: all of it, or an error and nothing left."""

from __future__ import annotations

import io
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import (
    JPEG2000,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from pynetdicom import evt
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext, build_context, build_role

from calibration.dicom_values import DAMAGED, stored_text
from calibration.errors import InputError
from guidance_app.pacs.address import PacsAddress, require_uid
from guidance_app.pacs.association import (
    PacsError,
    PacsLimits,
    application_entity,
    associated,
    failed,
    require_context,
    status_of,
)
from guidance_app.pacs.client import Report, find_series

_STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
_STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
_STORAGE = (
    "1.2.840.10008.5.1.4.1.1.2",  # CT
    "1.2.840.10008.5.1.4.1.1.2.1",  # Enhanced CT
    "1.2.840.10008.5.1.4.1.1.12.1",  # XA
    "1.2.840.10008.5.1.4.1.1.12.1.1",  # Enhanced XA
    "1.2.840.10008.5.1.4.1.1.4",  # MR
    "1.2.840.10008.5.1.4.1.1.4.1",  # Enhanced MR
    "1.2.840.10008.5.1.4.1.1.3.1",  # ultrasound multi-frame (IVUS)
    "1.2.840.10008.5.1.4.1.1.66.4",  # segmentation
)
# Deflated is left out: its size says nothing about what it unpacks to.
_PLAIN = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
_COMPRESSED = (JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, RLELossless, JPEG2000, JPEGBaseline8Bit)
_SUCCESS, _PENDING, _REFUSED, _OUT_OF_RESOURCES, _NOT_OURS = 0x0000, (0xFF00, 0xFF01), 0xC000, 0xA700, 0xA900
_REPORT_EVERY = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedSeries:
    folder: Path
    instances: int
    total_bytes: int


def fetch_series(
    address: PacsAddress,
    study_uid: str,
    series_uid: str,
    out: Path,
    *,
    report: Report = lambda _: None,
    limits: PacsLimits | None = None,
) -> FetchedSeries:
    """Fetch a series with C-GET, or C-MOVE to a listener of our own, into a new folder of numbered files.

    Raises:
        InputError: `out` is in use, or an identifier is no UID.
        PacsError: the archive does not hold the series, sent less than it holds, sent something else, or more than the
            limits allow. Nothing is left then.
    """
    limits = limits or PacsLimits()
    require_uid("--study", study_uid)
    require_uid("--series", series_uid)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: exists and is not an empty folder; choose another name or remove it")
    held = [found for found in find_series(address, study_uid, series_uid, limits) if found.series_uid == series_uid]
    if not held:
        raise PacsError(f"{address}: holds no such series of this study; look with `pacs find`")
    expected = held[0].instances
    report(f"fetching {expected if expected is not None else 'the'} pictures of the series")
    with _folder_beside(out) as beside:
        inbox = _Inbox(folder=beside, series_uid=series_uid, limits=limits, report=report)
        keys = Dataset()
        keys.QueryRetrieveLevel = "SERIES"
        keys.StudyInstanceUID, keys.SeriesInstanceUID = study_uid, series_uid
        completed = (_move if address.retrieve == "move" else _get)(address, keys, limits, inbox)
        inbox.require_whole(address, expected, completed)
        beside.chmod(0o755)
        if out.exists():
            out.rmdir()
        beside.rename(out)
    return FetchedSeries(folder=out, instances=len(inbox.instances), total_bytes=inbox.total_bytes)


class _Inbox:
    """Takes C-STORE requests into numbered files; the first reason to refuse one is kept."""

    def __init__(self, *, folder: Path, series_uid: str, limits: PacsLimits, report: Report) -> None:
        self.folder, self.series_uid, self.limits, self.report = folder, series_uid, limits, report
        self.instances: set[str] = set()
        self.total_bytes = 0
        self.problem = ""
        self._lock = threading.Lock()

    def stored(self, event: Event) -> int:
        """Answers a C-STORE with its status; runs in pynetdicom's thread, so that nothing may be raised."""
        try:
            with self._lock:
                return self._take(event)
        except OSError as error:
            return self._refuse(f"writing failed ({error.strerror or error})", _OUT_OF_RESOURCES)
        except DAMAGED as error:
            return self._refuse(f"a damaged object was sent ({type(error).__name__})", _REFUSED)

    def _take(self, event: Event) -> int:
        content: bytes = event.encoded_dataset()
        if len(content) > self.limits.max_object_bytes:
            return self._refuse(f"an object of {len(content) >> 20} MiB was sent", _OUT_OF_RESOURCES)
        if self.total_bytes + len(content) > self.limits.max_total_bytes:
            return self._refuse(f"more than {self.limits.max_total_bytes >> 20} MiB were sent", _OUT_OF_RESOURCES)
        if len(self.instances) >= self.limits.max_instances:
            return self._refuse(f"more than {self.limits.max_instances} objects were sent", _OUT_OF_RESOURCES)
        header = pydicom.dcmread(
            io.BytesIO(content), stop_before_pixels=True, specific_tags=["SeriesInstanceUID", "SOPInstanceUID"]
        )
        if stored_text(header, "SeriesInstanceUID") != self.series_uid:
            return self._refuse("an object of another series was sent", _NOT_OURS)
        instance = stored_text(header, "SOPInstanceUID")
        if instance in self.instances:
            return _SUCCESS
        # Numbered by arrival: a name made from a UID could point out of the folder.
        (self.folder / f"{len(self.instances) + 1:06d}.dcm").write_bytes(content)
        self.instances.add(instance)
        self.total_bytes += len(content)
        if len(self.instances) % _REPORT_EVERY == 0:
            self.report(f"{len(self.instances)} pictures, {self.total_bytes / 2**20:.0f} MiB")
        return _SUCCESS

    def _refuse(self, problem: str, status: int) -> int:
        self.problem = self.problem or problem
        return status

    def require_whole(self, address: PacsAddress, expected: int | None, completed: int | None) -> None:
        """Raises PacsError unless everything that the archive holds and says it sent is here."""
        received = len(self.instances)
        if self.problem:
            raise PacsError(f"{address}: {self.problem}; nothing was kept")
        if not received:
            raise PacsError(f"{address}: sent no picture of the series; check that it may send to {address.calling}")
        for count, what in ((expected, "holds"), (completed, "says it sent")):
            if count is not None and received < count:
                raise PacsError(
                    f"{address}: {received} pictures came, the archive {what} {count}; nothing was kept, try again"
                )


def _get(address: PacsAddress, keys: Dataset, limits: PacsLimits, inbox: _Inbox) -> int | None:
    roles = [build_role(uid, scp_role=True) for uid in _STORAGE]
    contexts = [build_context(_STUDY_ROOT_GET), *_storage_contexts()]
    handlers = [(evt.EVT_C_STORE, inbox.stored)]
    with associated(address, limits, contexts, roles=roles, handlers=handlers) as association:
        require_context(
            association, address, _STUDY_ROOT_GET, "C-GET (retrieve=move&listen=HOST:PORT may work instead)"
        )
        return _completed(association.send_c_get(keys, _STUDY_ROOT_GET), address, "C-GET", inbox)


def _move(address: PacsAddress, keys: Dataset, limits: PacsLimits, inbox: _Inbox) -> int | None:
    assert address.listen is not None  # parse_address saw to it
    ae = application_entity(address, limits)
    ae.require_called_aet = True
    ae.require_calling_aet = [address.aet]  # nobody but this archive may send
    try:
        server = ae.start_server(
            (address.listen.host, address.listen.port),
            block=False,
            contexts=[build_context(uid, [*_PLAIN, *_COMPRESSED]) for uid in _STORAGE],
            evt_handlers=[(evt.EVT_C_STORE, inbox.stored)],
        )
    except OSError as error:
        raise PacsError(
            f"listen={address.listen.host}:{address.listen.port}: cannot listen there ({error.strerror}); choose "
            "another address that the archive knows us by"
        ) from error
    assert server is not None
    try:
        with associated(address, limits, [build_context(_STUDY_ROOT_MOVE)]) as association:
            require_context(association, address, _STUDY_ROOT_MOVE, "C-MOVE")
            return _completed(
                association.send_c_move(keys, address.calling, _STUDY_ROOT_MOVE), address, "C-MOVE", inbox
            )
    finally:
        server.shutdown()


def _completed(answers: Iterator[tuple[Dataset, Any]], address: PacsAddress, what: str, inbox: _Inbox) -> int | None:
    """Number of pictures that the archive says it sent."""
    for answer, _ in answers:
        if inbox.problem:
            raise PacsError(f"{address}: {inbox.problem}; nothing was kept")
        status = status_of(answer, address, what)
        if status in _PENDING:
            continue
        lost = answer.get("NumberOfFailedSuboperations") or 0
        if lost:
            raise PacsError(f"{address}: {lost} pictures could not be sent; nothing was kept, see the archive's log")
        if status != _SUCCESS:
            raise failed(address, what, status)
        completed = answer.get("NumberOfCompletedSuboperations")
        return None if completed is None else int(completed)
    raise PacsError(f"{address}: {what} ended without an answer; nothing was kept, try again")


def _storage_contexts() -> list[PresentationContext]:
    """One context for plain pixels and one for each compression, so that the archive need not convert anything."""
    contexts = []
    for uid in _STORAGE:
        contexts.append(build_context(uid, [*_PLAIN]))
        contexts += [build_context(uid, syntax) for syntax in _COMPRESSED]
    return contexts


@contextmanager
def _folder_beside(out: Path) -> Iterator[Path]:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=out.parent, prefix=".part-"))
    except OSError as error:
        raise InputError(f"{out}: cannot write here ({error.strerror}); choose another folder") from error
    try:
        yield beside
    except OSError as error:
        raise InputError(f"{out}: writing failed ({error.strerror or error}); free space or choose another") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
