"""DICOM as a live source: objects sent to us are played in the order they came."""

from __future__ import annotations

import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from pydicom.uid import UID

from calibration.errors import InputError
from engines.angiography.frame import Frame
from engines.angiography.run import FrameDecodeError
from guidance_app.sources.arrivals import Arrivals, waited_until
from guidance_app.sources.arriving_source import ArrivingSource
from guidance_app.sources.dicom.dicom_server import MAX_DATA_SET_BYTES, Admission, DicomServer
from guidance_app.sources.dicom.received_run import ReceivedRun, read_received
from guidance_app.sources.notices import NoticeBoard

SUCCESS, OUT_OF_RESOURCES, CANNOT_UNDERSTAND = 0x0000, 0xA700, 0xC000  # PS3.4 B.2.3
MAX_WAITING_BYTES = 1024**3
_UNTIMED_PERIOD_NS = 66_666_667  # a usual rate of cardiac cine, for runs without a frame time
_TOO_LATE_NS = 1_000_000_000
_SAME_STREAM_NS = 2_000_000_000  # single pictures that follow each other faster than this are a stream
_SLOWEST_STREAM_MS = 450.0  # a stall must be noticed within a second (see `source_watch`)
_JOIN_S = 5.0


class DicomSource(ArrivingSource):
    """A storage SCP (see `FrameSource`, `Notifies`).

    A multi-frame object is played at its own pace, one that arrives meanwhile after it. The sender is told success only
    once the first picture was decoded and all others were seen to be there.

    Raises:
        InputError: the address cannot be listened on.
    """

    receives_runs = True

    def __init__(
        self,
        *,
        host: str,
        port: int,
        admission: Admission,
        tls: ssl.SSLContext | None = None,
        max_data_set_bytes: int = MAX_DATA_SET_BYTES,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._clock_ns = clock_ns
        self._notices = NoticeBoard()
        self._queue = _Waiting()
        self._objects = 0
        self._objects_lock = threading.Lock()
        self._last_single_ns: int | None = None
        self._run_ends_ns = 0
        self._server = DicomServer(
            host=host,
            port=port,
            admission=admission,
            store=self._store,
            notices=self._notices,
            tls=tls,
            max_data_set_bytes=max_data_set_bytes,
        )
        self.port = self._server.port
        self.source_id = f"dicom://{host}:{self.port}?aet={admission.aet}"
        self._arrivals = Arrivals(self.source_id, stream=False)
        self._player = threading.Thread(target=self._play, name="guidance-dicom-player", daemon=True)
        self._player.start()

    def _stop_receiving(self) -> None:
        self._queue.close()
        self._server.close()
        self._player.join(_JOIN_S)

    # The associations' threads --------------------------------------------------------------------------------------
    def _store(self, data: bytes, syntax: UID, sender: str, received_ns: int) -> int:
        with self._objects_lock:
            self._objects += 1
            name = f"object {self._objects} from {sender}" if sender else f"object {self._objects}"
        if not self._queue.has_room_for(len(data)):
            self._notices.pin("client_refused", f"{sender}: more runs are waiting than memory is set aside for")
            return OUT_OF_RESOURCES
        try:
            received = read_received(data, syntax, name=name, received_ns=received_ns)
        except InputError as error:
            # Behind the runs that wait, so that the log keeps the order of arrival.
            self._queue.put(str(error))
            return CANNOT_UNDERSTAND
        except Exception as error:  # whatever a peer may send must not end what receives it
            self._queue.put(f"{name}: cannot be read ({type(error).__name__}); send it again")
            return CANNOT_UNDERSTAND
        self._queue.put(received)
        return SUCCESS

    # The player's thread --------------------------------------------------------------------------------------------
    def _play(self) -> None:
        while (item := self._queue.take()) is not None:
            if isinstance(item, str):
                self._arrivals.put_corrupt(item)
            elif item.run.frame_count == 1:
                self._arrivals.put(self._single(item))
            else:
                self._play_run(item)
            self._queue.done()

    def _single(self, received: ReceivedRun) -> Frame:
        """One of a stream of single pictures is no still picture: it gets the time since the one before."""
        before_ns, self._last_single_ns = self._last_single_ns, received.received_ns
        frame = replace(received.first, source_id=self.source_id)
        if frame.frame_time_ms is None and before_ns is not None and received.received_ns - before_ns < _SAME_STREAM_NS:
            interval_ms = min((received.received_ns - before_ns) / 1e6, _SLOWEST_STREAM_MS)
            frame = replace(frame, frame_time_ms=max(interval_ms, 1.0))
        return frame

    def _play_run(self, received: ReceivedRun) -> None:
        # One that came while another was played begins after it: begun at its due time, its first second would rush by.
        now_ns, due_ns = self._clock_ns(), max(received.received_ns, self._run_ends_ns)
        due_ns = due_ns if now_ns - due_ns < _TOO_LATE_NS else now_ns
        for index in range(received.run.frame_count):
            frame, fault = None, ""
            try:
                frame = received.frame(index)  # ahead of its time: all data are here
            except FrameDecodeError as error:
                fault = str(error)
            except Exception as error:  # whatever a peer may send must not end what plays it
                fault = f"frame {index}: cannot be shown ({type(error).__name__}); send it again"
            if not waited_until(self._arrivals, due_ns, self._clock_ns):
                return
            if self._clock_ns() - due_ns > _TOO_LATE_NS:
                due_ns = self._clock_ns()
            if frame is None:
                uid = received.run.sop_instance_uid
                self._arrivals.put_corrupt(fault, source_frame=index, sop_instance_uid=uid)
                due_ns += _UNTIMED_PERIOD_NS
                continue
            period_ns = round(frame.frame_time_ms * 1e6) if frame.frame_time_ms else _UNTIMED_PERIOD_NS
            timed = replace(frame, received_ns=due_ns, source_id=self.source_id, frame_time_ms=period_ns / 1e6)
            self._arrivals.put(timed)
            due_ns += period_ns
        self._run_ends_ns = due_ns


class _Waiting:
    """Runs that have arrived and are not played yet, and what they hold in memory."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: deque[ReceivedRun | str] = deque()
        self._playing_bytes = 0
        self._closed = False

    def has_room_for(self, size_bytes: int) -> bool:
        with self._changed:
            held = self._playing_bytes + sum(i.size_bytes for i in self._items if not isinstance(i, str))
            return held + size_bytes <= MAX_WAITING_BYTES

    def put(self, item: ReceivedRun | str) -> None:
        with self._changed:
            self._items.append(item)
            self._changed.notify_all()

    def take(self) -> ReceivedRun | str | None:
        """The next one; None once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._items)
            if self._closed:
                return None
            item = self._items.popleft()
            self._playing_bytes = 0 if isinstance(item, str) else item.size_bytes
            return item

    def done(self) -> None:
        with self._changed:
            self._playing_bytes = 0

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()
