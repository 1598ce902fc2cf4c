"""The report of the correlation protocol."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from engines.evaluation.correlation.protocol_figures import ProtocolReport, compared, row_figures
from engines.evaluation.correlation.protocol_rows import REFERENCE
from engines.evaluation.correlation.protocol_trials import PATIENTS, ProtocolTrial, Variant
from engines.evaluation.statistics import Interval
from engines.inference.machine import this_machine
from engines.registration.correlation.descent import DescentOptions
from engines.registration.methods.cma_es import CmaEsOptions


def protocol_settings(variant: Variant, seed: int, descent: DescentOptions, evolution: CmaEsOptions) -> str:
    """The settings that must be equal for finished trials to be reused; rows and cases may differ."""
    return json.dumps(
        {"variant": variant, "seed": seed, "descent": asdict(descent), "evolution": asdict(evolution)}, sort_keys=True
    )


def protocol_report(
    trials: Sequence[ProtocolTrial], *, variant: Variant, seed: int, settings: str, reference: str = REFERENCE
) -> ProtocolReport:
    """Figures of every row and its gain over the reference row, if that was run; by default evolution alone."""
    rows = {name: [trial for trial in trials if trial.row == name] for name in dict.fromkeys(t.row for t in trials)}
    compared_with = rows.get(reference, [])
    return ProtocolReport(
        machine=this_machine(),
        seed=seed,
        variant=variant,
        data=(
            f"{PATIENTS} simulated patients (heads and chests in turn, frontal and lateral) of held-out seeds; "
            "pictures by the simulator's own integrator and physics, the moved CT by the slice renderer; "
            "no real picture"
        ),
        settings={key: json.dumps(value) for key, value in json.loads(settings).items()},
        reference=reference,
        rows={name: row_figures(found) for name, found in rows.items()},
        against_reference={
            name: compared(found, compared_with) for name, found in rows.items() if compared_with and name != reference
        },
        trials=list(trials),
    )


def protocol_table(report: ProtocolReport) -> str:
    """A Markdown table: errors in mm, shares in % with 95 % intervals, and the paired gain over the reference."""
    lines = [
        "| row | n | top 95 % | top 75 % | top 50 % | median mTRE | 95th percentile | within 10 mm | over patients "
        f"| within 5 mm | projected | seconds | points over {report.reference} |",
        f"|{' --- |' * 13}",
    ]
    for name, row in report.rows.items():
        gain = report.against_reference.get(name)
        cells = [
            name, str(row.cases), *(f"{best.mean:.1f} ± {best.sd:.1f}" for best in row.best),
            _shown(row.mtre_mm, "{:.1f}"), f"{row.mtre_p95_mm:.0f}", _shown(row.within_10mm, "{:.0f}", 100.0),
            _span(row.within_10mm_over_patients, "{:.0f}", 100.0), _shown(row.within_5mm, "{:.0f}", 100.0),
            _shown(row.mpd_mm, "{:.1f}"), _number(row.seconds.value),
            "-" if gain is None else _shown(gain.success_points, "{:+.0f}"),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _shown(found: Interval, form: str, scale: float = 1.0) -> str:
    return "-" if found.value is None else f"{form.format(scale * found.value)} {_span(found, form, scale)}"


def _span(found: Interval, form: str, scale: float) -> str:
    if found.low is None or found.high is None:
        return "-"
    return f"({form.format(scale * found.low)} to {form.format(scale * found.high)})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
