"""OpenIGTLink as a live source: pictures come in, the pose and the state of guidance go out."""

from __future__ import annotations

import threading

import numpy as np
from pyigtl.messages import MessageBase, TransformMessage

from calibration.errors import InputError
from guidance_app.sources.arrivals import Arrivals
from guidance_app.sources.arriving_source import ArrivingSource
from guidance_app.sources.igtl.igtl_frame import image_frame
from guidance_app.sources.igtl.igtl_link import Client, Link, Server
from guidance_app.sources.igtl.igtl_wire import RawMessage, StatusMessage
from guidance_app.sources.notices import NoticeBoard
from guidance_app.sources.source import GuidanceNews

POSE_DEVICE = "CameraFromLPS"  # TRANSFORM: DICOM LPS of the CT to the camera, mm
STATE_DEVICE = "Guidance"  # STATUS: its name is the guidance state, its text says why
_IMAGE = "IMAGE"
_QUIETLY_IGNORED = ("STATUS",)
_TAKE_OVER_S = 0.5
_NAMED_TYPES = 16  # a peer may invent types without end
# OpenIGTLink v2, Status: 1 OK, 13 device not ready.
_OK, _NOT_READY = 1, 13


class IgtlSource(ArrivingSource):
    """A client, or with `listen` a server (see `FrameSource`, `Notifies`, `Publishes`).

    Pictures are taken from the first peer that sends one until it leaves; the others may follow.

    Args:
        device: take pictures of this device name alone; "" takes all.

    Raises:
        InputError: the address cannot be listened on.
    """

    def __init__(self, *, host: str, port: int, listen: bool, device: str = "") -> None:
        self._device = device
        self._notices = NoticeBoard()
        self._lock = threading.Lock()
        self._sender_left = threading.Condition()
        self._sender: int | None = None
        self._followers: set[int] = set()
        self._pictures = 0
        self._ignored: set[str] = set()
        self.source_id = f"igtl://{host}:{port}"
        self._arrivals = Arrivals(self.source_id, stream=True)
        self._link: Link = (Server if listen else Client)(host, port, self, self._notices)
        self.port = self._link.port

    def publish(self, news: GuidanceNews) -> None:
        self._link.send(_messages(news))

    def _stop_receiving(self) -> None:
        self._link.close()

    # The connections' threads ---------------------------------------------------------------------------------------
    def wants(self, kind: str, device: str) -> bool:
        return kind == _IMAGE and (not self._device or device == self._device)

    def heard(self, peer: int, message: RawMessage) -> None:
        if not self.wants(message.type, message.device):
            self._tell_ignored(message)
            return
        if not self._may_send(peer):
            self._notices.pin("message_ignored", "a second peer sends pictures; those of the first are shown")
            return
        with self._lock:
            number, self._pictures = self._pictures, self._pictures + 1
        try:
            frame = image_frame(message, source_id=self.source_id, source_frame=number)
        except InputError as error:
            self._arrivals.put_corrupt(str(error), source_frame=number)
        else:
            self._arrivals.put(frame)

    def gone(self, peer: int) -> None:
        with self._sender_left:
            self._followers.discard(peer)
            if self._sender == peer:
                self._sender = None
                self._sender_left.notify_all()

    def _may_send(self, peer: int) -> bool:
        with self._sender_left:
            if peer in self._followers and self._sender is not None:
                return False
            # A device that connects again may be quicker than the news that its old connection has ended.
            if not self._sender_left.wait_for(lambda: self._sender in (None, peer), _TAKE_OVER_S):
                self._followers.add(peer)
                return False
            self._followers.discard(peer)
            self._sender = peer
            return True

    def _tell_ignored(self, message: RawMessage) -> None:
        """Once a type (or device): Slicer sends some of them many times a second."""
        if message.type in _QUIETLY_IGNORED:
            return
        what = message.type if message.type != _IMAGE else f"{_IMAGE} of {message.device}"
        what = "".join(letter for letter in what if letter.isprintable())
        with self._lock:
            if what in self._ignored or len(self._ignored) >= _NAMED_TYPES:
                return
            self._ignored.add(what)
        self._notices.pin("message_ignored", f"{what} messages are not used here")


def _messages(news: GuidanceNews) -> list[MessageBase]:
    code = _OK if news.state == "accepted" else _NOT_READY
    text = f"{news.state}: {news.reason}" if news.reason else news.state
    messages: list[MessageBase] = [StatusMessage(code=code, name=news.state, text=text, device_name=STATE_DEVICE)]
    if news.camera_from_lps_mm is not None:
        matrix = np.asarray(news.camera_from_lps_mm, dtype=np.float32)
        messages.append(TransformMessage(matrix=matrix, device_name=POSE_DEVICE))
    return messages
