"""Closes our end of a DICOM connection, whatever the peer does first."""

from __future__ import annotations

import contextlib
import socket
from typing import Any, cast

from pynetdicom import evt
from pynetdicom.events import Event


def _close_surely(event: Event) -> None:
    """pynetdicom shuts a socket down and then closes it, and skips the second where the first fails: where the peer was
    quicker to hang up. The socket would be left to the garbage collector."""
    wrapped = cast(Any, event.assoc.dul.socket)
    connection: socket.socket = wrapped.socket

    def shut_down() -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    wrapped._shutdown_socket = shut_down


CLOSED_SURELY = (evt.EVT_CONN_OPEN, _close_surely)  # for the `evt_handlers` of an association that we ask for
