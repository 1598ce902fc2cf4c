"""`evaluate halo`: how much of what is drawn lies within its halo, on simulated runs through the live engine."""

from __future__ import annotations

from pathlib import Path

import typer

from calibration.errors import InputError


def add_to(evaluate: typer.Typer) -> None:
    evaluate.command("halo")(halo)


def halo(
    cases: list[str] = typer.Option([], "--cases", help="Simulated case with truth, or its name; may be repeated."),
    more: list[str] = typer.Argument(None, help="More cases."),
    backend: str = typer.Option("auto", help="Runtime of the segmentation network."),
    json_file: Path | None = typer.Option(None, "--json", help="Write the figures here."),
) -> None:
    """Share of the drawn length within its halo, for seen and unseen branches, and for what frames rest on, apart."""
    from calibration.store import check_place_for, write_json
    from engines.inference.machine import this_machine
    from guidance_app.live.benches.halo_honesty import GOAL_SHARE, DrawnFrame, drawn_frames, summary_of

    folders = [*cases, *(more or [])]
    if not folders:
        raise InputError("evaluate halo: nothing to evaluate; give simulated cases with --cases DIR")
    if json_file is not None:
        check_place_for(json_file)
    rows: list[DrawnFrame] = []
    for folder in folders:
        typer.echo(f"playing {folder}", err=True)
        rows += drawn_frames(folder, backend=backend)
    lines = summary_of(rows)
    for line in lines:
        mark = "" if line.within_halo >= GOAL_SHARE else f"  below {100 * GOAL_SHARE:.0f} %"
        print(
            f"{line.state:9s} {line.evidence:8s} {line.seen:8s} {100 * line.share_of_frames:3.0f} % of frames, "
            f"{line.drawn_mm:7.0f} mm drawn, {100 * line.within_halo:3.0f} % within a halo of "
            f"{line.halo_median_mm:.1f} mm; error median {line.error_median_mm:.1f}, p90 {line.error_p90_mm:.1f} mm"
            f"{mark}"
        )
    if json_file is not None:
        content = {"schema": "guidance-app/evaluate-halo/1", "machine": this_machine().model_dump(), "cases": folders}
        write_json(json_file, content | {"goal": GOAL_SHARE, "rows": [line.content() for line in lines]})
