"""What a window showed that never ended in order, and the report of how it broke."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from PyQt6.QtCore import QLockFile

from calibration.errors import GuidanceError
from guidance_app.rooms.live.shown_run import ShownRun
from guidance_app.window.last_time.crash_report import kept_report

_LOG = logging.getLogger(__name__)
NOTES, REPORTS = "windows", "crashes"


class Shown(BaseModel):
    """What a window shows; stays on this machine, as the settings do, and goes when the window ends.

    Args:
        room: its id; "" before one was entered.
        case: folder; "" without one.
        rooms: what each room keeps between two starts, by its id.
        run: what the live room shows; None where it shows nothing.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)
    schema_version: int = Field(default=1, ge=1, le=1)
    room: str = ""
    case: str = ""
    rooms: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)
    run: ShownRun | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftBehind:
    """Args:
    shown: by the newest window that did not end in order; None where all did, or where the note cannot be read.
    report: of how it broke; None where nothing was told, as when the process was killed.
    """

    shown: Shown | None = None
    report: Path | None = None


def take_left_behind(folder: Path) -> LeftBehind:
    """What windows left behind that did not end in order; each is told once, and a window that is open keeps its own.

    Args:
        folder: the data folder of the program.
    """
    shown, report = None, None
    for note in sorted((folder / NOTES).glob("*.json")):
        lock = window_lock(note)
        if not lock.tryLock(0):  # a lock whose process is gone does not hold
            continue
        try:
            shown = Shown.model_validate_json(note.read_text(encoding="utf-8"))
            report = kept_report(note.with_suffix(".crash"), folder / REPORTS) or report
        except ValidationError as error:
            _LOG.warning("%s: what the window showed cannot be read (%d faults)", note.name, error.error_count())
        except (OSError, UnicodeDecodeError, GuidanceError) as error:
            _LOG.warning("%s: what the window left behind cannot be kept: %s", note.name, error)
        note.unlink(missing_ok=True)
        note.with_suffix(".crash").unlink(missing_ok=True)
        lock.unlock()
    return LeftBehind(shown=shown, report=report)


def window_lock(note: Path) -> QLockFile:
    """Held for as long as the window of this note is open."""
    lock = QLockFile(str(note.with_suffix(".lock")))
    lock.setStaleLockTime(0)  # age proves nothing: a window may stay open for days
    return lock
