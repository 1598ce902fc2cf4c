"""Pixels from the screen process to the engine process through shared memory.

The screen process owns the memory and removes it; the engine only looks. So an engine that is killed in the middle of a
frame leaks nothing.

Shared memory is often small (64 MB in a container), and writing to a page that it cannot give ends the process with
SIGBUS: no exception, no picture. All of it is reserved before a pixel is written; what cannot be reserved goes through
the pipe instead.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import numpy as np
from jaxtyping import UInt8, UInt16

_SLOTS = 2  # the engine may still read one frame while the next is written
_ROUND_UP_BYTES = 1 << 20
_MOUNTED = Path("/dev/shm")  # where Linux shows it as files

Pixels = UInt8[np.ndarray, "rows columns"] | UInt16[np.ndarray, "rows columns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedPixels:
    """Where a frame's pixels lie; small enough for a pipe."""

    memory: str
    offset: int
    shape_px: tuple[int, int]
    dtype: str


class FrameWriter:
    """The owning side: two slots that grow when a larger picture arrives.

    Attributes:
        short_of: why frames of the last size go through the pipe, in one line; "" while shared memory suffices.
    """

    def __init__(self) -> None:
        self._memory: SharedMemory | None = None
        self._slot_bytes = 0
        self._next_slot = 0
        self._refused_bytes = 0
        self.short_of = ""

    def write(self, pixels: Pixels) -> SharedPixels | None:
        """Copy a frame into the next slot. While the reader reads this frame, only one more may be written.

        None where there is no room for frames of this size; memory is asked for again when the size changes.
        """
        if self.short_of and pixels.nbytes == self._refused_bytes:
            return None
        self.short_of = ""
        if self._memory is None or pixels.nbytes > self._slot_bytes:
            self.close()
            self._slot_bytes = -(-pixels.nbytes // _ROUND_UP_BYTES) * _ROUND_UP_BYTES
            try:
                self._memory = _reserved(_SLOTS * self._slot_bytes)
            except OSError as error:
                self._refused_bytes = pixels.nbytes
                self.short_of = (
                    f"no shared memory for pictures of {pixels.nbytes / 2**20:.0f} MiB "
                    f"({error.strerror or type(error).__name__}; {_MOUNTED} has {_free_mib()} MiB free, "
                    f"{_SLOTS * self._slot_bytes / 2**20:.0f} are needed): they go through a pipe, which takes longer; "
                    "give a container more, as --shm-size=512m"
                )
                return None
        offset = self._next_slot * self._slot_bytes
        self._next_slot = (self._next_slot + 1) % _SLOTS
        target = np.ndarray(pixels.shape, pixels.dtype, buffer=self._memory.buf, offset=offset)
        np.copyto(target, pixels)
        return SharedPixels(
            memory=self._memory.name,
            offset=offset,
            shape_px=(pixels.shape[0], pixels.shape[1]),
            dtype=pixels.dtype.str,
        )

    def close(self) -> None:
        """Remove the memory; twice is harmless."""
        if self._memory is not None:
            self._memory.close()
            self._memory.unlink()
            self._memory = None


class FrameReader:
    """The looking side, in the engine process."""

    def __init__(self) -> None:
        self._memory: SharedMemory | None = None

    def read(self, where: SharedPixels) -> Pixels:
        """A private copy: a picture must not change under the engine when the slot is used again.

        Raises:
            FileNotFoundError: the owner has removed the memory.
        """
        if self._memory is None or self._memory.name != where.memory:
            self.close()
            self._memory = _attach(where.memory)
        shared = np.ndarray(where.shape_px, np.dtype(where.dtype), buffer=self._memory.buf, offset=where.offset)
        return shared.copy()

    def close(self) -> None:
        if self._memory is not None:
            self._memory.close()
            self._memory = None


def _reserved(size_bytes: int) -> SharedMemory:
    """Shared memory every page of which is there. Raises OSError."""
    if not hasattr(os, "posix_fallocate") or not _MOUNTED.is_dir():
        return SharedMemory(create=True, size=size_bytes)
    # Tried on a file of our own first: a `SharedMemory` that fails to be made upsets the resource tracker.
    probe, name = tempfile.mkstemp(prefix="guidance-", dir=_MOUNTED)
    try:
        os.posix_fallocate(probe, 0, size_bytes)
    finally:
        os.close(probe)
        Path(name).unlink()
    memory = SharedMemory(create=True, size=size_bytes)
    try:
        descriptor = os.open(_MOUNTED / memory.name, os.O_RDWR)
        try:
            os.posix_fallocate(descriptor, 0, size_bytes)
        finally:
            os.close(descriptor)
    except OSError:
        memory.close()
        memory.unlink()
        raise
    return memory


def _free_mib() -> str:
    try:
        space = os.statvfs(_MOUNTED)
    except (AttributeError, OSError):
        return "an unknown number of"
    return f"{space.f_bavail * space.f_frsize / 2**20:.0f}"


def _attach(name: str) -> SharedMemory:
    if sys.version_info >= (3, 13):
        return SharedMemory(name=name, track=False)
    # Before 3.13 attaching also registers the memory with the resource tracker, which the owner and its children share:
    # it would later report a leak, or remove memory that is in use. Only the owner's registration may count.
    register = resource_tracker.register
    resource_tracker.register = lambda *_: None
    try:
        return SharedMemory(name=name)
    finally:
        resource_tracker.register = register
