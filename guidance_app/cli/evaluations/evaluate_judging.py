"""`evaluate judging`: does the residual view tell right overlays from wrong ones?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from calibration.errors import InputError

if TYPE_CHECKING:
    from engines.evaluation.registration.judged_views import JudgedView, Phase


def add_to(evaluate: typer.Typer) -> None:
    evaluate.command("judging")(judging)


def judging(
    cases: list[str] = typer.Option([], "--cases", help="Simulated case with truth, or its name; may be repeated."),
    foreign: Path | None = typer.Option(None, "--foreign", help="Folder of runs that another generator made."),
    more: list[str] = typer.Argument(None, help="More cases."),
    overlays: int = typer.Option(40, min=1, help="So many right and so many wrong overlays in all."),
    seed: int = typer.Option(0, help="Of the offsets."),
    confidence: bool = typer.Option(True, help="Also ask for the program's own confidence, which takes seconds each."),
    late: bool = typer.Option(False, "--late", help="On up to three frames after each run's fullest one instead."),
    backend: str = typer.Option("auto", help="Runtime of the segmentation network."),
    json_file: Path | None = typer.Option(None, "--json", help="Write every overlay and the figures here."),
) -> None:
    """Right overlays are off by up to 1 mm, wrong ones by 3 to 8 mm; told as area under the curve with its interval."""
    from calibration.store import check_place_for, write_json
    from engines.evaluation.registration.judging import RIGHT_MM, WRONG_MM, areas, judged_overlays
    from engines.inference.machine import this_machine

    if json_file is not None:
        check_place_for(json_file)
    phase: Phase = "late" if late else "full"
    views = _views([*cases, *(more or [])], foreign, phase, backend)
    if overlays < len(views):
        raise InputError(f"--overlays {overlays}: there are {len(views)} views, and each needs one; ask for more")
    rows = judged_overlays(
        views, each=overlays, seed=seed, confidence=confidence, progress=lambda line: typer.echo(line, err=True)
    )
    found = areas(rows)
    for judge, area in found.items():
        print(f"{judge:15s} area {area.value:.2f} ({area.low:.2f} to {area.high:.2f}), {area.n} overlays")
    if json_file is not None:
        write_json(
            json_file,
            {
                "schema": "guidance-app/evaluate-judging/1",
                "machine": this_machine().model_dump(),
                "data": [*cases, *(more or []), *([str(foreign)] if foreign is not None else [])],
                "seed": seed,
                "phase": phase,
                "right_mm": list(RIGHT_MM),
                "wrong_mm": list(WRONG_MM),
                "areas": {judge: area.model_dump() for judge, area in found.items()},
                "overlays": [row.content() for row in rows],
            },
        )


def _views(cases: list[str], foreign: Path | None, phase: Phase, backend: str) -> list[JudgedView]:
    from engines.evaluation.registration.judged_views import views_of_case, views_of_foreign

    found = [view for case in cases for view in views_of_case(case, phase, backend=backend)]
    if foreign is not None:
        found += views_of_foreign(foreign, phase, backend=backend)
    if not found:
        raise InputError(
            f"evaluate judging: no picture of the {phase} phase to judge; give simulated cases with --cases DIR, or "
            "--foreign DIR"
        )
    return found
