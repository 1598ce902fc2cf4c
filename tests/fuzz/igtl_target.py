"""OpenIGTLink peers that lie: about sizes, types, checksums, and about ever coming to an end."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tests.fuzz.damage import EDGES, Rng, damaged, one_of
from tests.fuzz.targets import Feed, drained

_LOCAL = "127.0.0.1"
_KINDS = (b"IMAGE", b"TRANSFORM", b"STATUS", b"POINT", b"\xff\xff\xff", b"", b"IMAGE\0\0junk", b"\x1b[2J")
_CHECK_EVERY = 20
_SERVED_S = 20.0


@contextmanager
def igtl_feed(_: Path) -> Iterator[Feed]:
    """Our server; every so often a well-behaved peer has to be served."""
    from guidance_app.sources.igtl.igtl_source import IgtlSource
    from tests.guidance_app.sources.rigs import Picture, image_bytes, image_message

    good = image_bytes(Picture(value=7, size=16))
    wide = image_message(np.arange(16 * 16, dtype=np.uint16).reshape(16, 16)).pack()
    source = IgtlSource(host=_LOCAL, port=0, listen=True)
    count = 0

    def feed(rng: Rng, folder: Path, armed) -> None:  # noqa: ARG001 - nothing is written
        nonlocal count
        count += 1
        with armed():
            with socket.create_connection((_LOCAL, source.port), timeout=5.0) as peer:
                peer.settimeout(0.15)  # it does not wait long for what never comes
                with contextlib.suppress(OSError):  # ended by the program: its right
                    for _ in range(int(rng.integers(1, 4))):
                        peer.sendall(_message(one_of(rng, (good, wide)), rng))
                    if rng.random() < 0.3:
                        peer.shutdown(socket.SHUT_WR)
                        peer.recv(16)
            drained(source)
            if count % _CHECK_EVERY == 0:
                _require_served(source, good)

    try:
        yield feed
    finally:
        source.close()


def _require_served(source, good: bytes) -> None:
    end = time.monotonic() + _SERVED_S
    while time.monotonic() < end:
        drained(source)
        before = source.received
        with contextlib.suppress(OSError), socket.create_connection((_LOCAL, source.port), timeout=5.0) as peer:
            peer.sendall(good)
            waited = time.monotonic() + 1.0
            while time.monotonic() < waited:
                if source.received > before:
                    drained(source)
                    return
                time.sleep(0.002)
    raise AssertionError("a well-behaved peer is not served any more")


def _message(packed: bytes, rng: Rng) -> bytes:
    kind = rng.random()
    if kind < 0.1:
        return packed
    if kind < 0.3:
        return damaged(packed, rng)
    head, body = bytearray(packed[:58]), packed[58:]
    if kind < 0.45:  # a body of another size than stated
        head[42:50] = struct.pack(">Q", one_of(rng, (*EDGES, len(body) + 1, len(body) - 1)))
        return bytes(head) + body
    if kind < 0.55:
        head[0:2] = struct.pack(">H", one_of(rng, (0, 1, 2, 3, 255, 65535)))
        head[2:14] = one_of(rng, _KINDS)[:12].ljust(12, b"\0")
        return bytes(head) + body
    if kind < 0.6:  # an endless picture, of which we send a piece
        head[42:50] = struct.pack(">Q", 3 * 8192**2)
        return bytes(head) + bytes(int(rng.integers(1, 300_000)))
    head[50:58] = bytes(8)  # no checksum: what follows is looked at
    return bytes(head) + (
        _image_head(body, rng) if rng.random() < 0.6 else damaged(body, rng)[: len(body)].ljust(len(body), b"\0")
    )


def _image_head(body: bytes, rng: Rng) -> bytes:
    """Sizes of the extended header, of the picture, of the metadata, and the metadata's numbers."""
    changed = bytearray(body)
    for _ in range(int(rng.integers(1, 4))):
        kind = rng.random()
        if kind < 0.25:
            changed[:12] = struct.pack(
                ">HHII", *(one_of(rng, EDGES) & mask for mask in (0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1))
            )
        elif kind < 0.7:
            at = 12 + int(rng.integers(72))
            changed[at] = int(one_of(rng, (0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 127, 128, 255)))
        else:
            for key in (b"30.0", b"1000", b"700", b"0.3"):
                at = changed.find(key)
                if at >= 0 and rng.random() < 0.5:
                    changed[at : at + len(key)] = one_of(
                        rng, (b"nan ", b"-inf", b"1e99", b"0   ", b"\xff\xff\xff\xff")
                    )[: len(key)]
    return bytes(changed)
