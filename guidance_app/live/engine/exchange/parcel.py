"""Large things from one engine process to another: a cold start's pictures, a background.

A pipe would hold up its sender until the other side has read them, and the supervisor with it if that side hangs. A
file is written at once, and a full disk is an error and no signal (shared memory that is too small ends a process).
"""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_IN_MEMORY = Path("/dev/shm")  # pictures of a patient are not to reach a disk where that can be helped


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Where it lies. Whoever opens it removes it."""

    path: Path


class ParcelRoom:
    """A folder of their own for the parcels of one session; the owner clears it away.

    Args:
        folder: that another process has made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def made(cls) -> ParcelRoom:
        """A new folder, for this user alone; in memory where the system offers that."""
        within = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None
        return cls(Path(tempfile.mkdtemp(prefix="guidance-parcels-", dir=within)))

    def pack(self, content: object) -> Parcel:
        """Raises OSError where there is no room for it."""
        handle, name = tempfile.mkstemp(dir=self.folder)
        parcel = Parcel(path=Path(name))
        try:
            with os.fdopen(handle, "wb") as file:
                pickle.dump(content, file, protocol=pickle.HIGHEST_PROTOCOL)
        except OSError:
            discard(parcel)
            raise
        return parcel

    def clear_away(self) -> None:
        """Twice is harmless."""
        shutil.rmtree(self.folder, ignore_errors=True)


def opened(parcel: Parcel) -> Any:
    """What was packed; the parcel is gone afterwards.

    Raises:
        OSError: it has been cleared away.
    """
    try:
        with parcel.path.open("rb") as file:
            return pickle.load(file)
    finally:
        discard(parcel)


def discard(parcel: Parcel) -> None:
    with contextlib.suppress(OSError):
        parcel.path.unlink()
