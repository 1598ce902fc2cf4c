"""Why an address cannot be listened on, and what to do about it."""

from __future__ import annotations

import errno
import os
import socket

from calibration.errors import InputError


def cannot_listen(address: str, error: OSError) -> InputError:
    """`address` as the user wrote it, `dicom://HOST:PORT`."""
    if isinstance(error, socket.gaierror):
        reason, way_out = "no such host", _OWN_ADDRESS
    else:
        # `socket.create_server` puts the address into its text, in words of its own.
        reason = os.strerror(error.errno) if error.errno else str(error)
        way_out = _WAYS_OUT.get(error.errno or 0, "choose another address or port")
    return InputError(f"{address}: cannot listen here ({reason}); {way_out}")


_OWN_ADDRESS = "name an address of this machine, 127.0.0.1, or 0.0.0.0 for all of them"
_WAYS_OUT = {
    errno.EADDRINUSE: "end the program that uses the port, or choose another",
    errno.EADDRNOTAVAIL: _OWN_ADDRESS,
    errno.EACCES: "ports below 1024 are kept for the system; choose another",
}
