"""What a registration on foreign runs is asked: is it right, does it know, how long does it take; one row a group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engines.evaluation.registration.foreign import kind_of_patient
from engines.evaluation.registration.trial import UNJUDGED, Trial

_RIGHT_MM, _CLOSE_MM = 5.0, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignRow:
    """Shares of all trials; of the right ones (within 5 mm) where it says so.

    Args:
        group: kind or patient.
        start: "drawn" or "radiological" (the header alone).
        accepted: of all; None of a method that gives no opinion, as the next three.
        accepted_right: accepted and right, of all.
        silent: accepted though wrong, of all.
        false_alarms: rejected though right, of the right ones.
    """

    method: str
    group: str
    start: str
    trials: int
    within_5mm: float
    within_2mm: float
    median_mm: float
    accepted: float | None
    accepted_right: float | None
    silent: float | None
    false_alarms: float | None
    seconds: float


def foreign_rows(trials: Sequence[Trial]) -> list[ForeignRow]:
    """By method, then kind and patient, then start; trials with another patient's model are left out."""
    rows = []
    own = [trial for trial in trials if not trial.model_of]
    for method in dict.fromkeys(trial.method for trial in own):
        of_method = [trial for trial in own if trial.method == method]
        patients = sorted({trial.case for trial in of_method})
        kinds = sorted({kind_of_patient(name) for name in patients})
        for group in [*kinds, *patients]:
            of_group = [t for t in of_method if group in (t.case, kind_of_patient(t.case))]
            for start in sorted({trial.start for trial in of_group}):
                rows.append(_row(method, group, start, [t for t in of_group if t.start == start]))
    return rows


def foreign_markdown(rows: Sequence[ForeignRow]) -> str:
    """The rows as a table, in percent and seconds."""
    lines = [
        "| method | runs | start | n | within 5 mm | within 2 mm | median, mm | accepted | accepted and right | silent "
        "| false alarms | seconds |",
        "| --- " * 12 + "|",
    ]
    for row in rows:
        shares = [row.within_5mm, row.within_2mm], [row.accepted, row.accepted_right, row.silent, row.false_alarms]
        close, judged = ([_percent(value) for value in values] for values in shares)
        cells = [row.method, row.group, "header" if row.start == "radiological" else row.start, str(row.trials)]
        cells += [*close, f"{row.median_mm:.2f}", *judged, f"{row.seconds:.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _row(method: str, group: str, start: str, trials: Sequence[Trial]) -> ForeignRow:
    error = np.array([np.inf if t.error_mm is None else t.error_mm for t in trials])
    right = error < _RIGHT_MM
    judged = all(trial.status != UNJUDGED for trial in trials)
    accepted = np.array([trial.status == "accepted" for trial in trials])
    rejected = np.array([trial.status == "rejected" for trial in trials])
    return ForeignRow(
        method=method,
        group=group,
        start=start,
        trials=len(trials),
        within_5mm=float(right.mean()),
        within_2mm=float((error < _CLOSE_MM).mean()),
        median_mm=float(np.median(error)),
        accepted=float(accepted.mean()) if judged else None,
        accepted_right=float((accepted & right).mean()) if judged else None,
        silent=float((accepted & ~right).mean()) if judged else None,
        false_alarms=float(rejected[right].mean()) if judged and right.any() else None,
        seconds=float(np.median([trial.elapsed_ms for trial in trials])) / 1e3,
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f}"
