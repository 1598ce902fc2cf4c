"""`evaluate correlation-protocol`: learnt and classical similarities from far starts, with and without evolution."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from calibration.errors import InputError

if TYPE_CHECKING:
    from engines.evaluation.correlation.protocol_figures import ProtocolReport
    from engines.evaluation.statistics import Interval

_ROWS = [
    "initial", "cma-es", "gradient-ncc", "gradient-ncc-cma-es", "prost", "prost-cma-es", "correlation",
    "correlation-cma-es",
]  # fmt: skip


def add_to(evaluate: typer.Typer) -> None:
    @evaluate.command("correlation-protocol")
    def correlation_protocol(
        cases: int = typer.Option(40, "--cases", min=1, help="Cases; the published protocol has 500."),
        variant: str = typer.Option("P1", "--variant", help="P1: start drawn; P2: target too; P3: pivot 360 mm away."),
        row: list[str] = typer.Option(_ROWS, "--row", help="Line of the table; may be repeated."),
        reference: str = typer.Option("cma-es", "--reference", help="Row that the others are compared with, paired."),
        weights: Path | None = typer.Option(None, "--weights", help="Folder of similarities trained here."),
        steps: int = typer.Option(60, min=1, help="Descent steps."),
        generations: tuple[int, int] = typer.Option((40, 20), help="Of the evolution, at 64 px and on finer pictures."),
        fine_px: int = typer.Option(128, min=32, help="Size of the finer pictures."),
        seed: int = typer.Option(0, "--seed", help="Of patients, pictures and starts."),
        threads: int = typer.Option(1, min=1, help="Of torch."),
        table: Path | None = typer.Option(None, "--table", help="Write the rows side by side here (Markdown)."),
        json_file: Path | None = typer.Option(
            None, "--json", help="Write figures and trials here; finished trials lie beside it meanwhile."
        ),
    ) -> None:
        """Top-95/75/50 % mTRE, success, projection distance and times on held-out simulated patients; resumable."""
        import torch

        from calibration.store import write_bytes, write_json
        from engines.evaluation.correlation.protocol_report import protocol_report, protocol_settings, protocol_table
        from engines.evaluation.correlation.protocol_rows import REFERENCE, protocol_rows
        from engines.evaluation.correlation.protocol_trials import ProtocolLog, run_protocol, variant_named
        from engines.registration.correlation.descent import DescentOptions
        from engines.registration.methods.cma_es import CmaEsOptions

        chosen, names = variant_named(variant), list(dict.fromkeys(row))
        if reference != REFERENCE and reference not in names:
            raise InputError(f"--reference {reference}: not among the rows; there are {', '.join(names)}")
        torch.set_num_threads(threads)
        descent = DescentOptions(steps=steps)
        evolution = CmaEsOptions(coarse=generations[0], fine=generations[1], fine_px=fine_px)
        rows = protocol_rows(names, folder=weights, descent=descent, evolution=evolution)
        settings = protocol_settings(chosen, seed, descent, evolution)
        log = ProtocolLog(json_file, settings)
        trials = run_protocol(
            rows, variant=chosen, cases=cases, seed=seed, log=log, progress=lambda line: typer.echo(line, err=True)
        )
        report = protocol_report(trials, variant=chosen, seed=seed, settings=settings, reference=reference)
        _print(report)
        if table is not None:
            write_bytes(table, protocol_table(report).encode())
        if json_file is not None:
            write_json(json_file, report.model_dump(by_alias=True))


def _print(report: ProtocolReport) -> None:
    for name, row in report.rows.items():
        top = ", ".join(f"top {100 * best.share:.0f} % {best.mean:.1f} +- {best.sd:.1f}" for best in row.best)
        print(
            f"{name}: {row.cases} cases, {top} mm; "
            f"median {row.mtre_mm.value:.1f}, 95 % below {row.mtre_p95_mm:.0f} mm; "
            f"within 10 mm {_percent(row.within_10mm)}, within 5 mm {_percent(row.within_5mm)}; "
            f"projected {row.mpd_mm.value:.1f} mm; {row.seconds.value:.1f} s"
        )
    for name, gain in report.against_reference.items():
        points, mtre = gain.success_points, gain.mtre_mm
        print(
            f"{name} against {report.reference}: {points.value:+.0f} points within 10 mm "
            f"({points.low:+.0f} to {points.high:+.0f}), mTRE lower by {mtre.value:.1f} mm "
            f"({mtre.low:.1f} to {mtre.high:.1f}), {gain.cases} cases"
        )


def _percent(share: Interval) -> str:
    if share.value is None or share.low is None or share.high is None:
        return "-"
    return f"{100 * share.value:.0f} % ({100 * share.low:.0f}-{100 * share.high:.0f})"
