"""A frame grabber (V4L2 through OpenCV), or a video file that stands in for one."""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from calibration.errors import InputError
from engines.angiography.files.video_file import VideoRun, video_format
from engines.angiography.frame import Frame
from engines.angiography.run import FrameDecodeError, check_size
from guidance_app.sources.arrivals import Arrivals, waited_until
from guidance_app.sources.arriving_source import ArrivingSource
from guidance_app.sources.capture.capture_calibration import (
    CaptureCalibration,
    cut_out,
    read_capture_calibration,
    view_geometry,
)
from guidance_app.sources.live_uris import CaptureUri
from guidance_app.sources.notices import NoticeBoard

_HEAD_BYTES = 64
_UNTIMED_FPS = 30.0
_REOPEN_S = 1.0
_JOIN_S = 10.0
_TOO_LATE_NS = 1_000_000_000
_NO_GEOMETRY = (
    "a captured picture does not say how it was projected; state pixel_spacing_mm and geometry in ?calibration="
)


class CaptureSource(ArrivingSource):
    """See `FrameSource`, `Notifies`. A device that is lost is waited for; a file ends like a recording.

    Grey from colour, the calibrated region, its text painted over. A picture that repeats the one before shares its
    pixels, so that a picture that stands still costs nothing to find out.

    Raises:
        InputError: no such device or file, or it cannot be opened; the calibration cannot be used.
    """

    def __init__(self, uri: CaptureUri, *, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._uri = uri
        self._clock_ns = clock_ns
        calibration = None if uri.calibration is None else read_capture_calibration(uri.calibration)
        self._calibration = calibration or CaptureCalibration(schema="guidance-app/capture/1")
        name = uri.device.name if isinstance(uri.device, Path) else str(uri.device)
        self.source_id = f"capture:{name}"
        self._notices = NoticeBoard()
        self._arrivals = Arrivals(self.source_id, stream=True)
        self._before: UInt8[np.ndarray, "rows columns"] | None = None
        self._frames = 0
        self._size_px: tuple[int, int] | None = None
        self._doubt = ""
        self.repeated = 0
        _set_up_opencv()
        self._is_file = isinstance(uri.device, Path) and not _is_device(uri.device)
        opened = _open_file(uri) if self._is_file else _open_device(uri)
        self._thread = threading.Thread(target=self._run, args=(opened,), name="guidance-capture", daemon=True)
        self._thread.start()

    def _stop_receiving(self) -> None:
        self._thread.join(_JOIN_S)

    # The capturing thread -------------------------------------------------------------------------------------------
    def _run(self, opened: cv2.VideoCapture | VideoRun) -> None:
        try:
            self._play(opened) if isinstance(opened, VideoRun) else self._grab(opened)
        except Exception as error:  # an error of the driver or the codec travels to the reader, never a dead thread
            self._arrivals.end(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")

    def _grab(self, capture: cv2.VideoCapture | None) -> None:
        while not self._arrivals.closed:
            good = capture is not None and capture.grab()
            received_ns = self._clock_ns()
            if good and capture is not None:
                _, picture = capture.retrieve()
                self._deliver(picture, received_ns)
                continue
            if capture is not None:
                capture.release()
                self._notices.pin("source_disconnected", f"{self.source_id}: delivers nothing any more; trying again")
            self._arrivals.wait_until_closed(_REOPEN_S)
            capture = self._again()
        if capture is not None:
            capture.release()

    def _again(self) -> cv2.VideoCapture | None:
        try:
            capture = _open_device(self._uri)
        except InputError:
            return None
        self._notices.pin("source_connected", f"{self.source_id}: opened again")
        return capture

    def _play(self, run: VideoRun) -> None:
        """A file at its own pace: a picture arrives when it is due, whether or not its decoding was in time."""
        period_ns = round((1e3 / self._uri.fps if self._uri.fps else run.frame_time_ms or 1e3 / _UNTIMED_FPS) * 1e6)
        due_ns, position = self._clock_ns(), 0
        while not self._arrivals.closed:
            if position == run.frame_count:
                if not self._uri.loop:
                    break
                position = 0
            started_ns = time.perf_counter_ns()
            picture, fault = None, ""
            try:
                picture = run.frame(position).pixels  # ahead of its time
            except FrameDecodeError as error:
                fault = str(error)
            decode_ns = time.perf_counter_ns() - started_ns
            if not waited_until(self._arrivals, due_ns, self._clock_ns):
                break
            if picture is not None:
                self._deliver(picture, due_ns, decode_ns)
            else:
                self._arrivals.put_corrupt(fault, source_frame=position)
            position += 1
            due_ns = due_ns + period_ns if self._clock_ns() - due_ns < _TOO_LATE_NS else self._clock_ns()
        self._arrivals.end("end of the video")

    def _watch_size(self, picture: UInt8[np.ndarray, ...]) -> None:
        """A source that changes its size has another scale: no calibration holds any more, not even on its return."""
        before_px, self._size_px = self._size_px, (picture.shape[0], picture.shape[1])
        if before_px is None or before_px == self._size_px:
            return
        was, now = (f"{columns} x {rows}" for rows, columns in (before_px, self._size_px))
        self._doubt = f"the picture changed its size from {was} to {now}; calibrate and open it again"
        self._notices.pin("geometry_changed", f"{self.source_id}: {self._doubt}")

    def _deliver(self, picture: UInt8[np.ndarray, ...], received_ns: int, decode_ns: int = 0) -> None:
        started_ns = time.perf_counter_ns() - decode_ns
        number, self._frames = self._frames, self._frames + 1
        self._watch_size(picture)
        try:
            pixels = cut_out(_grey(picture), self._calibration)
            check_size(self.source_id, pixels.shape[0], pixels.shape[1], 1, 1)
        except InputError as error:
            self._arrivals.put_corrupt(f"{self.source_id}: {error}", source_frame=number)
            return
        if self._before is not None and np.array_equal(self._before, pixels):
            pixels, self.repeated = self._before, self.repeated + 1
        pixels.flags.writeable = False
        self._before = pixels
        shape_px = (pixels.shape[0], pixels.shape[1])
        geometry = None if self._doubt else view_geometry(self._calibration, shape_px)
        self._arrivals.put(
            Frame(
                pixels=pixels,
                kind="fluoro",
                received_ns=received_ns,
                decode_ms=(time.perf_counter_ns() - started_ns) / 1e6,
                geometry=geometry,
                geometry_reason="" if geometry is not None else f"{self.source_id}: {self._doubt or _NO_GEOMETRY}",
                source_id=self.source_id,
                source_frame=number,
            )
        )


def _set_up_opencv() -> None:
    """Before a device is opened: errors are told here, and one that is pulled out must not hold up the end for 10 s."""
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def _open_device(uri: CaptureUri) -> cv2.VideoCapture:
    device = uri.device
    node = device if isinstance(device, Path) else Path(f"/dev/video{device}")
    if sys.platform == "linux" and not node.exists():
        present = ", ".join(sorted(path.name for path in Path("/dev").glob("video*"))) or "none"
        raise InputError(
            f"capture:{device}: there is no device {node} (present: {present}); connect it, or name another"
        )
    where = str(device) if isinstance(device, Path) else device
    capture = cv2.VideoCapture(where, cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY)
    if not capture.isOpened():
        capture.release()
        raise InputError(f"capture:{device}: {node} cannot be opened; is another program using it, or is it no camera?")
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the default of four shows the past
    if uri.size is not None:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, uri.size[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, uri.size[1])
    if uri.fps is not None:
        capture.set(cv2.CAP_PROP_FPS, uri.fps)
    return capture


def _open_file(uri: CaptureUri) -> VideoRun:
    """Not by OpenCV, which stretches pictures of another size to the first one's."""
    assert isinstance(uri.device, Path)
    try:
        with uri.device.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise InputError(
            f"capture:{uri.device}: cannot be opened ({error.strerror}); give a device number, or a video"
        ) from error
    # Playlists and the like would make FFmpeg open other files and addresses.
    container = video_format(head)
    if container is None:
        raise InputError(f"{uri.device.name}: is no MP4, MKV, AVI or MPEG video; convert it")
    return VideoRun(uri.device, container)


def _is_device(path: Path) -> bool:
    try:
        return stat.S_ISCHR(path.stat().st_mode)
    except OSError:
        return str(path).startswith("/dev/")  # told as a device that is not there


def _grey(picture: UInt8[np.ndarray, ...]) -> UInt8[np.ndarray, "rows columns"]:
    if picture.ndim == 2:
        return picture.astype(np.uint8, copy=True)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)  # ITU-R BT.601, as `luminance`
