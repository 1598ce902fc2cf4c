"""Which window of this machine works on a case: a second one on the same case is told so."""

from __future__ import annotations

import hashlib
from pathlib import Path

from PyQt6.QtCore import QDir, QLockFile

_ANOTHER = "Another window has this case open too. Each has its own pose, and the one closed last keeps its settings"


class CaseClaim:
    """Held by one window; another case, or the window's end, gives the former back.

    Args:
        folder: where the claims of all windows lie; the platform's temporary folder by default.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(QDir.tempPath())
        self._held: QLockFile | None = None
        self._case = ""

    def take(self, case_folder: Path) -> str:
        """Claim the case; returns "" or one line for a person. A claim whose window has died does not count."""
        name = hashlib.sha256(str(case_folder.resolve()).encode()).hexdigest()[:24]
        if name == self._case:
            return ""
        self.give_back()
        self._case = name
        lock = QLockFile(str(self._folder / f"guidance-app-{name}.lock"))
        lock.setStaleLockTime(0)  # age proves nothing: a window may stay open for days
        if lock.tryLock(0):
            self._held = lock
            return ""
        # A folder that cannot be written tells nothing of other windows.
        return _ANOTHER if lock.error() == QLockFile.LockError.LockFailedError else ""

    def give_back(self) -> None:
        if self._held is not None:
            self._held.unlock()
        self._held, self._case = None, ""
