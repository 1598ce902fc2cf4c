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
        wide: int = typer.Option(0, "--wide", min=0, help="Cases of any physics, as networks and trust learn from."),
        first: int = typer.Option(0, "--first", min=0, help="First seed of each split."),
        method: list[str] = typer.Option(["ours"], "--method", help="Registration method; may be repeated."),
        compare: list[str] = typer.Option(
            [], "--compare", help="METHOD=TEST,SHIFT: another method on the first cases of both alone; may be repeated."
        ),
        gating: int = typer.Option(0, "--gating", min=0, help="Runs that were not gated, of test and of shift each."),
        contours: bool = typer.Option(False, "--contours", help="Register drawn contours too."),
        workers: int = typer.Option(0, "--workers", min=0, help="Processes of this machine; 0: this one alone."),
        cluster: str = typer.Option("", "--cluster", help="Address of a trusted Dask scheduler."),
        json_file: Path | None = typer.Option(
            None, "--json", help="Write figures and every case here; finished cases lie beside it meanwhile."
        ),
        figure: Path | None = typer.Option(
            None, "--figure", help="Draw risk against coverage and the reliability of the confidence as PNG."
        ),
    ) -> None:
        """Success, errors in mm and degrees, trust and seconds; resumable with --json."""
        from calibration.store import check_place_for, write_atomically, write_json
        from engines.evaluation.cohort import Workplace
        from engines.evaluation.ivus.study import IvusTask, evaluate_ivus
        from engines.evaluation.record_log import RecordLog
        from engines.ivus.methods import EVERY_METHOD, check_method

        few = [_parsed(text) for text in compare]
        for name in (*method, *(name for name, _ in few)):
            check_method(name, among=EVERY_METHOD)
        counts = {"validation": validation, "test": test, "shift": shift, "wide": wide}
        if not sum(counts.values()):
            raise InputError("evaluate ivus: no cases; give --test, --shift, --validation or --wide a number above 0")
        for path in (json_file, figure):
            if path is not None:
                check_place_for(path)
        tasks: list[IvusTask] = []
        for split, count in counts.items():
            for number in range(count):
                names = [*method, *(name for name, first_cases in few if number < first_cases.get(split, 0))]
                arms = ("frames", "contours") if contours else ("frames",)
                runs = tuple((arm, name) for arm in arms for name in dict.fromkeys(names))
                tasks.append(IvusTask(split=split, seed=first + number, runs=runs))
        report = evaluate_ivus(tasks, report=json_file, place=Workplace(cluster=cluster, workers=workers),
                               progress=lambda line: typer.echo(line, err=True))  # fmt: skip
        if gating:
            from engines.evaluation.ivus.gating_study import gating_record

            runs = [gating_record(split, first + number) for split in ("test", "shift") for number in range(gating)]
            report = report.model_copy(update={"gating": runs})
        _print(report)
        if json_file is not None:
            write_json(json_file, report.model_dump(by_alias=True))
            RecordLog.remove_beside(json_file)
        if figure is not None:
            from engines.evaluation.ivus.trust_figure import write_trust_figure

            write_atomically(figure, lambda beside: write_trust_figure(beside, report))
        if report.failures:
            raise InputError(f"{len(report.failures)} of {len(tasks)} cases failed: {report.failures[0]['reason']}")


def _print(report: IvusReport) -> None:
    for run in report.gating:
        rate = "no heart rate" if run.rate_error is None else f"heart rate off by {100 * run.rate_error:.1f} %"
        print(f"{run.split}-{run.seed}, not gated: {rate}, {run.found} beats found, {run.missed} missed")
    for name, pair in report.comparisons.items():
        print(
            f"{name}: of {pair.cases} cases {pair.only_first_right} are right by {pair.first} alone, "
            f"{pair.only_second_right} by {pair.second} alone"
        )
    for name, summary in report.summaries.items():
        success, unflagged = summary.success, summary.right_among_unflagged
        print(
            f"{name}: {summary.cases} cases, success {_percent(success.value)} "
            f"({_percent(success.low)} to {_percent(success.high)}), longitudinal "
            f"{summary.longitudinal_mm_median.value:.2f} mm, rotation {summary.rotation_deg_median.value:.0f} degrees, "
            f"flagged {_percent(summary.flagged.value)}, right among the unflagged {_percent(unflagged.value)}, "
            f"silent failures {summary.silent}, {summary.seconds_median.value:.1f} s"
        )


def _parsed(text: str) -> tuple[str, dict[str, int]]:
    """A method and the numbers of test and shift cases that it is compared on."""
    name, _, numbers = text.partition("=")
    try:
        test, shift = (int(number) for number in numbers.split(","))
    except ValueError:
        raise InputError(
            f"--compare {text}: expected METHOD=TEST,SHIFT with two whole numbers, as paper=30,20"
        ) from None
    return name, {"test": test, "shift": shift}


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"
