"""Peers that hang up first: what pynetdicom leaves to the garbage collector would fail some later test."""

import socket
from types import SimpleNamespace

from pynetdicom.transport import AssociationSocket

from guidance_app.pacs.closing import CLOSED_SURELY


def test_connection_is_closed_although_the_peer_was_quicker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
        theirs.close()
        assert ours.recv(1) == b""
        ours.shutdown(socket.SHUT_WR)  # now the system has no connection any more, and shutting it down fails
        wrapped = AssociationSocket.__new__(AssociationSocket)  # as pynetdicom wraps it, without its threads
        wrapped.socket = ours
        _, opened = CLOSED_SURELY
        opened(SimpleNamespace(assoc=SimpleNamespace(dul=SimpleNamespace(socket=wrapped))))  # type: ignore[arg-type]
        wrapped._shutdown_socket()
    assert ours.fileno() == -1
