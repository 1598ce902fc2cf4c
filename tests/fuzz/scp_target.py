"""DICOM peers that lie: about lengths, states, contexts and what they send, down to single bytes of PDUs."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fuzz import samples
from tests.fuzz.damage import EDGES, Rng, damaged, one_of
from tests.fuzz.dicom_damage import damaged_elements, damaged_set, set_bytes
from tests.fuzz.targets import Feed, drained

_LOCAL, _AET = "127.0.0.1", "GUIDE"
_XA, _VERIFICATION = b"1.2.840.10008.5.1.4.1.1.12.1", b"1.2.840.10008.1.1"
_EXPLICIT, _IMPLICIT = b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2"
_CHECK_EVERY = 25
_SERVED_S = 25.0
_ANSWER_S = 0.15  # a hostile peer does not wait long for what never comes


@contextmanager
def associations_feed(_: Path) -> Iterator[Feed]:
    """Bytes of PDUs in any order and any state of repair."""

    def conversation(rng: Rng, peer: socket.socket, sound: bytes) -> None:
        pieces = [associate_request(), command(sound), data(sound), release()]
        kind = rng.random()
        if kind < 0.3:
            chosen = int(rng.integers(len(pieces)))
            pieces[chosen] = damaged(pieces[chosen], rng)
        elif kind < 0.5:
            chosen = int(rng.integers(len(pieces)))
            pieces[chosen] = _lying_lengths(pieces[chosen], rng)
        elif kind < 0.65:
            pieces = [one_of(rng, pieces) for _ in range(int(rng.integers(1, 6)))]
        elif kind < 0.75:
            pieces[0] = associate_request(
                called=one_of(rng, (b"GUIDE", b"OTHER", b"\0" * 16, b"../../../etc/x", b"\x1b[2J\xff\xfe")),
                calling=one_of(rng, (b"RIG", b"", b"\xff" * 16, b"'; rm -rf /")),
                contexts=int(one_of(rng, (0, 1, 2, 128, 300))),
            )
        elif kind < 0.85:
            pieces = [pieces[0], b"".join(fragment(bytes(5000), last=False, is_command=True) for _ in range(20))]
        elif kind < 0.95:
            pieces = [struct.pack(">BBI", int(rng.integers(256)), 0, one_of(rng, EDGES) & 0xFFFFFFFF) + bytes(2000)]
        else:
            pieces = [one_of(rng, (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0", b"\0" * 4096, b""))]
        _say(peer, pieces, heed=rng.random() < 0.7)

    with _served(conversation) as feed:
        yield feed


@contextmanager
def data_sets_feed(_: Path) -> Iterator[Feed]:
    """Sound associations that carry damaged data sets."""
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    made = list(samples.xa_samples().values())

    def conversation(rng: Rng, peer: socket.socket, sound: bytes) -> None:  # noqa: ARG001 - it has its own
        dataset = damaged_set(one_of(rng, made), rng)
        syntax = dataset.file_meta.TransferSyntaxUID
        body = set_bytes(dataset, implicit=syntax.is_implicit_VR, big_endian=not syntax.is_little_endian,
                         deflate=syntax == DeflatedExplicitVRLittleEndian)  # fmt: skip
        if rng.random() < 0.3:
            body = damaged_elements(body, rng) if syntax == _EXPLICIT.decode() else damaged(body, rng)
        _say(peer, [associate_request(syntax=str(syntax).encode()), command(body), data(body), release()], heed=True)

    with _served(conversation) as feed:
        yield feed


@contextmanager
def _served(conversation: Callable[[Rng, socket.socket, bytes], None]) -> Iterator[Feed]:
    from guidance_app.sources.dicom.dicom_server import Admission
    from guidance_app.sources.dicom.dicom_source import DicomSource

    sound_set = samples.xa_samples()["explicit"]
    sound = set_bytes(sound_set, implicit=False, big_endian=False)
    source = DicomSource(host=_LOCAL, port=0, admission=Admission(aet=_AET))
    count = 0

    def feed(rng: Rng, folder: Path, armed) -> None:  # noqa: ARG001 - nothing is written
        nonlocal count
        count += 1
        with armed():
            with contextlib.suppress(OSError), socket.create_connection((_LOCAL, source.port), timeout=5.0) as peer:
                peer.settimeout(_ANSWER_S)
                conversation(rng, peer, sound)
            drained(source)
            if count % _CHECK_EVERY == 0:
                _require_served(source, sound)

    try:
        yield feed
    finally:
        source.close()


def _require_served(source, sound: bytes) -> None:
    """A well-behaved peer is told success, and its picture comes up behind what others sent before."""
    from guidance_app.sources.source import CorruptFrame, SkippedFrame, SourceTimeout

    end = time.monotonic() + _SERVED_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection((_LOCAL, source.port), timeout=5.0) as peer:
            peer.settimeout(5.0)
            answers = _say(
                peer, [associate_request(calling=b"GOOD"), command(sound), data(sound), release()], heed=True
            )
            if len(answers) == 3 and b"\0\0\0\x09\x02\0\0\0\0\0" in answers[1]:  # (0000,0900) Status 0
                break
        time.sleep(0.05)
    else:
        raise AssertionError("a well-behaved peer is not served any more")
    while time.monotonic() < end:
        with contextlib.suppress(CorruptFrame, SkippedFrame, SourceTimeout):
            if source.next_frame(0.5).sop_instance_uid == _uid_of(sound):
                return
    raise AssertionError("the picture of a well-behaved peer never comes up")


def _uid_of(sound: bytes) -> str:
    at = sound.index(struct.pack("<HH2s", 0x0008, 0x0018, b"UI"))
    (length,) = struct.unpack_from("<H", sound, at + 6)
    return sound[at + 8 : at + 8 + length].rstrip(b"\0").decode()


def _say(peer: socket.socket, pieces: list[bytes], *, heed: bool) -> list[bytes]:
    """Send; with `heed` wait for an answer where a sound peer would."""
    answers = []
    for piece in pieces:
        peer.sendall(piece)
        if (heed and piece[:1] != b"\x04") or (heed and piece[6:12].endswith(b"\x02") and piece[:1] == b"\x04"):
            answer = peer.recv(65536)
            if not answer:
                break
            answers.append(answer)
    return answers


# PDUs, PS3.8 9.3 ------------------------------------------------------------------------------------------------------
def associate_request(
    *, called: bytes = b"GUIDE", calling: bytes = b"RIG", contexts: int = 1, syntax: bytes = _EXPLICIT
) -> bytes:
    items = _item(0x10, b"1.2.840.10008.3.1.1.1")
    for index in range(contexts):
        abstract, wanted = (_XA, syntax) if index == 0 else (_VERIFICATION, _IMPLICIT)
        items += _item(
            0x20, struct.pack(">BBBB", (2 * index + 1) % 256, 0, 0, 0) + _item(0x30, abstract) + _item(0x40, wanted)
        )
    items += _item(0x50, _item(0x51, struct.pack(">I", 65536)) + _item(0x52, b"1.2.3"))
    body = struct.pack(">HH", 1, 0) + called[:16].ljust(16) + calling[:16].ljust(16) + bytes(32) + items
    return _pdu(1, body)


def command(body: bytes) -> bytes:
    """C-STORE-RQ, PS3.7 9.3.1.1."""
    uid = b"1.2.3.4\0"
    with contextlib.suppress(ValueError, struct.error):
        uid = _uid_of(body).encode()
    elements = b"".join(
        struct.pack("<HHI", 0, element, len(value) + len(value) % 2) + value + b"\0" * (len(value) % 2)
        for element, value in (
            (0x0002, _XA), (0x0100, struct.pack("<H", 1)), (0x0110, struct.pack("<H", 1)),
            (0x0700, struct.pack("<H", 0)), (0x0800, struct.pack("<H", 0)), (0x1000, uid),
        )
    )  # fmt: skip
    return fragment(struct.pack("<HHII", 0, 0, 4, len(elements)) + elements, last=True, is_command=True)


def data(body: bytes) -> bytes:
    pieces = [body[at : at + 16000] for at in range(0, len(body), 16000)] or [b""]
    return b"".join(
        fragment(piece, last=index == len(pieces) - 1, is_command=False) for index, piece in enumerate(pieces)
    )


def fragment(piece: bytes, *, last: bool, is_command: bool) -> bytes:
    control = (2 if last else 0) | (1 if is_command else 0)
    return _pdu(4, struct.pack(">IBB", len(piece) + 2, 1, control) + piece)


def release() -> bytes:
    return _pdu(5, bytes(4))


def _pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBI", kind, 0, len(body)) + body


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body)) + body


def _lying_lengths(pdu: bytes, rng: Rng) -> bytes:
    """The PDU's length, or a number somewhere in it, is another one."""
    changed = bytearray(pdu)
    if rng.random() < 0.4:
        changed[2:6] = struct.pack(">I", one_of(rng, EDGES) & 0xFFFFFFFF)
    else:
        at = int(rng.integers(6, max(7, min(len(pdu) - 4, 200))))
        size = one_of(rng, (1, 2, 4))
        changed[at : at + size] = (one_of(rng, EDGES) & ((1 << (8 * size)) - 1)).to_bytes(size, "big")
    return bytes(changed)
