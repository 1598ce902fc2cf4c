"""OpenIGTLink messages off and onto a socket.

pyigtl packs and unpacks them. It does not read from the socket itself: it asks for as many bytes as a header states
(up to 2^64), loses its place when a header comes in two pieces, and takes an ended connection for a silent one.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyigtl.messages import CRC64, MessageBase

from engines.angiography.run import MAX_SIDE_PX

MAX_BODY_BYTES = 3 * MAX_SIDE_PX**2 + 1024**2  # the largest picture in colour, and its metadata
PATIENCE_S = 5.0  # for the rest of a message that has begun, and for a peer that does not read
_HEADER_BYTES = MessageBase.IGTL_HEADER_SIZE
_SKIP_BYTES = 64 * 1024
_STATUS_TEXT_BYTES = 200


class PeerGone(Exception):
    """The connection has ended; the text says how."""


class HostileMessage(Exception):
    """A message that cannot be passed over: its header is garbage, or beyond the limit."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RawMessage:
    """A whole message; the body only of types that were wanted.

    Args:
        header: as pyigtl parses it.
        intact: the body fits its checksum, or it states none (0).
        received_ns: monotonic clock when its last byte was there.
    """

    header: dict[str, Any]
    body: bytes
    intact: bool
    received_ns: int

    @property
    def type(self) -> str:
        return self.header["message_type"]

    @property
    def device(self) -> str:
        return self.header["device_name"]


def read_message(connection: socket.socket, wanted: Callable[[str, str], bool]) -> RawMessage:
    """Block for the next message. The socket's timeout should be `PATIENCE_S`; a peer may be silent between messages.

    Args:
        wanted: whether a body of this type and device is to be kept; others are read and thrown away.

    Raises:
        PeerGone: the connection ended, or stopped in the middle of a message.
        HostileMessage: no memory was taken for it.
    """
    head = _exactly(connection, _HEADER_BYTES, may_wait=True)
    try:
        header = MessageBase.parse_header(bytes(head))
    except (UnicodeDecodeError, struct.error) as error:
        raise HostileMessage("no OpenIGTLink header") from error
    size, crc = struct.unpack(">QQ", head[42:58])
    if header["header_version"] not in (1, 2):
        raise HostileMessage(f"header version {header['header_version']}, accepted are 1 and 2")
    if size > MAX_BODY_BYTES:
        raise HostileMessage(f"a message of {size} bytes, accepted are {MAX_BODY_BYTES}")
    if not wanted(header["message_type"], header["device_name"]):
        _skip(connection, size)
        return RawMessage(header=header, body=b"", intact=True, received_ns=time.monotonic_ns())
    body = bytes(_exactly(connection, size, may_wait=False))
    received_ns = time.monotonic_ns()
    return RawMessage(header=header, body=body, intact=not crc or CRC64(body) == crc, received_ns=received_ns)


class StatusMessage(MessageBase):
    """STATUS, which pyigtl does not have: code, subcode, name, text (OpenIGTLink v2, Status)."""

    def __init__(self, *, code: int, name: str, text: str, device_name: str) -> None:
        super().__init__(device_name=device_name)
        self._message_type = "STATUS"
        self._valid_message = True
        self.code, self.name, self.text = code, name, text

    def _pack_content(self) -> bytes:  # pyright: ignore[reportIncompatibleMethodOverride] - pyigtl's own is always empty
        text = self.text.encode("ascii", "replace")[:_STATUS_TEXT_BYTES]
        return struct.pack(">Hq20s", self.code, 0, self.name.encode("ascii", "replace")) + text + b"\0"


def _exactly(connection: socket.socket, size: int, *, may_wait: bool) -> bytearray:
    data = bytearray(size)  # the system hands out its pages only as they are filled
    view, at = memoryview(data), 0
    while at < size:
        try:
            count = connection.recv_into(view[at:])
        except TimeoutError as error:
            if may_wait and at == 0:
                continue
            raise PeerGone(f"it stopped in the middle of a message for {PATIENCE_S:g} s") from error
        except OSError as error:
            raise PeerGone(error.strerror or type(error).__name__) from error
        if not count:
            raise PeerGone("it closed the connection")
        at += count
    return data


def _skip(connection: socket.socket, size: int) -> None:
    while size > 0:
        size -= len(_exactly(connection, min(size, _SKIP_BYTES), may_wait=False))
