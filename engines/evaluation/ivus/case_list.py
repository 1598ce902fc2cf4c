"""Registrations of a whole list of patients: one task a case, resumable, a failure costs its own case alone."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibration.errors import InputError
from calibration.store import make_folder, write_bytes, write_json
from engines.evaluation.cohort import Workplace, run_cohort

_COLUMNS = ("id", "cta", "centerline")
_SUMMARY = (
    "id", "status", "confidence", "flags", "direction", "handedness", "offset_mm", "rotation_deg", "elapsed_ms",
    "reason",
)  # fmt: skip
_FAILURE = "failure.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCase:
    """One row of the list; paths are absolute, so that a worker elsewhere finds them too."""

    id: str
    cta: str
    centerline: str
    pullback: str
    contours: str
    out: str
    method: str = "ours"


def read_case_list(path: Path, out: Path, *, method: str) -> tuple[ListedCase, ...]:
    """Rows of a CSV with columns id, cta, centerline, and pullback or contours; paths relative to the list.

    Raises:
        InputError: a column or a value is missing, or an id comes twice or is no plain name.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")), skipinitialspace=True))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error})") from error
    if not rows:
        raise InputError(f"{path}: holds no cases; expected columns id, cta, centerline, pullback or contours")
    cases = []
    for number, row in enumerate(rows, start=2):
        values = {
            str(key).strip().lower(): (value or "").strip() for key, value in row.items() if isinstance(value, str)
        }
        missing = [name for name in _COLUMNS if not values.get(name)]
        if missing or bool(values.get("pullback")) == bool(values.get("contours")):
            what = f"has no {missing[0]}" if missing else "needs a pullback or contours, not both"
            raise InputError(f"{path}: line {number} {what}; columns are id, cta, centerline, pullback or contours")
        name = values["id"]
        if name != Path(name).name or name.startswith(".") or any(case.id == name for case in cases):
            raise InputError(f"{path}: line {number}: id {name!r} comes twice or is no plain name; give each its own")
        places = {
            key: str((path.resolve().parent / values[key]).resolve()) if values.get(key) else ""
            for key in ("cta", "centerline", "pullback", "contours")
        }
        cases.append(ListedCase(id=name, out=str(out.resolve() / name), method=method, **places))
    return tuple(cases)


def register_listed(case: ListedCase, emit: Callable[[dict[str, Any]], None]) -> None:
    """One task: read, register, write; runs on any worker."""
    from engines.anatomy.files.ct import load_ct
    from engines.ivus.files.contour_tables import read_contours
    from engines.ivus.files.open_pullback import open_pullback
    from engines.ivus.files.result_files import write_result
    from engines.ivus.files.vessel_line import check_inside, load_vessel_line
    from engines.ivus.methods import register_by

    ct = load_ct(case.cta)
    line = load_vessel_line(case.centerline)
    check_inside(line, ct, case.centerline)
    source = read_contours(case.contours) if case.contours else open_pullback(case.pullback)
    fusion = register_by(case.method, ct, line, source)
    write_result(Path(case.out), fusion, ct, source)
    emit({"id": case.id})


def run_case_list(
    cases: Sequence[ListedCase], out: Path, place: Workplace, progress: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Do what is not done yet and write `summary.csv`; rows in the order of the list.

    Raises:
        InputError: the folder cannot be written to, or the cluster went away.
    """
    make_folder(out)
    left = [case for case in cases if not (Path(case.out) / "result.json").exists()]
    if len(left) < len(cases):
        progress(f"{len(cases) - len(left)} of {len(cases)} cases were done before")
    run_cohort(register_listed, left, _Listener(len(left), progress), place)
    rows = [_row(case) for case in cases]
    text = io.StringIO()
    table = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_bytes(out / "summary.csv", text.getvalue().encode())
    return rows


class _Listener:
    def __init__(self, count: int, progress: Callable[[str], None]) -> None:
        self._count, self._done, self._progress = count, 0, progress

    def item(self, task: ListedCase, item: dict[str, Any]) -> None:
        """The files were written where the case was computed."""

    def finished(self, task: ListedCase) -> None:
        (Path(task.out) / _FAILURE).unlink(missing_ok=True)
        self._tell(task, "done")

    def failed(self, task: ListedCase, reason: str) -> None:
        write_json(Path(task.out) / _FAILURE, {"id": task.id, "reason": reason})
        self._tell(task, f"failed: {reason}")

    def note(self, text: str) -> None:
        self._progress(text)

    def _tell(self, task: ListedCase, text: str) -> None:
        self._done += 1
        self._progress(f"{self._done}/{self._count} {task.id}: {text}")


def _row(case: ListedCase) -> dict[str, Any]:
    folder = Path(case.out)
    row: dict[str, Any] = dict.fromkeys(_SUMMARY, "") | {"id": case.id, "status": "failed"}
    if (folder / "result.json").exists():
        result = json.loads((folder / "result.json").read_text())
        best = result["candidates"][0] if result["candidates"] else {}
        row |= {"status": "flagged" if result["flags"] else "trusted", "flags": " ".join(result["flags"])}
        row |= {name: result[name] for name in ("confidence", "direction", "handedness", "elapsed_ms")}
        row |= {name: best.get(name, "") for name in ("offset_mm", "rotation_deg")}
    elif (folder / _FAILURE).exists():
        row["reason"] = json.loads((folder / _FAILURE).read_text())["reason"]
    return row
