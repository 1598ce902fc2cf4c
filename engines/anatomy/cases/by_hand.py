"""What was corrected in a case by hand, kept with it line by line: when, what, and in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from calibration.errors import InputError
from calibration.store import write_json
from engines.anatomy.correcting.edits import Edit

BY_HAND_FILE = "by_hand.json"
_SCHEMA: Literal["guidance-app/case-by-hand/1"] = "guidance-app/case-by-hand/1"
_MOST_BYTES = 64 * 1024**2


class HandEntry(BaseModel):
    """One correction; `when` is a moment as ISO 8601, in UTC."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    when: str
    by: Literal["hand"] = "hand"
    words: str
    edit: Edit


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)
    schema_name: Literal["guidance-app/case-by-hand/1"] = Field(alias="schema", default=_SCHEMA)
    entries: tuple[HandEntry, ...] = ()


def read_by_hand(folder: Path) -> tuple[HandEntry, ...]:
    """All corrections of a case, the first one first; none where it has none.

    Raises:
        InputError: the list is there and cannot be read.
    """
    path = folder / BY_HAND_FILE
    if not path.is_file():
        return ()
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(
                f"{path}: {path.stat().st_size / 1e6:.0f} MB, expected a list of corrections; move it away"
            )
        return _Document.model_validate_json(path.read_bytes()).entries
    except (OSError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
        raise InputError(f"{path}: the list of corrections by hand cannot be read ({reason}); move it away") from error


def write_by_hand(folder: Path, entries: Sequence[HandEntry]) -> None:
    """Write the whole list.

    Raises:
        InputError: the disk is full.
    """
    write_json(folder / BY_HAND_FILE, _Document(entries=tuple(entries)).model_dump(mode="json", by_alias=True))


def hand_lines(entries: Sequence[HandEntry], most: int = 8) -> list[str]:
    """For a terminal: how many, and the last of them."""
    lines = [f"by hand      {one.when[:16].replace('T', ' ')}  {one.words}" for one in entries[-most:]]
    if len(entries) > most:
        lines.insert(0, f"by hand      {len(entries) - most} corrections before these; --json lists all")
    return lines
