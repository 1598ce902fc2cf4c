"""Reads a recording by walking through its chunks, so that one whose writer was killed reads like any other.

No length in the file is believed before it is held against the size of the file, and nothing but headers is read until
a message is asked for.
"""

from __future__ import annotations

import json
import struct
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64
from mcap.opcode import Opcode

from calibration.errors import InputError
from engines.angiography.run import MAX_SIDE_PX, FrameDecodeError
from guidance_app.sources.recording.recording_messages import ABOUT, FRAMES, PROFILE, SCHEMA

MAGIC = b"\x89MCAP0\r\n"
_RECORD = struct.Struct("<BQ")  # operation code, length of what follows
_CHUNK = struct.Struct("<QQQI")  # first and last time, size, checksum; then the name of the compression
_MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, two times; then the data
_SHORT = struct.Struct("<I")
_LONG = struct.Struct("<Q")
_MAX_TEXT_BYTES = 1024**2  # header, metadata and channels
_MAX_JSON_BYTES = 4 * 1024**2
_MAX_FRAME_BYTES = MAX_SIDE_PX * MAX_SIDE_PX * 2 + 1024**2
_PRIVATE_OPCODES = 0x80


class RecordingReader:
    """Where every message lies; one thread at a time.

    Attributes:
        about: what the recorder said of case, source and machine.
        complete: it was ended in order.
        notice: one line on what is missing, "" where nothing is.

    Raises:
        InputError: no recording of this program, or nothing in it can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.about: dict[str, str] = {}
        self.complete = False
        self.notice = ""
        self._topics: dict[int, str] = {}
        self._places: dict[str, _Places] = {}
        try:
            self._file = path.open("rb", buffering=4096)
        except OSError as error:
            raise InputError(f"{path}: cannot be opened ({error.strerror}); give a recording") from error
        try:
            self._size = self._file.seek(0, 2)
            self._walk()
        except InputError:
            self._file.close()
            raise
        except (OSError, ValueError) as error:
            self._file.close()
            raise InputError(f"{path.name}: cannot be read as a recording ({error})") from error

    def close(self) -> None:
        self._file.close()

    def count(self, topic: str) -> int:
        return len(self._places[topic].offsets) if topic in self._places else 0

    @property
    def topics(self) -> tuple[str, ...]:
        return tuple(self._places)

    def times_ns(self, topic: str) -> Int64[np.ndarray, " n"]:
        """Wall clock of every message."""
        places = self._places.get(topic)
        return np.array([] if places is None else places.times_ns, dtype=np.uint64).astype(np.int64)

    def frame(self, index: int, *, at_most: int = _MAX_FRAME_BYTES) -> bytes:
        """One message of `/frames`, or its beginning. Raises FrameDecodeError where it cannot be one."""
        places = self._places[FRAMES]
        if places.lengths[index] > _MAX_FRAME_BYTES:
            raise FrameDecodeError(
                f"{self.path.name}: frame {index} takes {places.lengths[index]} bytes, accepted are {_MAX_FRAME_BYTES}"
            )
        try:
            return self._at(places.offsets[index], min(places.lengths[index], at_most))
        except OSError as error:
            raise FrameDecodeError(f"{self.path.name}: frame {index} cannot be read ({error})") from error

    def messages(self, topic: str) -> Iterator[dict[str, Any]]:
        """The JSON messages of a topic in the order they were written; damaged ones are left out."""
        places = self._places.get(topic, _Places())
        for offset, length in zip(places.offsets, places.lengths, strict=True):
            if length > _MAX_JSON_BYTES:
                continue
            try:
                content = json.loads(self._at(offset, length))
            except (ValueError, RecursionError):
                continue
            if isinstance(content, dict):
                yield content

    # The walk -------------------------------------------------------------------------------------------------------
    def _walk(self) -> None:
        if self._size < len(MAGIC) or self._at(0, len(MAGIC)) != MAGIC:
            raise InputError(f"{self.path.name}: is no MCAP file; give a recording made with --record")
        position, first = len(MAGIC), True
        while position < self._size:
            record = self._record(position)
            if record is None:
                break
            opcode, begin, end = record
            if first and (opcode != Opcode.HEADER or end > self._size):
                raise InputError(f"{self.path.name}: its first record is no MCAP header; the file is damaged")
            if opcode == Opcode.CHUNK:
                self._chunk(begin, end)
            if end > self._size:
                break
            if opcode == Opcode.HEADER:
                self._check_profile(begin, end)
            elif opcode == Opcode.METADATA:
                self._metadata(begin, end)
            elif opcode == Opcode.FOOTER:
                self.complete = self._size >= end + len(MAGIC) and self._at(end, len(MAGIC)) == MAGIC
                position = end + len(MAGIC)
                break
            position, first = end, False
        if not self.complete:
            self.notice = (
                f"{self.path.name}: the recording was not ended in order; {self.count(FRAMES)} frames can be read"
                + (f", its last {self._size - position} bytes are an unfinished piece" if position < self._size else "")
            )

    def _record(self, position: int) -> tuple[int, int, int] | None:
        """(operation code, begin, end) of the record there; None where there is none, as in a torn tail."""
        if position + _RECORD.size > self._size:
            return None
        opcode, length = _RECORD.unpack(self._at(position, _RECORD.size))
        if opcode == 0 or Opcode.DATA_END < opcode < _PRIVATE_OPCODES:
            return None
        begin = position + _RECORD.size
        return opcode, begin, begin + length

    def _check_profile(self, begin: int, end: int) -> None:
        profile, _ = _text(self._short(begin, end), 0)
        if profile != PROFILE:
            writer = repr(profile) if profile else "another program"
            raise InputError(
                f"{self.path.name}: an MCAP file of {writer[:80]}, expected one of {PROFILE!r}; give a recording made "
                "with --record"
            )

    def _metadata(self, begin: int, end: int) -> None:
        content = self._short(begin, end)
        name, at = _text(content, 0)
        if name != ABOUT:
            return
        at += _SHORT.size  # length of the map, which ends with the record
        about = {}
        while at < len(content):
            key, at = _text(content, at)
            about[key], at = _text(content, at)
        if about.get("schema") != SCHEMA:
            raise InputError(
                f"{self.path.name}: schema is {about.get('schema')!r}, expected {SCHEMA!r}; replay it with the version "
                "that recorded it"
            )
        self.about = about

    def _chunk(self, begin: int, end: int) -> None:
        """Note every whole message; of a chunk that was cut off those before the cut."""
        limit = min(end, self._size)
        at = begin + _CHUNK.size
        if at + _SHORT.size > limit:
            return
        (name_length,) = _SHORT.unpack(self._at(at, _SHORT.size))
        if name_length:
            raise InputError(
                f"{self.path.name}: its chunks are compressed, so another program has rewritten it; give the recording "
                "as it was made"
            )
        at += _SHORT.size + _LONG.size
        while at < limit:
            record = self._record(at)
            if record is None or record[2] > limit:
                return
            opcode, inner, at = record
            if opcode == Opcode.CHANNEL:
                self._channel(inner, at)
            elif opcode == Opcode.MESSAGE and at - inner >= _MESSAGE.size:
                channel, _, time_ns, _ = _MESSAGE.unpack(self._at(inner, _MESSAGE.size))
                if channel in self._topics:
                    places = self._places.setdefault(self._topics[channel], _Places())
                    places.add(inner + _MESSAGE.size, at - inner - _MESSAGE.size, time_ns)

    def _channel(self, begin: int, end: int) -> None:
        content = self._short(begin, end)
        if len(content) >= 4:
            (number,) = struct.unpack_from("<H", content)
            self._topics[number], _ = _text(content, 4)

    # Bytes ----------------------------------------------------------------------------------------------------------
    def _short(self, begin: int, end: int) -> bytes:
        if end - begin > _MAX_TEXT_BYTES:
            raise InputError(f"{self.path.name}: a description of {end - begin} bytes; the file is damaged")
        return self._at(begin, end - begin)

    def _at(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        content = self._file.read(length)
        if len(content) != length:
            raise OSError(f"ends at byte {offset + len(content)}, expected {length} bytes from {offset} on")
        return content


class _Places:
    """Where the messages of one topic lie; compact, since an hour has half a million."""

    def __init__(self) -> None:
        self.offsets, self.lengths, self.times_ns = array("Q"), array("Q"), array("Q")

    def add(self, offset: int, length: int, time_ns: int) -> None:
        self.offsets.append(offset)
        self.lengths.append(length)
        self.times_ns.append(time_ns)


def is_mcap(path: Path) -> bool:
    """Whether the file begins like an MCAP file, whatever its name."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def _text(content: bytes, at: int) -> tuple[str, int]:
    """A length-prefixed text, and where it ends. Raises ValueError where it ends too early."""
    if at + _SHORT.size > len(content):
        raise ValueError("a description is cut short")
    (length,) = _SHORT.unpack_from(content, at)
    begin = at + _SHORT.size
    if begin + length > len(content):
        raise ValueError("a description is cut short")
    return content[begin : begin + length].decode("utf-8"), begin + length
