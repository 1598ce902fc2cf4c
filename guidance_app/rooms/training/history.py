"""What trainees have done, by pseudonym, in one SQLite file that is whole after a kill."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar, get_args

from calibration.errors import InputError
from calibration.store import write_bytes
from guidance_app.views.palette import RESEARCH_LINE

VERSION = 1
ExerciseName = Literal["by-hand", "right-or-wrong", "projection"]
EXERCISES: tuple[ExerciseName, ...] = get_args(ExerciseName)
_APPLICATION_ID = 0x6775_6964  # "guid": tells the file from another program's
_PSEUDONYM = re.compile(r"[A-Za-z0-9_-]{1,24}")
_TABLE = """
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    pseudonym TEXT NOT NULL,
    exercise TEXT NOT NULL,
    began_utc TEXT NOT NULL,
    case_mark TEXT NOT NULL,
    run INTEGER NOT NULL,
    frame INTEGER NOT NULL,
    reference TEXT NOT NULL,
    confidence REAL NOT NULL,
    level TEXT NOT NULL,
    seed INTEGER NOT NULL,
    seconds REAL NOT NULL,
    score REAL NOT NULL,
    unit TEXT NOT NULL,
    figures TEXT NOT NULL
)"""
_COLUMNS = (
    "pseudonym", "exercise", "began_utc", "case_mark", "run", "frame", "reference", "confidence", "level", "seed",
    "seconds", "score", "unit",
)  # fmt: skip
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One finished exercise. Nothing here is text of a patient: the case is a bundled id or a hash, the run a number.

    Args:
        began_utc: to the second, as "2026-03-01T09:30:00Z".
        reference: `truth`, `registration`, or `model` where the right answer follows from the model alone.
        confidence: of that reference.
        score: what progress is drawn from, in `unit`.
        figures: all numbers of the score by name.
        id: in the file; 0 before it is kept.
    """

    pseudonym: str
    exercise: ExerciseName
    began_utc: str
    case_mark: str
    run: int
    frame: int
    reference: str
    confidence: float
    level: str
    seed: int
    seconds: float
    score: float
    unit: str
    figures: Mapping[str, float]
    id: int = 0


def checked_pseudonym(text: str) -> str:
    """Raises InputError for one that cannot be kept."""
    if not _PSEUDONYM.fullmatch(text):
        raise InputError(f"pseudonym {text[:30]!r}: expected 1 to 24 letters, digits, - or _; not your own name")
    return text


def utc_now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class TrainingHistory:
    """Every attempt is on the disk when `add` returns. To be used from one thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.moved_aside = ""

    def add(self, attempt: Attempt) -> None:
        """Keep an attempt.

        Raises:
            InputError: it cannot be kept: a file of a later version, a full disk, no permission.
        """
        self.add_all((attempt,))

    def add_all(self, attempts: Iterable[Attempt]) -> None:
        """Keep all or none; as `add`."""
        rows = [
            (*(getattr(one, name) for name in _COLUMNS), json.dumps(dict(one.figures), allow_nan=False))
            for one in attempts
        ]

        def work(base: sqlite3.Connection) -> None:
            marks = ", ".join("?" * (len(_COLUMNS) + 1))
            with base:
                base.executemany(f"INSERT INTO attempts ({', '.join(_COLUMNS)}, figures) VALUES ({marks})", rows)

        self._with_base(work)

    def attempts(self, pseudonym: str) -> tuple[Attempt, ...]:
        """Of one trainee, oldest first. Raises InputError where the file cannot be read."""

        def work(base: sqlite3.Connection) -> tuple[Attempt, ...]:
            sql = f"SELECT id, figures, {', '.join(_COLUMNS)} FROM attempts WHERE pseudonym = ? ORDER BY id"
            return tuple(
                Attempt(id=row[0], figures=json.loads(row[1]), **dict(zip(_COLUMNS, row[2:], strict=True)))
                for row in base.execute(sql, (pseudonym,))
            )

        return self._with_base(work) if self.path.is_file() else ()

    def pseudonyms(self) -> tuple[str, ...]:
        """Everybody who has an attempt here. Raises InputError where the file cannot be read."""

        def work(base: sqlite3.Connection) -> tuple[str, ...]:
            return tuple(row[0] for row in base.execute("SELECT DISTINCT pseudonym FROM attempts ORDER BY pseudonym"))

        return self._with_base(work) if self.path.is_file() else ()

    def delete(self, pseudonym: str) -> tuple[Attempt, ...]:
        """Forget a trainee, and overwrite what the file held of him; returns it, so that it can be taken back.

        Raises:
            InputError: the file cannot be changed.
        """
        gone = self.attempts(pseudonym)

        def work(base: sqlite3.Connection) -> None:
            with base:
                base.execute("DELETE FROM attempts WHERE pseudonym = ?", (pseudonym,))

        if gone:
            self._with_base(work)
        return tuple(replace(one, id=0) for one in gone)

    def export(self, path: Path, pseudonym: str) -> int:
        """Write a trainee's attempts as CSV; every row carries the research line. Returns how many.

        Raises:
            InputError: the history cannot be read or the file not written.
        """
        attempts = self.attempts(pseudonym)
        names = sorted({name for one in attempts for name in one.figures})
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*_COLUMNS, *names, "note"])
        for one in attempts:
            figures = [one.figures.get(name, "") for name in names]
            writer.writerow([*(getattr(one, name) for name in _COLUMNS), *figures, RESEARCH_LINE])
        write_bytes(path, text.getvalue().encode())
        return len(attempts)

    def _with_base(self, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._opened()) as base:
                return work(base)
        except OSError as error:
            raise InputError(f"training history {self.path}: cannot be written ({error.strerror})") from error
        except sqlite3.Error as error:
            raise InputError(
                f"training history {self.path}: {error}; free some space or mend the folder, nothing in it was changed"
            ) from error

    def _opened(self) -> sqlite3.Connection:
        """The file, made where there is none; one that is no database of ours is moved aside."""
        base = sqlite3.connect(self.path, timeout=5.0)
        try:
            base.execute("PRAGMA synchronous = FULL")  # an attempt that is told as kept survives a power cut too
            base.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
            version = base.execute("PRAGMA user_version").fetchone()[0]
            owner = base.execute("PRAGMA application_id").fetchone()[0]
        except sqlite3.DatabaseError as error:
            base.close()
            if "not a database" not in str(error) and "malformed" not in str(error):
                raise
            return self._begun_anew(str(error))
        if version > VERSION:
            base.close()
            raise InputError(
                f"training history {self.path}: is of a later version ({version}, this program writes {VERSION}); it "
                "is kept as it is, and nothing is added: use the later program, or move the file away"
            )
        if version == 0:
            if owner not in (0, _APPLICATION_ID) or base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                base.close()
                return self._begun_anew("of another program")
            with base:
                base.execute(_TABLE)
                base.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                base.execute(f"PRAGMA user_version = {VERSION}")
        return base

    def _begun_anew(self, why: str) -> sqlite3.Connection:
        aside = self.path.with_name(f"{self.path.stem}.bad-{time.strftime('%Y%m%d-%H%M%S')}{self.path.suffix}")
        self.path.replace(aside)
        self.moved_aside = f"The training history could not be read ({why}); it is now {aside.name}, a new one begins"
        return self._opened()
