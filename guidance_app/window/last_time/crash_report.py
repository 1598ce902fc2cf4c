"""A report of how the program broke, kept on this machine and never sent, without patient text or paths."""

from __future__ import annotations

import faulthandler
import logging
import platform
import re
import sys
import threading
import time
import traceback
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TextIO

from calibration.store import write_atomically

_LOG = logging.getLogger(__name__)
_MOST_REPORTS = 5
_MOST_CHARACTERS = 60_000
_OF_THE_PROGRAM = re.compile(r"(?:guidance_app|engines|calibration|site-packages|lib/python3\.\d+)[\\/].*")
_QUOTED_PATH = re.compile(r'"(?:[A-Za-z]:)?[\\/][^"\n]*"')  # a path in quotes may hold blanks
_BARE_PATH = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?[\\/][^\s\"',;)\]]+")
_END_OF_HEAD = "---\n"
_OF_QT = "Qt:"


class CrashWatch:
    """From `begin` on, a crash of Python, of a thread, of Qt or of native code is written to a file.

    What exceptions say is left out, since it may name a patient or a file; their kinds and the lines of code stay.

    Args:
        path: of the file; where it cannot be written there will be no report.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._thread_hook = threading.excepthook
        self._telling = threading.RLock()
        self._faults_told_before = False

    def begin(self) -> None:
        try:
            self._file = self._path.open("w", encoding="utf-8")
            self._file.write(f"{_about_the_machine()}{_END_OF_HEAD}")
            self._file.flush()
        except OSError as error:
            _LOG.warning("%s: a crash would leave no report (%s)", self._path, error.strerror)
            return
        self._faults_told_before = faulthandler.is_enabled()
        faulthandler.enable(self._file, all_threads=True)
        self._thread_hook, threading.excepthook = threading.excepthook, self._thread_broke

    def tell(self, error: BaseException, where: str = "the window") -> None:
        """Put this error into the report."""
        lines = [
            f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
        ]
        self._write("\n".join([f"{type(error).__name__} in {where}; what it said is left out", *lines]))

    def qt_says(self, text: str) -> None:
        """Qt complained: no reason for a report, and part of one where something breaks."""
        self._write(f"{_OF_QT} {' '.join(text.split())}")

    def _write(self, text: str) -> None:
        with self._telling:
            if self._file is not None:
                self._file.write(f"{text}\n")
                self._file.flush()

    def end(self) -> None:
        """Watch no more; the file stays. Twice is harmless."""
        with self._telling:
            if self._file is None:
                return
            faulthandler.disable()
            if self._faults_told_before:
                faulthandler.enable()
            threading.excepthook = self._thread_hook
            self._file.close()
            self._file = None

    def _thread_broke(self, broke: threading.ExceptHookArgs) -> None:
        if broke.exc_value is not None:
            self.tell(broke.exc_value, f"thread {broke.thread.name if broke.thread is not None else ''}")
        self._thread_hook(broke)


def kept_report(raw: Path, folder: Path) -> Path | None:
    """Keep what a watch wrote as a report for a person, if it wrote anything; the raw file goes.

    Returns:
        The report in `folder`, which holds the newest five; None where nothing was told.

    Raises:
        InputError: the report cannot be written.
    """
    try:
        text = raw.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    about, _, told = text.partition(_END_OF_HEAD)
    if all(line.startswith(_OF_QT) for line in told.split("\n") if line.strip()):
        raw.unlink(missing_ok=True)
        return None
    path = folder / f"crash-{raw.stem}.txt"
    clean = "\n".join(without_private(line) for line in told[:_MOST_CHARACTERS].splitlines())
    write_atomically(path, lambda beside: _put(beside, f"{about}\n{clean}\n"))
    raw.unlink(missing_ok=True)
    for old in sorted(folder.glob("crash-*.txt"))[:-_MOST_REPORTS]:
        old.unlink(missing_ok=True)
    return path


def without_private(line: str) -> str:
    """The line with files of the program named from its own root, and every other path left out."""
    return _BARE_PATH.sub(_from_root, _QUOTED_PATH.sub(lambda found: f'"{_from_root(found)}"', line))


def _from_root(found: re.Match[str]) -> str:
    path = found.group().strip('"')
    own = _OF_THE_PROGRAM.search(path)
    return own.group() if own is not None and path.partition(":")[0].endswith(".py") else "(a path)"


def _about_the_machine() -> str:
    try:
        release = version("guidance-app")
    except PackageNotFoundError:
        release = "unknown"
    return (
        "Crash report of the guidance app. Research use only. Not a medical device.\n"
        "It stays on this computer, and nobody was sent it. Paths and what errors said are left out.\n"
        f"{time.strftime('%Y-%m-%d %H:%M')}  version {release}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, {sys.platform}\n"
    )


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
