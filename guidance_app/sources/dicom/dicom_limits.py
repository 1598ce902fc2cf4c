"""Limits on a DICOM peer, put into a pynetdicom association before it takes memory or loses its thread."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass
from typing import Any, cast

from pynetdicom import evt
from pynetdicom.acse import ACSE
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.fsm import StateMachine
from pynetdicom.pdu_primitives import P_DATA

from guidance_app.sources.notices import NoticeBoard

MAX_PDU_BYTES = 1024**2  # an association request is not bound by the size that we offer
MAX_COMMAND_BYTES = 64 * 1024
_RECEIVE_BYTES = 256 * 1024
# A sender that waits for our acknowledgement before its next small packet (dcmtk does) loses 40 ms an object where the
# system holds that back; Linux forgets the wish after some packets, so it is said again before every piece.
_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)


def limit(association: Association, connection: socket.socket, refuse: Refusal, unfinished: Unfinished) -> None:
    """Put all limits into a new association."""
    assert association.dul.socket is not None
    association.bind(evt.EVT_CONN_CLOSE, lambda _event: unfinished.forget(association))
    association.dul.socket.recv = Receiver(connection, refuse)  # type: ignore[method-assign]
    association.dul.state_machine = States(association, connection, refuse)
    association.dimse = Messages(association, refuse, unfinished)
    association.acse = Negotiation(association, refuse)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Tells why a peer was turned away.

    Args:
        address: of the peer; it may say nothing true about itself.
    """

    notices: NoticeBoard
    address: str

    def __call__(self, why: str) -> None:
        self.notices.pin("client_refused", f"{self.address}: {why}")


class Unfinished:
    """Bytes of the data sets that are on their way, of all associations together.

    Args:
        max_data_set_bytes: of one. All together may hold twice as much: a peer that sends the largest run does not keep
            another from sending one, and eight that send without end do not fill the memory.
    """

    def __init__(self, max_data_set_bytes: int) -> None:
        self.max_data_set_bytes = max_data_set_bytes
        self._held: dict[int, int] = {}
        self._lock = threading.Lock()

    def why_not(self, association: Association, held_bytes: int) -> str:
        """Note what an association holds; "" where it may go on."""
        if held_bytes > self.max_data_set_bytes:
            return f"a data set larger than {self.max_data_set_bytes >> 20} MiB"
        with self._lock:
            self._held[id(association)] = held_bytes
            if sum(self._held.values()) > 2 * self.max_data_set_bytes:
                return f"more than {2 * self.max_data_set_bytes >> 20} MiB are on their way from all peers"
        return ""

    def forget(self, association: Association) -> None:
        with self._lock:
            self._held.pop(id(association), None)


class Receiver:
    """Reads a PDU of limited length, in large pieces (pynetdicom's 4 KiB cost a third of the time)."""

    def __init__(self, connection: socket.socket, refuse: Refusal) -> None:
        self._connection = connection
        self._refuse = refuse

    def __call__(self, nr_bytes: int) -> bytearray:
        if nr_bytes > MAX_PDU_BYTES:
            self._refuse(f"a PDU of {nr_bytes} bytes, accepted are {MAX_PDU_BYTES}")
            raise OSError("PDU beyond the limit")
        if _QUICK_ACK is not None:
            self._connection.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)
        received = bytearray()
        while len(received) < nr_bytes:
            piece = self._connection.recv(min(nr_bytes - len(received), _RECEIVE_BYTES))
            if not piece:
                break
            received += piece
        return received


class Messages(DIMSEServiceProvider):
    """Ends an association whose command or data set grows beyond the limit, before it is complete."""

    def __init__(self, association: Association, refuse: Refusal, unfinished: Unfinished) -> None:
        super().__init__(association)
        self._refuse = refuse
        self._unfinished = unfinished

    def receive_primitive(self, primitive: P_DATA) -> None:
        if self.message is not None:
            if why := self._unfinished.why_not(self.assoc, cast(Any, self.message.data_set).tell()):
                self._refuse(why)
                self._drop()
                return
            if self.message.encoded_command_set.tell() > MAX_COMMAND_BYTES:
                self._refuse("a command that has no end")
                self._drop()
                return
        try:
            super().receive_primitive(primitive)
        except Exception as error:
            self._refuse(f"a damaged message ({type(error).__name__})")
            self._drop()
        if self.message is None:  # it is whole now, and counted by whoever plays it
            self._unfinished.forget(self.assoc)

    def _drop(self) -> None:
        self.message = None
        self._unfinished.forget(self.assoc)
        self.dul.event_queue.put("Evt19")  # an invalid PDU: the state machine aborts the association


class Negotiation(ACSE):
    """Rejects a request that makes no sense, such as a context without an abstract syntax."""

    def __init__(self, association: Association, refuse: Refusal) -> None:
        super().__init__(association)
        self._refuse = refuse

    def negotiate_association(self) -> None:
        try:
            super().negotiate_association()
        except (TypeError, ValueError, AttributeError, KeyError) as error:
            self._refuse(f"a damaged request ({type(error).__name__})")
            self.send_reject(0x01, 0x01, 0x01)  # permanent, by the user, without a reason (PS3.8 table 9-21)
            self.assoc.is_rejected = True
            self.assoc.kill()


class States(StateMachine):
    """Ends an association that gets out of turn; pynetdicom's own ends its thread with a traceback and keeps the place.

    So it does where a peer breaks off between its request and our answer: no state has a place for the answer then.
    """

    def __init__(self, association: Association, connection: socket.socket, refuse: Refusal) -> None:
        super().__init__(association.dul)
        self._association = association
        self._connection = connection
        self._refuse = refuse

    def do_action(self, event: str) -> None:
        try:
            super().do_action(event)
        except Exception as error:
            self._refuse(f"messages out of turn ({type(error).__name__})")
            self._association.is_aborted = True
            self._association.is_established = False
            self._association._kill = True
            self.dul.kill_dul()
            self.dul.to_user_queue.put(cast(Any, None))  # wakes the association's thread, if it waits for an answer
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
            self._connection.close()
