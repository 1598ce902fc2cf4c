"""Live sources with a peer at their other end, so that one contract can be held over all of them."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from pydicom.dataset import Dataset
from pyigtl.messages import ImageMessage
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association

from engines.angiography.files.xa_writer import XaRecord, xa_dataset
from guidance_app.pacs.closing import CLOSED_SURELY
from guidance_app.sources.capture.capture_source import CaptureSource
from guidance_app.sources.dicom.dicom_server import Admission
from guidance_app.sources.dicom.dicom_source import DicomSource
from guidance_app.sources.file_source import PacedFileSource
from guidance_app.sources.igtl.igtl_source import IgtlSource
from guidance_app.sources.live_uris import CaptureUri
from guidance_app.sources.source import FrameSource
from tests.guidance_app.live.stand_ins import FakeRun, geometry

LOCAL = "127.0.0.1"
AET = "GUIDE"
METADATA = {
    "PositionerPrimaryAngle": "30.0",
    "PositionerSecondaryAngle": "-10.0",
    "DistanceSourceToDetector": "1000",
    "DistanceSourceToPatient": "700",
    "ImagerPixelSpacing": "0.3\\0.3",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A grey picture filled with `value`."""

    value: int
    size: int = 64
    known_geometry: bool = True
    damaged: bool = False

    @property
    def pixels(self) -> np.ndarray:
        return np.full((self.size, self.size), self.value, dtype=np.uint8)


def pictures(*values: int) -> list[Picture]:
    return [Picture(value=value) for value in values]


class Rig(Protocol):
    """A source and whoever feeds it."""

    source: FrameSource

    def send(self, sent: Sequence[Picture]) -> None: ...

    def close(self) -> None: ...


class FileRig:
    """What is sent was in the file from the start."""

    def __init__(self, sent: Sequence[Picture], _folder: Path) -> None:
        run = _PictureRun(sent)
        self.source = PacedFileSource(run, fps=200)

    def send(self, sent: Sequence[Picture]) -> None: ...

    def close(self) -> None:
        self.source.close()


class _PictureRun(FakeRun):
    def __init__(self, sent: Sequence[Picture]) -> None:
        super().__init__(
            frame_count=len(sent),
            damaged=frozenset(i for i, picture in enumerate(sent) if picture.damaged),
            geometries={i: geometry(size=p.size) if p.known_geometry else None for i, p in enumerate(sent)},
        )
        self._sent = sent

    def frame(self, index: int):
        from dataclasses import replace

        return replace(super().frame(index), pixels=self._sent[index].pixels)


class CaptureRig:
    """A video without loss."""

    def __init__(self, sent: Sequence[Picture], folder: Path) -> None:
        path = folder / "capture.avi"
        write_video(path, [picture.pixels for picture in sent])
        self.source = CaptureSource(CaptureUri(device=path, fps=200))

    def send(self, sent: Sequence[Picture]) -> None: ...

    def close(self) -> None:
        self.source.close()


def write_video(path: Path, grey: Sequence[np.ndarray], fps: float = 15.0) -> None:
    import cv2

    rows, columns = grey[0].shape
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"FFV1"), fps, (columns, rows))
    assert writer.isOpened()
    for picture in grey:
        writer.write(np.repeat(picture[..., None], 3, axis=2))
    writer.release()


class DicomRig:
    """Single pictures by C-STORE, over one association."""

    def __init__(self, _sent: Sequence[Picture] = (), _folder: Path | None = None) -> None:
        self.source = DicomSource(host=LOCAL, port=0, admission=Admission(aet=AET))
        self.statuses: list[int] = []
        self._association: Association | None = None
        self._count = 0

    def send(self, sent: Sequence[Picture]) -> None:
        self._association = self._association or associate(self.source.port)
        for picture in sent:
            self._count += 1
            self.statuses.append(store(self._association, xa_object(picture, self._count)))

    def close(self) -> None:
        if self._association is not None:
            self._association.release()
        self.source.close()


