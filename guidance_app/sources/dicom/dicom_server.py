"""A storage SCP on pynetdicom, with limits in front of everything that a peer may send.

pynetdicom takes PDUs of up to 4 GiB and data sets of any size into memory, and does a TLS handshake where it accepts
connections. Here a connection that goes beyond the limits is ended before the memory is taken.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, AllTransferSyntaxes
from pynetdicom import _config, evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event
from pynetdicom.presentation import build_context
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from guidance_app.sources.dicom.dicom_limits import Refusal, Unfinished, limit
from guidance_app.sources.dicom.received_run import RECEIVED_SOP_CLASSES
from guidance_app.sources.listening import cannot_listen
from guidance_app.sources.notices import NoticeBoard

PDU_BYTES = 256 * 1024  # told to the peer; larger ones gain nothing on loopback or a hospital network
MAX_DATA_SET_BYTES = 512 * 1024**2
MAX_PEERS = 8
_VERIFICATION = "1.2.840.10008.1.1"
_QUIET_PEER_S = 60.0
_HANDSHAKE_S = 5.0
_ABORT_S = 0.3
_JOIN_S = 3.0

Store = Callable[[bytes, UID, str, int], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Who may send.

    Args:
        aet: our AE title; any other called title is refused.
        calling: AE titles that may call; () for all.
        peers: addresses that may connect; () for all.
    """

    aet: str
    calling: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()


def transfer_syntaxes() -> list[UID]:
    """Every transfer syntax that can be decoded on this machine."""
    usable = []
    for syntax in AllTransferSyntaxes:
        with contextlib.suppress(NotImplementedError):
            if get_decoder(syntax).is_available:
                usable.append(syntax)
    return usable


