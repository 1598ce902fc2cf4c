"""A recording as a run: the frames as they came, one by one, at the times at which they came."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calibration.carm import CArmGeometry
from calibration.errors import InputError, MissingGeometryError
from engines.angiography.frame import Frame, FrameKind
from engines.angiography.run import FrameDecodeError, MaskOperation, check_index
from guidance_app.sources.recording.recording_file import RecordingReader
from guidance_app.sources.recording.recording_messages import (
    FRAMES,
    MAX_HEADER_BYTES,
    FrameHeader,
    decode_frame,
    decode_header,
)


class RecordedDamage(FrameDecodeError):
    """A frame that cannot be shown, told as when it was recorded."""

    def __init__(self, text: str, *, source_frame: int, sop_instance_uid: str) -> None:
        super().__init__(text)
        self.source_frame = source_frame
        self.sop_instance_uid = sop_instance_uid


class RecordedRun:
    """A `Run` of everything that arrived; frames are counted as they arrived, whatever their number in the source.

    Raises:
        InputError: no recording of this program, or one without a frame.
    """

    mask: tuple[MaskOperation, ...] = ()  # what was recorded is what was shown, subtracted already
    log_intensity = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.source_id = path.name
        self.reader = RecordingReader(path)
        self.frame_count = self.reader.count(FRAMES)
        if not self.frame_count:
            self.reader.close()
            raise InputError(f"{path.name}: holds no frames; the recording ended before the first one")
        self._times_ns = self.reader.times_ns(FRAMES)
        first = self._first()
        self.sop_instance_uid = first.sop_instance_uid
        self.kind: FrameKind = first.kind
        self.frame_time_ms = first.frame_time_ms or self._usual_gap_ms()

    def close(self) -> None:
        self.reader.close()

    def gap_ns(self, index: int) -> int:
        """Time from this arrival to the next one; after the last one the usual time."""
        if index + 1 < self.frame_count:
            return max(0, int(self._times_ns[index + 1] - self._times_ns[index]))
        return round((self.frame_time_ms or 0.0) * 1e6)

    def header(self, index: int) -> FrameHeader:
        """Everything of a frame but its pixels. Raises FrameDecodeError where it is damaged."""
        check_index(self.source_id, index, self.frame_count)
        header, _ = decode_header(self.reader.frame(index, at_most=MAX_HEADER_BYTES + 4), self._where(index))
        return header

    def frame(self, index: int) -> Frame:
        check_index(self.source_id, index, self.frame_count)
        data = self.reader.frame(index)
        try:
            return decode_frame(data, self._where(index))
        except FrameDecodeError as error:
            header, _ = decode_header(data, self._where(index))
            raise RecordedDamage(
                str(error), source_frame=header.source_frame, sop_instance_uid=header.sop_instance_uid
            ) from error

    def place_of(self, sop_instance_uid: str, source_frame: int) -> int | None:
        """Where in the recording this frame of this object first came; None if it did not."""
        for index in range(self.frame_count):
            try:
                header = self.header(index)
            except FrameDecodeError:
                continue
            if header.source_frame == source_frame and header.sop_instance_uid == sop_instance_uid:
                return index
        return None

    def geometry(self, index: int) -> CArmGeometry:
        header = self.header(index)
        if header.geometry is None:
            raise MissingGeometryError(
                header.geometry_reason or header.corrupt or f"{self._where(index)}: the geometry was not recorded"
            )
        return header.geometry.geometry()

    def _where(self, index: int) -> str:
        return f"{self.source_id}: frame {index}"

    def _first(self) -> FrameHeader:
        """Of the first frame that can be read; the run is named and timed by it."""
        for index in range(self.frame_count):
            try:
                header = self.header(index)
            except FrameDecodeError:
                continue
            if not header.corrupt:
                return header
        self.reader.close()
        raise InputError(f"{self.source_id}: not one of its {self.frame_count} frames can be read")

    def _usual_gap_ms(self) -> float | None:
        gaps_ns = np.diff(self._times_ns)
        return float(np.median(gaps_ns)) / 1e6 if len(gaps_ns) and np.median(gaps_ns) > 0 else None
