"""A small archive in this process, which can also misbehave; and CT slices to put into one."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

STUDY, SERIES, OTHER_SERIES = "1.2.826.0.1.3680043.9.1", "1.2.826.0.1.3680043.9.1.2", "1.2.826.0.1.3680043.9.1.3"
AET, CALLING = "ARCHIVE", "GUIDANCE"


def ct_slice(index: int, *, series: str = SERIES) -> Dataset:
    """One 16 x 16 slice; `index` places it."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = f"{series}.{index + 1}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY, series
    dataset.PatientName, dataset.PatientID = "Secret^Name", "SECRET-1"
    dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber, dataset.StudyID = "20260102", "", "", "1"
    dataset.StudyDescription = "CTA"
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "CT", 2, index + 1
    dataset.FrameOfReferenceUID = "1.2.826.0.1.3680043.9.5"
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, 2 * index], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.RescaleSlope, dataset.RescaleIntercept = [1, 1], 1, -1024
    dataset.Rows = dataset.Columns = 16
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.PixelData = np.full((16, 16), 1024 + index, np.uint16).tobytes()
    return dataset


def save(dataset: Dataset, path: Path) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path


class Archive:
    """Holds slices; a test sets what it does wrong.

    Args:
        sends: what it sends on retrieval, by default what it holds.
        fails: how many sub-operations it says failed.
    """

    def __init__(self, slices: list[Dataset], *, port: int = 0) -> None:
        self.slices, self.sends, self.fails, self.breaks_off = slices, list(slices), 0, False
        self.kept: list[Dataset] = []
        self.move_to: tuple[str, int] | None = None
        self.port = port

    def find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        level = event.identifier.QueryRetrieveLevel
        uids = sorted({one.SeriesInstanceUID for one in self.slices}) if level == "SERIES" else [STUDY]
        for uid in uids if self.slices else []:
            answer = Dataset()
            answer.QueryRetrieveLevel, answer.StudyInstanceUID = level, STUDY
            if level == "SERIES":
                wanted = event.identifier.get("SeriesInstanceUID")
                if wanted and wanted != uid:
                    continue
                answer.SeriesInstanceUID, answer.Modality, answer.SeriesNumber = uid, "CT", 2
                answer.NumberOfSeriesRelatedInstances = sum(one.SeriesInstanceUID == uid for one in self.slices)
            else:
                answer.StudyDate, answer.ModalitiesInStudy, answer.StudyDescription = "20260102", ["CT", "SR"], "CTA"
                answer.NumberOfStudyRelatedInstances = len(self.slices)
            yield 0xFF00, answer
        yield 0x0000, None

    def get(self, event: evt.Event) -> Iterator[object]:
        yield len(self.sends) + self.fails
        for dataset in self.sends:
            if self.breaks_off:
                event.assoc.abort()
                return
            yield 0xFF00, dataset
        if self.fails:
            lost = Dataset()
            lost.FailedSOPInstanceUIDList = ["1.2.3"] * self.fails
            yield 0xB000, lost

    def move(self, event: evt.Event) -> Iterator[object]:
        yield self.move_to
        yield from self.get(event)

    def store(self, event: evt.Event) -> int:
        self.kept.append(pydicom.dcmread(io.BytesIO(event.encoded_dataset())))
        return 0xA700 if self.fails else 0x0000


@contextmanager
def serving(archive: Archive) -> Iterator[Archive]:
    ae = AE(ae_title=AET)
    ae.require_called_aet, ae.require_calling_aet = True, [CALLING]
    for model in (
        Verification,
        StudyRootQueryRetrieveInformationModelFind,
        StudyRootQueryRetrieveInformationModelGet,
        StudyRootQueryRetrieveInformationModelMove,
    ):
        ae.add_supported_context(model)
    ae.add_supported_context(CTImageStorage, scu_role=True, scp_role=True)
    ae.add_requested_context(CTImageStorage)
    handlers = [
        (evt.EVT_C_FIND, archive.find),
        (evt.EVT_C_GET, archive.get),
        (evt.EVT_C_MOVE, archive.move),
        (evt.EVT_C_STORE, archive.store),
    ]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    archive.port = int(server.server_address[1])
    try:
        yield archive
    finally:
        server.shutdown()
