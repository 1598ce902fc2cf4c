"""Command group `bench`: measurements, each naming the machine they were made on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from guidance_app.cli import bench_faults, bench_register, bench_segment


def add_to(app: typer.Typer) -> None:
    bench = typer.Typer(no_args_is_help=True, help="Benchmarks, as figures and as JSON.")
    app.add_typer(bench, name="bench")

    @bench.command()
    def latency(
        json_file: Path | None = typer.Option(None, "--json", help="Write latency.json here."),
        fps: float = typer.Option(15.0, help="Frames a second."),
        seconds: float = typer.Option(60.0, help="How long."),
        size: int = typer.Option(512, help="Rows and columns of the pictures."),
        case: str = typer.Option("coronary", help="Case whose model is tracked and drawn: folder or bundled name."),
        backend: str = typer.Option("auto", help="Runtime of the network."),
    ) -> None:
        """Ingest to paint and ingest to overlay of the live path, through the real window painted off screen."""
        from guidance_app.live.latency_bench import LatencyBench, run_latency_bench
        from guidance_app.views.run import application, run_window

        qt = application(headless=True)  # Qt's application lives only while somebody holds it
        report = run_latency_bench(
            LatencyBench(case=case, fps=fps, seconds=seconds, size_px=size, backend=backend),
            show=lambda session, opened, limit_s: run_window(
                session, case=opened, headless=True, duration_s=limit_s, title="Benchmark"
            ),
        )
        del qt
        for name, stage in report.stages_ms.items():
            if stage.count:
                print(
                    f"{name:18s} p50 {stage.p50:7.1f}  p90 {stage.p90:7.1f}  p95 {stage.p95:7.1f}  "
                    f"p99 {stage.p99:7.1f}  max {stage.max:7.1f} ms"
                )
        print(
            f"{report.frames} frames: {report.painted} painted, {report.superseded} superseded, "
            f"{report.dropped} dropped; oldest overlay shown {report.max_overlay_age_ms or 0.0:.0f} ms"
        )
        if json_file is not None:
            report.write(json_file)

    @bench.command()
    def render(
        json_file: Path | None = typer.Option(None, "--json", help="Write the figures here."),
        volume: list[int] = typer.Option([128], help="Voxels along each side; may be given again."),
        detector: list[int] = typer.Option([128], help="Pixels along each side; may be given again."),
        repeats: int = typer.Option(3, help="Timed runs; the median counts."),
        device: str = typer.Option("cpu", help="cpu or cuda."),
    ) -> None:
        """Every installed DRR renderer on the same pose."""
        from engines.evaluation.render_bench import run_render_bench

        figures = run_render_bench(
            volumes=volume,
            detectors=detector,
            repeats=repeats,
            device=device,
            progress=lambda line: typer.echo(line, err=True),
        )
        _leave(figures, json_file)

    bench_segment.add_to(bench)
    bench_register.add_to(bench)
    bench_faults.add_to(bench)


def _leave(figures: dict[str, Any], json_file: Path | None) -> None:
    from calibration.store import write_json

    print(json.dumps(figures, indent=1))
    if json_file is not None:
        write_json(json_file, figures)
