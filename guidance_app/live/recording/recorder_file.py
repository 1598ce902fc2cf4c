"""The recording on the disk: an MCAP file that can be read whenever its writer dies."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from mcap.writer import CompressionType, Writer

from calibration.errors import InputError
from guidance_app.sources.recording.recording_messages import (
    ABOUT,
    FRAME_ENCODING,
    FRAMES,
    JSON_TOPICS,
    PROFILE,
    SCHEMA,
)

# CONTRACT: after a kill at most the last second is lost. A quarter of it may wait in this process, half of it in the
# system's cache (which a kill spares and a power cut does not).
FLUSH_AFTER_S = 0.25
SYNC_AFTER_S = 0.5
_CHUNK_BYTES = 8 * 1024**2


class RecordingFile:
    """Appends messages in chunks; what was flushed stays readable without the summary at the end. One thread.

    Raises:
        InputError: the file exists already or cannot be made.
        OSError: from every method, where the disk is full or fails; `abandon` keeps what is whole.
    """

    def __init__(self, path: Path, about: Mapping[str, str]) -> None:
        self.path = path
        self._file = _WholeWrites(path)
        try:
            self._writer = Writer(self._file, chunk_size=_CHUNK_BYTES, compression=CompressionType.NONE)  # type: ignore[arg-type]
            self._writer.start(profile=PROFILE)
            self._writer.add_metadata(ABOUT, {"schema": SCHEMA, **{key: _utf_8(value) for key, value in about.items()}})
            self._channels = self._registered()
            self._file.sync()
        except OSError as error:
            self.discard()
            raise InputError(f"{path}: cannot be recorded to ({error.strerror}); choose another place") from error
        self.kept_frames = 0  # that outlast this process, whatever happens to it
        self._added_frames = 0
        self._whole_bytes = self._file.tell()
        self._oldest_s: float | None = None  # when the oldest message came that still waits in this process
        self._synced_s = time.monotonic()
        self._unsynced = False

    def add(self, topic: str, time_ns: int, data: bytes, sequence: int) -> None:
        """Append a message; `time_ns` is wall clock."""
        if self._oldest_s is None:
            self._oldest_s = time.monotonic()
        self._writer.add_message(self._channels[topic], time_ns, data, time_ns, sequence)
        self._added_frames += topic == FRAMES

    def settle(self) -> None:
        """Hand to the system, and to the disk, what has waited long enough; call it often."""
        now_s = time.monotonic()
        if self._oldest_s is not None and now_s - self._oldest_s >= FLUSH_AFTER_S:
            self._flush()
        if self._unsynced and now_s - self._synced_s >= SYNC_AFTER_S:
            self._file.sync()
            self._unsynced, self._synced_s = False, time.monotonic()

    def finish(self) -> None:
        """Write the summary and close: now every MCAP reader finds its way at once."""
        self._flush()
        self._writer.finish()
        self._file.sync()
        self._file.close()

    def abandon(self) -> None:
        """Close without a summary after an error; the piece that was being written is cut off, which frees its room."""
        with contextlib.suppress(OSError):
            self._file.truncate(self._whole_bytes)
        with contextlib.suppress(OSError):
            self._file.close()

    def discard(self) -> None:
        """Close and remove a recording in which nothing was recorded."""
        with contextlib.suppress(OSError):
            self._file.close()
        self.path.unlink(missing_ok=True)

    def _flush(self) -> None:
        self._writer.flush()
        self._whole_bytes, self.kept_frames = self._file.tell(), self._added_frames
        self._oldest_s, self._unsynced = None, True

    def _registered(self) -> dict[str, int]:
        frame_schema = self._writer.register_schema(f"{SCHEMA}/frame", "", b"")
        json_schema = self._writer.register_schema(SCHEMA, "jsonschema", json.dumps({"type": "object"}).encode())
        channels = {FRAMES: self._writer.register_channel(FRAMES, FRAME_ENCODING, frame_schema)}
        for topic in JSON_TOPICS:
            channels[topic] = self._writer.register_channel(topic, "json", json_schema)
        return channels


class _WholeWrites:
    """An unbuffered file whose writes are whole or an OSError; the MCAP writer does not look at what was written."""

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise InputError(f"{path}: exists already; a recording is never overwritten, choose another name")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("xb", buffering=0)  # refuses one that has come to exist this very moment
        except OSError as error:
            raise InputError(f"{path}: cannot be recorded to ({error.strerror}); choose another place") from error
        self._bytes = 0

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        while len(rest):
            written = self._file.write(rest) or 0
            self._bytes += written
            rest = rest[written:]
        return len(data)

    def tell(self) -> int:
        return self._bytes

    def flush(self) -> None:
        """Nothing waits here."""

    def sync(self) -> None:
        os.fsync(self._file.fileno())

    def truncate(self, size: int) -> None:
        self._file.truncate(size)

    def close(self) -> None:
        self._file.close()


def _utf_8(text: str) -> str:
    """Names of files and folders may hold bytes that no text holds."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
