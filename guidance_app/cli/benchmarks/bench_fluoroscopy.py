"""Command `bench fluoroscopy`: whether a valid overlay stays true without contrast, while patient and table move."""

from __future__ import annotations

from pathlib import Path

import typer


def add_to(bench: typer.Typer) -> None:
    @bench.command()
    def fluoroscopy(
        kind: list[str] = typer.Option(["evt", "tavi"], help="evt or tavi; may be given again."),
        seed: list[int] = typer.Option([1000, 1001], min=0, help="Seed of a simulated patient; may be given again."),
        seconds: float = typer.Option(60.0, min=10.0, help="Length of the long run without contrast."),
        fps: float = typer.Option(7.5, min=2.0, max=30.0, help="Pictures a second."),
        only: str = typer.Option("", help="Only runs whose name contains this."),
        phantom: Path | None = typer.Option(
            None, help="Folder of the coronary phantom: its cines are slid, instead of simulated patients."
        ),
        backend: str = typer.Option("auto", help="As for segment."),
        json_file: Path | None = typer.Option(None, "--json", help="Write the figures here."),
    ) -> None:
        """Simulated patients without contrast: heads turn, tables run off, wires pass. Minutes a patient."""
        from calibration.store import check_place_for, write_json
        from guidance_app.live.benches.fluoroscopy.fluoroscopy_bench import run_fluoroscopy_bench

        if json_file is not None:
            check_place_for(json_file)
        report = run_fluoroscopy_bench(
            kind, seed, fps=fps, seconds=seconds, backend=backend, only=only, phantom=phantom,
            progress=lambda line: typer.echo(line, err=True),
        )  # fmt: skip
        if json_file is not None:
            write_json(json_file, report.model_dump(mode="json", by_alias=True))
        noticed = "no move to notice"
        if report.noticed_s_median is not None:
            noticed = f"moves noticed after {report.noticed_s_median:.2f} s (longest {report.noticed_s_max:.2f})"
        patients = (
            f"long runs valid {100 * report.valid_share_long:.1f} %, false alarms "
            f"{100 * report.false_alarm_share_long:.1f} %; "
        )
        print(
            f"{report.data}: {patients if phantom is None else ''}true error of valid frames median "
            f"{report.median_mm} mm, p95 {report.p95_mm}; {noticed}; "
            f"valid and more than 5 mm off for {report.wrong_valid_s:.2f} s at most"
        )
