"""Write files completely or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from calibration.errors import InputError


def write_atomically(path: Path, writer: Callable[[Path], None]) -> None:
    """Let `writer` fill a temporary file beside `path`, then rename it to `path`; any error removes it.

    The temporary file keeps the suffixes of `path`, because many writers choose the format by them.

    Raises:
        InputError: the folder cannot be written to or the disk is full.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-", suffix=f"-{path.name}")
    except OSError as error:
        raise InputError(f"{path}: cannot write here ({error.strerror}); choose another output folder") from error
    os.close(handle)
    beside = Path(name)
    try:
        writer(beside)
        beside.chmod(0o644)
        beside.replace(path)
    except OSError as error:
        raise InputError(f"{path}: writing failed ({error.strerror or error})") from error
    finally:
        beside.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make an output folder before long work, so that an unusable one is reported at once.

    Raises:
        InputError: the folder cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()
    except OSError as error:
        raise InputError(f"{path}: cannot write here ({error.strerror}); choose another output folder") from error


def check_folder_for(path: Path) -> None:
    """Before long work, refuse a folder that could not be made; makes nothing.

    Raises:
        InputError: the nearest existing folder above it cannot be written to.
    """
    nearest = next(above for above in path.resolve().parents if above.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        why = "nothing may be made in" if nearest.is_dir() else "a file, not a folder, is"
        raise InputError(f"{path}: cannot write here ({why} {nearest}); choose another folder")


def check_place_for(path: Path) -> None:
    """Before long work, refuse a path at which the result could not be written.

    Raises:
        InputError: the path is a folder, or its parent folder cannot be made or written to.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected the name of a file; name one in it")
    make_folder(path.resolve().parent)


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes to a file completely, or write nothing."""

    def write(beside: Path) -> None:
        beside.write_bytes(content)

    write_atomically(path, write)


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically; NaN is refused, because other readers would not accept it."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    write_atomically(path, lambda beside: _write_text(beside, text))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
