"""The annotated video: painted windows, encoded beside the live path."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
import numpy as np
from jaxtyping import UInt8
from PyQt6.QtGui import QImage

from calibration.errors import GuidanceError, InputError
from calibration.store import write_atomically

if TYPE_CHECKING:
    from av.video.stream import VideoStream

_QUEUE_FRAMES = 8  # at most 32 MB of 1280x800 pictures wait
_NICENESS = 15
_CLOCK_HZ = 90_000  # the usual clock of MPEG time stamps


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoReport:
    frames: int
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Picture:
    image: QImage
    at_ns: int


class AnnotatedVideo:
    """Takes pictures of the window and writes an MP4 in a thread of its own.

    The file appears under its name only once it is whole. Where the encoder falls behind, a picture is left out and
    counted, or with `wait_when_full` the caller waits; a live window never waits.

    Args:
        steps_back: the encoder gives way to all else that runs, guidance above all.
    """

    def __init__(self, path: Path, *, wait_when_full: bool, steps_back: bool = False) -> None:
        self._path, self._steps_back = path, steps_back
        self._wait_when_full = wait_when_full
        # None ends the video.
        self._pictures: queue.Queue[_Picture | None] = queue.Queue(_QUEUE_FRAMES)
        self._frames = 0
        self._dropped = 0
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="guidance-video")
        self._thread.start()

    def add(self, image: QImage, at_ns: int) -> None:
        """Append a picture that was on the screen from `at_ns` (monotonic clock) on."""
        picture = _Picture(image=image, at_ns=at_ns)
        if self._failure is not None:
            return
        try:
            self._pictures.put(picture, block=self._wait_when_full, timeout=5.0)
        except queue.Full:
            self._dropped += 1

    def close(self) -> VideoReport:
        """Finish the file.

        Raises:
            GuidanceError: the video could not be written; the text says why.
        """
        self._pictures.put(None)
        self._thread.join()
        if isinstance(self._failure, GuidanceError):
            raise self._failure
        if self._failure is not None:
            raise InputError(f"{self._path}: the video could not be written ({self._failure})") from self._failure
        return VideoReport(frames=self._frames, dropped=self._dropped)

    def _run(self) -> None:
        if self._steps_back:
            _step_back()
        try:
            first = self._pictures.get()
            if first is None:
                return
            write_atomically(self._path, lambda beside: self._encode(beside, first))
        except Exception as error:  # the window's thread raises it again in `close`
            self._failure = error
            self._drain()

    def _encode(self, path: Path, first: _Picture) -> None:
        size = (first.image.width() // 2 * 2, first.image.height() // 2 * 2)  # yuv420p halves both
        with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
            stream = cast("VideoStream", container.add_stream(_codec(), rate=30))
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            stream.time_base = stream.codec_context.time_base = Fraction(1, _CLOCK_HZ)
            if stream.codec_context.name == "libx264":
                stream.options = {"preset": "superfast", "crf": "23", "threads": "1"}
            else:
                stream.bit_rate = 6_000_000
            picture: _Picture | None = first
            last_time = -1
            while picture is not None:
                if (picture.image.width() // 2 * 2, picture.image.height() // 2 * 2) != size:
                    self._dropped += 1  # the window was resized: a stream has one size
                else:
                    frame = av.VideoFrame.from_ndarray(pixels_of(picture.image, size), format="bgra")
                    time = max((picture.at_ns - first.at_ns) * _CLOCK_HZ // 10**9, last_time + 1)
                    frame.pts, frame.time_base, last_time = time, Fraction(1, _CLOCK_HZ), time
                    container.mux(stream.encode(frame))
                    self._frames += 1
                picture = self._pictures.get()
            container.mux(stream.encode(None))

    def _drain(self) -> None:
        # `close` and a waiting `add` must not hang on a dead encoder.
        while self._pictures.get() is not None:
            pass


def _step_back() -> None:
    """Where the system counts threads one by one (Linux), this thread alone."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def pixels_of(image: QImage, size: tuple[int, int]) -> UInt8[np.ndarray, "rows columns 4"]:
    """The picture's blue, green, red and unused bytes, cut to (columns, rows)."""
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    bits = image.constBits()
    assert bits is not None
    bits.setsize(image.sizeInBytes())
    rows = np.frombuffer(cast("memoryview", bits), dtype=np.uint8).reshape(image.height(), image.bytesPerLine() // 4, 4)
    return np.ascontiguousarray(rows[: size[1], : size[0]])


def _codec() -> str:
    return "libx264" if "libx264" in av.codecs_available else "mpeg4"
