"""`evaluate ivus`: CCTA-IVUS registration on simulated cases with exact truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from calibration.errors import InputError

if TYPE_CHECKING:
    from engines.evaluation.ivus.study import IvusReport, IvusTask


def add_to(evaluate: typer.Typer) -> None:
    @evaluate.command()
    def ivus(
        test: int = typer.Option(60, "--test", min=0, help="Cases of unseen seeds."),
        shift: int = typer.Option(40, "--shift", min=0, help="Cases of changed physics."),
        validation: int = typer.Option(0, "--validation", min=0, help="Cases that limits may be chosen on."),
        first: int = typer.Option(0, "--first", min=0, help="First seed of each split."),
        method: list[str] = typer.Option(["ours"], "--method", help="Registration method; may be repeated."),
        contours: bool = typer.Option(False, "--contours", help="Register drawn contours too."),
        workers: int = typer.Option(0, "--workers", min=0, help="Processes of this machine; 0: this one alone."),
        cluster: str = typer.Option("", "--cluster", help="Address of a trusted Dask scheduler."),
        json_file: Path | None = typer.Option(
            None, "--json", help="Write figures and every case here; finished cases lie beside it meanwhile."
        ),
    ) -> None:
        """Success, errors in mm and degrees, trust and seconds; resumable with --json."""
        from calibration.store import check_place_for, write_json
        from engines.evaluation.cohort import Workplace
        from engines.evaluation.ivus.study import IvusTask, evaluate_ivus
        from engines.evaluation.record_log import RecordLog
        from engines.ivus.methods import check_method

        for name in method:
            check_method(name)
        counts = {"validation": validation, "test": test, "shift": shift}
        if not sum(counts.values()):
            raise InputError("evaluate ivus: no cases; give --test, --shift or --validation a number above 0")
        if json_file is not None:
            check_place_for(json_file)
        tasks: list[IvusTask] = [
            IvusTask(split=split, seed=first + number, arm=arm, method=name)
            for split, count in counts.items()
            for number in range(count)
            for arm in (("frames", "contours") if contours else ("frames",))
            for name in method
        ]
        report = evaluate_ivus(tasks, report=json_file, place=Workplace(cluster=cluster, workers=workers),
                               progress=lambda line: typer.echo(line, err=True))  # fmt: skip
        _print(report)
        if json_file is not None:
            write_json(json_file, report.model_dump(by_alias=True))
            RecordLog.remove_beside(json_file)
        if report.failures:
            raise InputError(f"{len(report.failures)} of {len(tasks)} cases failed: {report.failures[0]['reason']}")


def _print(report: IvusReport) -> None:
    for name, summary in report.summaries.items():
        success, unflagged = summary.success, summary.right_among_unflagged
        print(
            f"{name}: {summary.cases} cases, success {_percent(success.value)} "
            f"({_percent(success.low)} to {_percent(success.high)}), longitudinal "
            f"{summary.longitudinal_mm_median.value:.2f} mm, rotation {summary.rotation_deg_median.value:.0f} degrees, "
            f"flagged {_percent(summary.flagged.value)}, right among the unflagged {_percent(unflagged.value)}, "
            f"silent failures {summary.silent}, {summary.seconds_median.value:.1f} s"
        )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"
