"""Folders for what is passing through, which may hold pictures of a patient: none outlives its process for long."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

import psutil

_NAME = re.compile(r"guidance-[a-z]+-(\d+)-\w+")


def scratch_folder(what: str) -> Path:
    """A new folder that only this user can read; whoever asks removes it.

    Args:
        what: a word of small letters, for the name.
    """
    return Path(tempfile.mkdtemp(prefix=f"guidance-{what}-{os.getpid()}-"))


def sweep_scratch() -> list[Path]:
    """Remove such folders of this user whose process is gone, as after a kill; returns what was removed."""
    removed = []
    for path in Path(tempfile.gettempdir()).glob("guidance-*"):
        found = _NAME.fullmatch(path.name)
        if found is None or path.is_symlink() or not _is_own(path) or psutil.pid_exists(int(found.group(1))):
            continue
        shutil.rmtree(path, ignore_errors=True)
        removed.append(path)
    return removed


def _is_own(path: Path) -> bool:
    try:
        return not hasattr(os, "getuid") or path.stat().st_uid == os.getuid()
    except OSError:
        return False
