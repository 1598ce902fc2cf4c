"""Finished records of any kind beside the report that will hold them, so that an interrupted evaluation goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from calibration.errors import InputError
from calibration.store import write_bytes

RecordT = TypeVar("RecordT", bound=BaseModel)


class RecordLog(Generic[RecordT]):
    """One JSON line a record, after a first line with the settings; without a path it only remembers.

    Args:
        kind: model of the records.
        report: where the finished report will lie; records lie beside it as `<name>.<called>.jsonl`.
        settings: what makes records comparable; a log of other settings is begun anew.
        called: what a record is, in the file's name and in messages.

    Raises:
        InputError: the folder cannot be written to.
    """

    def __init__(
        self, kind: type[RecordT], report: Path | None, settings: dict[str, Any],
        *, called: str = "records", progress: Callable[[str], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self.path = None if report is None else report.with_name(f"{report.name}.{called}.jsonl")
        self.records: list[RecordT] = []
        if self.path is None:
            return
        header = json.dumps({"settings": settings}, sort_keys=True)
        lines = self._lines()
        if lines and lines[0] == header:
            self.records = _read(kind, lines[1:])
            progress(f"{self.path}: going on after {len(self.records)} finished {called}")
        elif lines:
            progress(f"{self.path}: is of other settings; begun anew")
        # Written whole: the last line of a killed run may be torn.
        kept = [header, *(record.model_dump_json() for record in self.records)]
        write_bytes(self.path, ("\n".join(kept) + "\n").encode())

    def add(self, record: RecordT) -> None:
        """Remember a record, on disk at once."""
        self.records.append(record)
        if self.path is None:
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(record.model_dump_json() + "\n")
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror}); free space, start again") from error

    @staticmethod
    def remove_beside(report: Path, *, called: str = "records") -> None:
        """The report is written: the records lie in it."""
        report.with_name(f"{report.name}.{called}.jsonl").unlink(missing_ok=True)

    def _lines(self) -> list[str]:
        assert self.path is not None
        try:
            return self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{self.path}: cannot be read ({error}); remove it to begin anew") from error


def _read(kind: type[RecordT], lines: list[str]) -> list[RecordT]:
    found = []
    for line in lines:
        try:
            found.append(kind.model_validate_json(line))
        except ValidationError:
            continue  # torn by a kill
    return found