class DicomServer:
    """Listens from the moment it is made until `close`.

    Args:
        store: called in the association's thread with data set, transfer syntax, calling AE title and the monotonic
            time when the last byte was there; answers a C-STORE status.
        tls: server side context; None speaks plainly.

    Raises:
        InputError: the address cannot be listened on.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        admission: Admission,
        store: Store,
        notices: NoticeBoard,
        tls: ssl.SSLContext | None = None,
        max_data_set_bytes: int = MAX_DATA_SET_BYTES,
    ) -> None:
        logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # it writes what peers send to stderr
        _config.LOG_HANDLER_LEVEL = "none"
        self._store = store
        ae = _application_entity(admission)
        try:
            self._server = _Server(
                ae,
                (host, port),
                admission.aet,
                ae.supported_contexts,
                tls,
                evt_handlers=[
                    (evt.EVT_C_STORE, self._stored),
                    (evt.EVT_REJECTED, self._rejected),
                    (evt.EVT_CONN_CLOSE, _wake),
                ],
                request_handler=_Handler,
                peers=admission.peers,
                notices=notices,
                max_data_set_bytes=max_data_set_bytes,
            )
        except OSError as error:
            raise cannot_listen(f"dicom://{host}:{port}", error) from error
        self._notices = notices
        self._admission = admission
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="guidance-dicom-server", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def close(self) -> None:
        """End all associations and free the port; every thread is gone when it returns."""
        self._server.shutdown()
        self._thread.join(_JOIN_S)
        for association in self._server.active_associations:
            _end(association)

    def _stored(self, event: Event) -> int:
        received_ns = time.monotonic_ns()
        data = cast(C_STORE, event.request).DataSet
        sender = _title(event.assoc.requestor.ae_title)
        return self._store(
            data.getvalue() if data is not None else b"", UID(event.context.transfer_syntax), sender, received_ns
        )

    def _rejected(self, event: Event) -> None:
        request = event.assoc.requestor.primitive
        assert request is not None  # or there would be nothing to reject
        called, calling = _title(request.called_ae_title), _title(request.calling_ae_title)
        address = event.assoc.requestor.address
        if called != self._admission.aet:
            why = f"it called {called!r}, this is {self._admission.aet!r}"
        elif self._admission.calling and calling not in self._admission.calling:
            why = "its AE title is not on the list of callers"
        else:
            why = f"{MAX_PEERS} are connected already"
        self._notices.pin("client_refused", f"{calling!r} at {address}: {why}")


def _application_entity(admission: Admission) -> ApplicationEntity:
    ae = ApplicationEntity(ae_title=admission.aet)
    ae.require_called_aet = True
    ae.require_calling_aet = list(admission.calling)
    ae.maximum_associations = MAX_PEERS
    ae.maximum_pdu_size = PDU_BYTES
    ae.acse_timeout = 10
    ae.dimse_timeout = 30
    ae.network_timeout = _QUIET_PEER_S
    syntaxes = [str(syntax) for syntax in transfer_syntaxes()]
    ae.supported_contexts = [
        build_context(_VERIFICATION), *(build_context(uid, syntaxes) for uid in RECEIVED_SOP_CLASSES)
    ]  # fmt: skip
    return ae


def _title(text: str | None) -> str:
    return "".join(letter for letter in (text or "")[:16] if letter.isprintable()).strip()


def _wake(event: Event) -> None:
    """A connection that ended before it asked for anything leaves its thread waiting, and a place taken, for 10 s."""
    if event.assoc.requestor.primitive is None:
        event.assoc.dul.to_user_queue.put(cast(Any, None))


def _end(association: Association) -> None:
    """Tell the peer, then close the socket under it: a peer that says nothing must not hold up the end."""
    if association.requestor.primitive is None:
        # Nothing was asked for yet, so there is nothing to abort: the protocol has no such answer.
        association.dul.to_user_queue.put(cast(Any, None))
    else:
        association.abort(block=False)
    _join(association, _ABORT_S)
    with contextlib.suppress(OSError, AttributeError):
        cast(Any, association.dul.socket).socket.shutdown(socket.SHUT_RDWR)
    killer = threading.Thread(target=association.kill, name="dicom-kill", daemon=True)  # it waits without a limit
    killer.start()
    killer.join(_JOIN_S)
    _join(association, _JOIN_S)
    _join(association.dul, _JOIN_S)


def _join(thread: threading.Thread, timeout_s: float) -> None:
    """Wait for a thread that may have ended, or not begun: a connection can be that young."""
    if thread.is_alive():
        thread.join(timeout_s)


class _Server(ThreadedAssociationServer):
    """Looks at the peer's address first, and leaves TLS handshakes to the connection's own thread."""

    daemon_threads = True

    def __init__(
        self, *args: Any, peers: tuple[str, ...], notices: NoticeBoard, max_data_set_bytes: int, **kwargs: Any
    ) -> None:
        self.notices, self.unfinished = notices, Unfinished(max_data_set_bytes)
        self._peers = peers
        super().__init__(*args, **kwargs)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = cast(socket.socket, self.socket).accept()
        return connection, address

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - socketserver's hook
        if not self._peers or client_address[0] in self._peers:
            return True
        self.notices.pin("client_refused", f"{client_address[0]}: its address is not on the list of peers")
        return False

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - socketserver's hook
        self.notices.pin("client_refused", f"{client_address[0]}: the connection failed")

    def service_actions(self) -> None:
        """Not pynetdicom's: a full garbage collection every few seconds stops the picture for as long as it takes."""

    def shutdown(self) -> None:
        socketserver.BaseServer.shutdown(self)
        self.server_close()


class _Handler(RequestHandler):
    """Puts the limits into a new connection."""

    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride] - `_Server` alone makes these

    def handle(self) -> None:
        if self.server.ssl_context is not None and not self._encrypted():
            return
        super().handle()

    def _encrypted(self) -> bool:
        context, plain = self.server.ssl_context, cast(socket.socket, self.request)
        assert context is not None
        plain.settimeout(_HANDSHAKE_S)
        try:
            self.request = context.wrap_socket(plain, server_side=True)
        except (OSError, ValueError) as error:
            plain.close()
            reason = getattr(error, "reason", None) or type(error).__name__
            self.server.notices.pin("client_refused", f"{self.client_address[0]}: no TLS connection ({reason})")
            return False
        return True

    def _create_association(self) -> Association:
        association = super()._create_association()
        connection = cast(socket.socket, self.request)
        connection.settimeout(_QUIET_PEER_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        refuse = Refusal(self.server.notices, self.client_address[0])
        association.bind(evt.EVT_CONN_CLOSE, lambda _event: connection.close())  # it may only have been shut down
        limit(association, connection, refuse, self.server.unfinished)
        return association
