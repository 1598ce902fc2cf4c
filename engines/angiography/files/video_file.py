"""Videos, recorded from a screen or exported. They carry no geometry."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import av
import av.error
import numpy as np
from av.container import InputContainer
from jaxtyping import UInt8

from calibration.carm import CArmGeometry
from calibration.errors import InputError, MissingGeometryError
from engines.angiography.frame import Frame, FrameKind
from engines.angiography.run import FrameDecodeError, MaskOperation, check_index, check_size, readable_name

# Containers by their first bytes. Other formats are refused: a playlist would make the reader open other files and
# network addresses.
_SIGNATURES = (
    (4, b"ftyp", "mov,mp4,m4a,3gp,3g2,mj2"),
    (0, b"\x1a\x45\xdf\xa3", "matroska,webm"),
    (8, b"AVI ", "avi"),
    (0, b"\x00\x00\x01\xba", "mpeg"),
)


def video_format(head: bytes) -> str | None:
    """Name of the container that starts with these bytes, None for anything else."""
    for offset, magic, name in _SIGNATURES:
        if head[offset : offset + len(magic)] == magic:
            return name
    return None


class VideoRun:
    """A video's frames as a run (see `Run`), in grey; reading forwards is fast, reading backwards starts over.

    A picture that changes its size in mid-stream comes in its own shape.
    """

    def __init__(self, path: Path, container_format: str) -> None:
        """Raises InputError: the video cannot be decoded, holds no pictures, or exceeds the caps."""
        self.path = Path(path)
        self.source_id = readable_name(self.path)
        self._format = container_format
        self.sop_instance_uid = ""
        self.kind: FrameKind = "fluoro"
        self.mask: tuple[MaskOperation, ...] = ()
        self.log_intensity = False
        try:
            with self._opened() as container:
                stream = container.streams.video[0]
                if stream.codec_context is None:  # such a stream also has no size
                    raise ValueError("its coding is unknown")
                rows, columns = stream.height, stream.width
                rate = stream.average_rate
                self.frame_count = sum(1 for packet in container.demux(stream) if packet.size)
        except (av.error.FFmpegError, IndexError, ValueError) as error:
            raise InputError(f"{self.source_id}: is no readable video ({_cause(error)}); convert it to MP4") from error
        if not self.frame_count:
            raise InputError(f"{self.source_id}: the video holds no picture; choose another")
        # Only one frame is held at a time, so only the size of a frame is checked.
        check_size(self.source_id, rows, columns, 1, 1)
        self.frame_time_ms = float(1000 / rate) if rate else None
        self._next = 0
        self._frames: Iterator[UInt8[np.ndarray, "rows columns"] | None] | None = None

    def geometry(self, index: int) -> CArmGeometry:
        check_index(self.source_id, index, self.frame_count)
        raise MissingGeometryError(
            f"{self.source_id}: a video does not say how it was projected; use the DICOM run instead"
        )

    def frame(self, index: int) -> Frame:
        check_index(self.source_id, index, self.frame_count)
        started_ns = time.perf_counter_ns()
        if self._frames is None or index < self._next:
            self._frames, self._next = self._decoded(), 0
        pixels = None
        try:
            while self._next <= index:
                pixels = next(self._frames)
                self._next += 1
        except StopIteration as error:
            self._frames = None
            raise FrameDecodeError(f"{self.source_id}: frame {index} is missing, the video is cut off") from error
        except (av.error.FFmpegError, ValueError) as error:
            self._frames = None
            raise FrameDecodeError(f"{self.source_id}: frame {index} cannot be decoded ({_cause(error)})") from error
        if pixels is None:
            raise FrameDecodeError(f"{self.source_id}: frame {index} cannot be decoded; the others may be fine")
        return Frame(
            pixels=pixels,
            kind=self.kind,
            decode_ms=(time.perf_counter_ns() - started_ns) / 1e6,
            geometry_reason=f"{self.source_id}: a video does not say how it was projected",
            source_id=self.source_id,
            source_frame=index,
            index=index,
            frame_time_ms=self.frame_time_ms,
        )

    def _opened(self) -> InputContainer:
        return av.open(str(self.path), mode="r", format=self._format.split(",")[0])

    def _decoded(self) -> Iterator[UInt8[np.ndarray, "rows columns"] | None]:
        """Pictures in order; None in place of one that is damaged."""
        with self._opened() as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            for packet in container.demux(stream):
                try:
                    frames = packet.decode()
                except av.error.FFmpegError:
                    yield None
                    continue
                for frame in frames:
                    assert isinstance(frame, av.VideoFrame)
                    check_size(self.source_id, frame.height, frame.width, 1, 1)
                    pixels = frame.to_ndarray(format="gray")
                    pixels.flags.writeable = False
                    yield pixels


def _cause(error: Exception) -> str:
    """The error's text without the path that FFmpeg adds."""
    return getattr(error, "strerror", None) or str(error)
