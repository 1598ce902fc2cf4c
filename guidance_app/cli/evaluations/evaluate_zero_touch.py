"""`evaluate zero-touch`: a CTA and a run go in, an overlay comes out, with no click."""

from __future__ import annotations

from pathlib import Path

import typer

from calibration.errors import InputError


def add_to(evaluate: typer.Typer) -> None:
    evaluate.command("zero-touch")(zero_touch)


def zero_touch(
    cases: list[str] = typer.Option([], "--cases", help="Simulated case folder with truth; may be repeated."),
    more: list[str] = typer.Argument(None, help="More case folders."),
    backend: str = typer.Option("auto", help="Runtime of the segmentation network."),
    json_file: Path | None = typer.Option(None, "--json", help="Write figures a case and in total here."),
) -> None:
    """Cases made again from their CTA alone, runs registered from the header: accepted, right, seconds, clDice."""
    from calibration.store import check_place_for, write_json
    from engines.evaluation.zero_touch import evaluate_zero_touch

    folders = [*cases, *(more or [])]
    if not folders:
        raise InputError("evaluate zero-touch: nothing to evaluate; give simulated cases with --cases DIR")
    if json_file is not None:
        check_place_for(json_file)
    report = evaluate_zero_touch(folders, backend=backend, progress=lambda line: typer.echo(line, err=True))
    for kind, summary in report.kinds.items():
        right, wrong = summary.accepted_and_within_5mm, summary.accepted_and_wrong
        print(
            f"{kind}: {right.n} runs, accepted and within 5 mm {_percent(right.value)} "
            f"({_percent(right.low)}-{_percent(right.high)}), within 2 mm "
            f"{_percent(summary.accepted_and_within_2mm.value)}, accepted though wrong {_percent(wrong.value)}; "
            f"median error {_number(summary.error_mm.value)} mm; model {_number(summary.model_seconds.value)} s, "
            f"pose {_number(summary.pose_seconds.value)} s; Dice {_number(summary.dice.value)}, clDice "
            f"{_number(summary.cl_dice.value)}"
        )
    if json_file is not None:
        write_json(json_file, report.model_dump(by_alias=True))


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
