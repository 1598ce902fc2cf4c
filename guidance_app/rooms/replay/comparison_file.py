"""What leaves the replay room: both answers to each frame, and how far they lie apart."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calibration.errors import InputError
from calibration.store import make_folder, write_json
from guidance_app.live.recording.recorded_screens import RecordedScreens
from guidance_app.rooms.replay.difference import Apart, median_and_most

SCHEMA = "guidance-app/side-by-side/1"
NAMES = ("comparison.json", "comparison.csv")
_HEADINGS = ("frame", "a_guidance", "a_overlay", "a_evidence", "b_guidance", "b_overlay", "b_evidence", "picture_mm",
             "space_mm")  # fmt: skip


def write_comparison(
    folder: Path,
    sides: Mapping[str, tuple[str, RecordedScreens | None]],
    away: Mapping[int, Apart],
    *,
    case: str,
    source: str,
) -> None:
    """Write `NAMES` into the folder, each of them whole.

    Args:
        sides: words and screens of "A" and "B".

    Raises:
        InputError: the folder cannot be written.
    """
    frames = max((screens.run.frame_count for _, screens in sides.values() if screens is not None), default=0)
    rows = [_row(frame, sides, away.get(frame)) for frame in range(frames)]
    make_folder(folder)
    write_json(folder / NAMES[0], {
        "schema": SCHEMA, "case": case, "source": source, "research_use_only": "not a medical device",
        "sides": {letter: words for letter, (words, _) in sides.items()},
        "frames": frames, "compared": len(away),
        "picture_mm": _figures([one.picture_mm for one in away.values()]),
        "space_mm": _figures([one.space_mm for one in away.values()]),
        "rows": [dict(zip(_HEADINGS, row, strict=True)) for row in rows],
    })  # fmt: skip
    target = folder / NAMES[1]
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with beside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(_HEADINGS)
            writer.writerows(["" if value is None else value for value in row] for row in rows)
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise InputError(f"{folder}: cannot write here ({error.strerror}); choose another folder") from error


def _row(frame: int, sides: Mapping[str, tuple[str, RecordedScreens | None]], away: Apart | None) -> list[Any]:
    """`frame` counts from 0."""
    row: list[Any] = [frame]
    for _, screens in sides.values():
        if screens is None or frame >= screens.run.frame_count:
            row += [None, None, None]
            continue
        screen = screens.sketch(frame)
        evidence = None if screen.overlay is None else screen.overlay.evidence
        row += [screen.guidance_state, screen.overlay_state, None if evidence is None else evidence.kind]
    apart = (None, None) if away is None else (round(away.picture_mm, 4), round(away.space_mm, 4))
    return [*row, *apart]


def _figures(values: list[float]) -> dict[str, float | None]:
    if not values:
        return {"median": None, "max": None}
    median, most = median_and_most(values)
    return {"median": round(median, 4), "max": round(most, 4)}
