"""Command group `bench`: measurements, each naming the machine they were made on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from guidance_app.cli.benchmarks import (
    bench_faults,
    bench_fluoroscopy,
    bench_latency,
    bench_register,
    bench_segment,
    bench_window,
)


def add_to(app: typer.Typer) -> None:
    bench = typer.Typer(no_args_is_help=True, help="Benchmarks, as figures and as JSON.")
    app.add_typer(bench, name="bench")

    @bench.command()
    def render(
        json_file: Path | None = typer.Option(None, "--json", help="Write the figures here."),
        volume: list[int] = typer.Option([128], help="Voxels along each side; may be given again."),
        detector: list[int] = typer.Option([128], help="Pixels along each side; may be given again."),
        repeats: int = typer.Option(3, help="Timed runs; the median counts."),
        device: str = typer.Option("cpu", help="cpu or cuda."),
    ) -> None:
        """Every installed DRR renderer on the same pose."""
        from calibration.store import check_place_for
        from engines.evaluation.benchmarks.render_bench import run_render_bench

        if json_file is not None:
            check_place_for(json_file)
        figures = run_render_bench(
            volumes=volume,
            detectors=detector,
            repeats=repeats,
            device=device,
            progress=lambda line: typer.echo(line, err=True),
        )
        _leave(figures, json_file)

    bench_latency.add_to(bench)
    bench_segment.add_to(bench)
    bench_register.add_to(bench)
    bench_faults.add_to(bench)
    bench_fluoroscopy.add_to(bench)
    bench_window.add_to(bench)


def _leave(figures: dict[str, Any], json_file: Path | None) -> None:
    from calibration.store import write_json

    print(json.dumps(figures, indent=1))
    if json_file is not None:
        write_json(json_file, figures)
