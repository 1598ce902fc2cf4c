"""`cmr fuse --list`: many cases, resumable; a case that fails is listed and stops nothing."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibration.errors import InputError
from calibration.store import make_folder, write_bytes
from engines.cmr.arms import DEFAULT, Arms
from engines.evaluation.cohort import Workplace, run_cohort

_COLUMNS = ("id", "cta", "ct_masks", "coronaries", "perfusion")
_NEEDED = ("id", "cta", "perfusion")


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionTask:
    """One row of the list; paths are as the caller's folder has them."""

    case: str
    cta: str
    perfusion: str
    ct_masks: str
    coronaries: str
    out: str
    arms: Arms = DEFAULT


def read_list(path: Path, out: Path, arms: Arms = DEFAULT) -> list[FusionTask]:
    """Rows of the list; relative paths are relative to the list's own folder where they exist there.

    Raises:
        InputError: not readable, a column missing, an id missing, doubled, or no name of a folder.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); expected CSV with columns {','.join(_COLUMNS)}") from error
    rows = list(csv.DictReader(io.StringIO(text)))
    if not rows:
        raise InputError(f"{path}: holds no cases; expected a header {','.join(_COLUMNS)} and one row a case")
    if missing := [name for name in _NEEDED if name not in (rows[0] or {})]:
        raise InputError(f"{path}: has no column {', '.join(missing)}; expected {','.join(_COLUMNS)}")

    def place(text: str | None) -> str:
        words = (text or "").strip()
        beside = path.parent / words
        return str(beside if words and not Path(words).exists() and beside.exists() else words)

    tasks = []
    for number, row in enumerate(rows, start=2):
        case = (row["id"] or "").strip()
        if not case or case in (".", "..") or any(mark in case for mark in "/\\\0"):
            raise InputError(f"{path}: line {number} has the id {case!r}; expected a word that can name a folder")
        tasks.append(
            FusionTask(
                case=case,
                cta=place(row["cta"]),
                perfusion=place(row["perfusion"]),
                ct_masks=place(row.get("ct_masks")),
                coronaries=place(row.get("coronaries")),
                out=str((out / case).resolve()),
                arms=arms,
            )
        )
    names = [task.case for task in tasks]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{path}: the id {doubled[0]!r} stands in several lines; give each case its own")
    return tasks


def fuse_cohort(
    cases: Path,
    out: Path,
    *,
    workers: int = 0,
    cluster: str = "",
    arms: Arms = DEFAULT,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Fuse every case of a list that has no `result.json` yet, then write `summary.csv`.

    Raises:
        InputError: the list cannot be used, or the cluster went away.
    """
    tell = say or (lambda _text: None)
    make_folder(out)
    tasks = read_list(cases, out, arms)
    place = Workplace(cluster=cluster, workers=workers)
    left = [task for task in tasks if not (Path(task.out) / "result.json").exists()]
    if len(left) < len(tasks):
        tell(f"{len(tasks) - len(left)} cases are done already")
    listener = _Listener(tell, len(left))
    run_cohort(fuse_task, left, listener, place)
    _write_summary(out / "summary.csv", tasks, listener.failures)
    done = sum((Path(task.out) / "result.json").exists() for task in tasks)
    return {
        "schema": "guidance-app/cmr-cohort/1",
        "cases": len(tasks),
        "done": done,
        "failed": [{"id": name, "reason": reason} for name, reason in listener.failures.items()],
    }


def fuse_task(task: FusionTask, emit: Callable[[str], None]) -> None:
    """On a worker: one case from files to files."""
    from engines.cmr.fuse_files import fuse_files

    fuse_files(
        Path(task.cta),
        Path(task.perfusion),
        Path(task.out),
        ct_masks=Path(task.ct_masks) if task.ct_masks else None,
        coronaries=Path(task.coronaries) if task.coronaries else None,
        arms=task.arms,
    )
    emit(task.case)


class _Listener:
    def __init__(self, tell: Callable[[str], None], count: int) -> None:
        self.tell, self.count, self.seen = tell, count, 0
        self.failures: dict[str, str] = {}

    def item(self, task: FusionTask, item: str) -> None:
        del task, item

    def finished(self, task: FusionTask) -> None:
        self.seen += 1
        self.tell(f"{self.seen}/{self.count} {task.case}: done")

    def failed(self, task: FusionTask, reason: str) -> None:
        self.seen += 1
        self.failures[task.case] = reason
        self.tell(f"{self.seen}/{self.count} {task.case}: {reason}")

    def note(self, text: str) -> None:
        self.tell(text)


def _write_summary(path: Path, tasks: list[FusionTask], failures: Mapping[str, str]) -> None:
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(
        [
            "id",
            "status",
            "reason",
            "flags",
            "dice_reoriented",
            "dice_registered",
            "lowest_relative_upslope",
            "stenoses",
            "matched",
            "unmatched_lesions",
            "unmatched_defects",
            "seconds",
        ]
    )
    for task in tasks:
        file = Path(task.out) / "result.json"
        if not file.exists():
            table.writerow([task.case, "failed", failures.get(task.case, "not run"), *[""] * 9])
            continue
        found = json.loads(file.read_text(encoding="utf-8"))
        upslopes = [
            one["relative_upslope"] for one in found["segments"].values() if one["relative_upslope"] is not None
        ]
        verdicts = [one["verdict"] for one in found["stenoses"]]
        table.writerow(
            [
                task.case,
                "done",
                "",
                " ".join(found["flags"]),
                found["dice"]["reoriented"],
                found["dice"]["registered"],
                min(upslopes, default=""),
                len(verdicts),
                verdicts.count("matched"),
                verdicts.count("unmatched_lesion"),
                len(found["unmatched_defects"]),
                round(found["elapsed_ms"] / 1000.0, 1),
            ]
        )
    write_bytes(path, stream.getvalue().encode())
