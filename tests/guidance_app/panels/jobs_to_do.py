"""Work that the jobs' tests run in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from calibration.errors import InputError


def write_result(folder: Path, tell: Any, *, text: str) -> None:
    tell("writing", 0.5)
    (folder / "result.txt").write_text(text)


def refuse(folder: Path, tell: Any) -> None:
    (folder / "half.txt").write_text("half")
    tell("reading", 0.1)
    raise InputError("scan.nii: is no NIfTI file")


def go_wrong(folder: Path, tell: Any) -> None:  # noqa: ARG001 - the signature of work
    raise KeyError("lumen")


def die(folder: Path, tell: Any) -> None:
    (folder / "half.txt").write_text("half")
    tell("computing", 0.2)
    os.kill(os.getpid(), 9)


def never_end(folder: Path, tell: Any, *, told: str) -> None:
    """With a child, a file in its folder and one in the place for temporary files."""
    (folder / "half.txt").write_text("half")
    handle, name = tempfile.mkstemp()
    os.close(handle)
    child = subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait()"])
    Path(told).write_text(f"{child.pid}\n{name}")
    tell("computing", 0.3)
    threading.Event().wait()
