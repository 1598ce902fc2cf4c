"""A modality on loopback: it streams pictures by C-STORE, and can send hostile objects."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, XRayAngiographicImageStorage
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association

from engines.angiography.files.xa_writer import XaRecord, xa_dataset
from guidance_app.live.benches.faults.drill_engine import marked_picture
from guidance_app.live.benches.faults.scripted_source import view_at
from guidance_app.pacs.closing import CLOSED_SURELY

LOCAL, AET = "127.0.0.1", "DRILL"
_SIZE_PX = 128
_PERIOD_S = 0.07
VIEW = view_at(30.0, -10.0, _SIZE_PX)


def _cut_short(made: Dataset) -> None:
    made.PixelData = made.PixelData[: len(made.PixelData) // 3]


def _enormous(made: Dataset) -> None:
    made.Rows, made.Columns, made.NumberOfFrames = 65535, 65535, 4000


def _without_rows(made: Dataset) -> None:
    del made.Rows


def _impossible_depth(made: Dataset) -> None:
    made.BitsAllocated, made.BitsStored, made.HighBit = 64, 1, 63


HOSTILE: tuple[Callable[[Dataset], None], ...] = (_cut_short, _enormous, _without_rows, _impossible_depth)


class DicomPeer:
    """Sends from a thread of its own; `hostile` holds which of its objects, counted from 0, were such."""

    def __init__(self, port: int) -> None:
        self.hostile: dict[int, int] = {}  # object -> status it was answered with
        self._port = port
        self._count = 0
        self._next_hostile: list[Callable[[Dataset], None]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._send, name="guidance-drill-peer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def send_hostile(self, spoil: Callable[[Dataset], None]) -> None:
        """With the next object."""
        self._next_hostile.append(spoil)

    def knock(self, called: str) -> bool:
        """Whether the source admits another peer that calls itself by this title."""
        association = _associate(self._port, called)
        let_in = association.is_established
        if let_in:
            association.release()
        return let_in

    def close(self) -> None:
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _send(self) -> None:
        association = _associate(self._port, AET)
        while not self._ended.wait(_PERIOD_S) and association.is_established:
            made = _object(self._count)
            spoil = self._next_hostile.pop(0) if self._next_hostile else None
            if spoil is not None:
                spoil(made)
            status = association.send_c_store(made)
            if spoil is not None:
                self.hostile[self._count] = int(status.Status) if "Status" in status else -1
            self._count += 1
        if association.is_established:
            association.release()


def _object(mark: int) -> Dataset:
    pixels: np.ndarray = marked_picture(mark, _SIZE_PX)
    return xa_dataset(
        XaRecord(pixels=pixels[None], geometry=VIEW, frame_time_ms=70.0, uid_seed=f"drill {mark}", patient_id="drill")
    )


def _associate(port: int, called: str) -> Association:
    ae = ApplicationEntity(ae_title="MODALITY")
    ae.add_requested_context(XRayAngiographicImageStorage, ExplicitVRLittleEndian)
    return ae.associate(LOCAL, port, ae_title=called, evt_handlers=[CLOSED_SURELY])
