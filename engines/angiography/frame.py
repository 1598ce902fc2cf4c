"""One picture of a run, with the geometry it was taken at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import UInt8, UInt16

from calibration.carm import CArmGeometry

FrameKind = Literal["fluoro", "dsa"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """A picture as it arrived; never changed afterwards.

    Args:
        pixels: (rows, columns) stored values, uint8 or uint16, vessel dark unless `vessels_bright`.
        bits_stored: how many of the bits carry the picture.
        kind: `dsa` for a digitally subtracted picture.
        received_ns: monotonic clock (`time.monotonic_ns`) at arrival; 0 for a picture read at leisure.
        decode_ms: time its decoding took.
        acquired: DICOM date and time text of the acquisition, if known.
        geometry: None where the header does not state it; `geometry_reason` says what is missing.
        source_id: file name or stream name; no patient text.
        sop_instance_uid: of the object the frame came from, "" if it has none.
        source_frame: index of the frame in that object, from 0.
        index: running number of arrival in this run, from 0.
        frame_time_ms: nominal time to the next frame, None if unknown.
        linear_intensity: the header says that values are proportional to the beam that came through; False for
            logarithms, for pictures made for display, and where nothing is said.
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

    @property
    def shape_px(self) -> tuple[int, int]:
        return self.pixels.shape[0], self.pixels.shape[1]
