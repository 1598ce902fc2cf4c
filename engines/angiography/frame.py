"""One picture of a run, with its acquisition geometry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import UInt8, UInt16

from calibration.carm import CArmGeometry
from engines.angiography.native_picture import NativePicture
from engines.angiography.patient_mark import PatientMark

FrameKind = Literal["fluoro", "dsa"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """A picture as it arrived; it never changes afterwards.

    Args:
        pixels: (rows, columns) stored values, uint8 or uint16; vessels are dark unless `vessels_bright`.
        bits_stored: number of bits that hold the picture.
        kind: `dsa` if the picture is digitally subtracted.
        received_ns: monotonic clock (`time.monotonic_ns`) at arrival; 0 for a picture read from a file.
        decode_ms: duration of its decoding.
        acquired: DICOM date and time text of the acquisition, if known.
        geometry: None where the header does not state it; `geometry_reason` says what is missing.
        source_id: file name or stream name; no patient text.
        sop_instance_uid: UID of the DICOM object that holds the frame, "" if there is none.
        source_frame: index of the frame in that object, from 0.
        index: running number in order of arrival in this run, from 0.
        frame_time_ms: nominal time to the next frame, None if unknown.
        patient_position: Patient Position as DICOM states it (HFS, FFP ...), "" if unknown.
        patient: whose picture it is, as far as the header says; None where it says nothing.
        linear_intensity: the header says that values are proportional to the transmitted beam; False for logarithms,
            for pictures made for display, and if the header does not say.
        log_intensity: the values are logarithms of the transmitted beam: the header says so, or this program has
            subtracted them.
        native: of a frame that this program has subtracted, the picture before; None where only the subtracted one is
            known, and for a frame that is native itself.
    """

    pixels: UInt8[np.ndarray, "rows columns"] | UInt16[np.ndarray, "rows columns"]
    kind: FrameKind
    bits_stored: int = 8
    received_ns: int = 0
    decode_ms: float = 0.0
    acquired: str | None = None
    geometry: CArmGeometry | None = None
    geometry_reason: str = ""
    source_id: str = ""
    sop_instance_uid: str = ""
    source_frame: int = 0
    index: int = 0
    frame_time_ms: float | None = None
    window_center: float | None = None
    window_width: float | None = None
    vessels_bright: bool = False
    linear_intensity: bool = False
    log_intensity: bool = False
    patient_position: str = ""
    patient: PatientMark | None = None
    native: NativePicture | None = None

    @property
    def shape_px(self) -> tuple[int, int]:
        return self.pixels.shape[0], self.pixels.shape[1]