def xa_object(picture: Picture, number: int, frames: int = 1) -> Dataset:
    record = XaRecord(
        pixels=np.stack([picture.pixels] * frames),
        geometry=geometry(30.0, -10.0, size=picture.size),
        frame_time_ms=20.0,
        uid_seed=f"picture {number}",
        patient_id="test",
    )
    made = xa_dataset(record)
    if not picture.known_geometry:
        del made.DistanceSourceToDetector
    if picture.damaged:
        made.PixelData = made.PixelData[: len(made.PixelData) // 2]
    return made


def associate(
    port: int, called: str = AET, calling: str = "RIG", contexts: Sequence[tuple[str, str]] = ()
) -> Association:
    ae = ApplicationEntity(ae_title=calling)
    for sop_class, syntax in contexts or [("1.2.840.10008.5.1.4.1.1.12.1", "1.2.840.10008.1.2.1")]:
        ae.add_requested_context(sop_class, syntax)
    return ae.associate(LOCAL, port, ae_title=called, evt_handlers=[CLOSED_SURELY])


def store(association: Association, made: Dataset) -> int:
    status = association.send_c_store(made)
    return int(status.Status) if "Status" in status else -1


class IgtlServerRig:
    """Our source listens."""

    def __init__(self, _sent: Sequence[Picture] = (), _folder: Path | None = None) -> None:
        self.source = IgtlSource(host=LOCAL, port=0, listen=True)
        self.peer: socket.socket | None = None

    def send(self, sent: Sequence[Picture]) -> None:
        self.peer = self.peer or socket.create_connection((LOCAL, self.source.port))
        for picture in sent:
            self.peer.sendall(image_bytes(picture))

    def hang_up(self) -> None:
        if self.peer is not None:
            self.peer.close()
            self.peer = None

    def close(self) -> None:
        self.hang_up()
        self.source.close()


class IgtlClientRig:
    """Our source connects."""

    def __init__(self, _sent: Sequence[Picture] = (), _folder: Path | None = None) -> None:
        self.listener = socket.create_server((LOCAL, 0))
        self.listener.settimeout(10.0)
        self.peer: socket.socket | None = None
        self.source = IgtlSource(host=LOCAL, port=self.listener.getsockname()[1], listen=False)

    def send(self, sent: Sequence[Picture]) -> None:
        self.peer = self.peer or self.listener.accept()[0]
        for picture in sent:
            self.peer.sendall(image_bytes(picture))

    def hang_up(self) -> None:
        if self.peer is not None:
            self.peer.close()
            self.peer = None

    def close(self) -> None:
        self.source.close()
        self.hang_up()
        self.listener.close()


def image_message(pixels: np.ndarray, metadata: dict[str, str] | None = METADATA) -> ImageMessage:
    message = ImageMessage(pixels[None] if pixels.ndim == 2 else pixels, device_name="XA")
    message.header_version = 2
    message.metadata = dict(metadata or {})
    return message


def image_bytes(picture: Picture) -> bytes:
    packed = image_message(picture.pixels, METADATA if picture.known_geometry else None).pack()
    return packed[:-1] + bytes([packed[-1] ^ 0xFF]) if picture.damaged else packed


def message_bytes(kind: str, body: bytes = b"", *, size: int | None = None, version: int = 1) -> bytes:
    """A message of any type, or one whose header lies about its size."""
    import struct

    stated = len(body) if size is None else size
    return struct.pack(">H12s20sIIQQ", version, kind.encode(), b"XA", 0, 0, stated, 0) + body


def wait_for(what, limit_s: float = 10.0) -> None:
    """Poll a count that another thread keeps."""
    import threading

    tick, end = threading.Event(), time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < end, "it never came"
        tick.wait(0.005)


RIGS = {
    "file": FileRig,
    "capture": CaptureRig,
    "dicom": DicomRig,
    "igtl server": IgtlServerRig,
    "igtl client": IgtlClientRig,
}
SENT_TO = ("dicom", "igtl server", "igtl client")
NOT_CAPTURED = ("file", *SENT_TO)
THREADED = ("capture", *SENT_TO)
