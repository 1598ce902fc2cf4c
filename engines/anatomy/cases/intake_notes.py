"""What was assumed when a case was made, kept with it so that a person can check it later."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from calibration.store import write_json

NOTES_FILE = "notes.json"
_SCHEMA = "guidance-app/case-notes/1"
_MOST_BYTES = 1024**2


def write_notes(folder: Path, notes: Sequence[str], *, sources: Mapping[Path, str]) -> None:
    """Keep the notes without paths, which may name the patient.

    Args:
        sources: what each path that a note may hold is called instead.

    Raises:
        InputError: the disk is full.
    """
    lines = [_nameless(note, sources) for note in notes]
    write_json(folder / NOTES_FILE, {"schema": _SCHEMA, "notes": lines})


def read_notes(folder: Path) -> tuple[str, ...]:
    """The notes of a case; none where it has none, or they cannot be read: they are said beside the model only."""
    path = folder / NOTES_FILE
    try:
        if path.stat().st_size > _MOST_BYTES:
            return ()
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return ()
    if not isinstance(content, dict) or content.get("schema") != _SCHEMA:
        return ()
    lines: Iterable[object] = content.get("notes") or ()
    return tuple(line for line in lines if isinstance(line, str)) if isinstance(lines, list) else ()


def _nameless(note: str, sources: Mapping[Path, str]) -> str:
    for path, word in sorted(sources.items(), key=lambda item: -len(str(item[0]))):
        for text in (str(path), path.name):
            note = note.replace(text, word)
    return " ".join(note.split())
