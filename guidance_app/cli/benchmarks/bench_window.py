"""Command `bench window`: how soon the window shows what was asked for."""

from __future__ import annotations

from pathlib import Path

import typer


def add_to(bench: typer.Typer) -> None:
    @bench.command()
    def window(
        case: str = typer.Option("coronary", help="Case with at least two runs: folder or bundled name."),
        starts: int = typer.Option(3, min=1, help="How often the window is opened."),
        presses: int = typer.Option(40, min=1, help="How often each key is pressed."),
        display: str = typer.Option("", help="X server to open it on, such as :0; default: a virtual one."),
        json_file: Path | None = typer.Option(None, "--json", help="Write the figures here."),
    ) -> None:
        """Time to the window, the first picture and another run, and from a key to the end of painting.

        Keys go through Qt's own queue. What the X server and the monitor need afterwards is not seen.
        """
        from calibration.store import check_place_for, write_json
        from engines.inference.machine import this_machine
        from guidance_app.window.timing.window_bench import run_window_bench

        if json_file is not None:
            check_place_for(json_file)
        report = run_window_bench(case, starts=starts, presses=presses, display=display)
        print(f"{report['case']}, load of the machine before: {report['load_before']:.1f}")
        for line in report["lines"]:
            print(_shown(line))
        for change in report["changes"]:
            print(
                f"    run changed: checked overlay on frame {change['overlay_on_frame']}, which by the run's own time "
                f"comes after {change['own_time_ms'] or 0.0:.0f} ms"
            )
        if json_file is not None:
            content = {"schema": "guidance-app/bench-window/1", "machine": this_machine().model_dump()}
            write_json(json_file, content | report)


def _shown(line: dict) -> str:
    if line["p50_ms"] is None:
        return f"{line['name']:16s} never seen in {line['count']} tries"
    cpu = "" if line["cpu_s"] is None else f", {line['cpu_s']:.1f} CPU-s"
    missed = f", {line['missed']} of {line['count']} never seen" if line["missed"] else ""
    goal = ""
    if line["goal_ms"] is not None:
        goal = f"  goal {line['goal_ms']:.0f}: " + (
            "met" if line["p95_ms"] <= line["goal_ms"] and not missed else "MISSED"
        )
    return f"{line['name']:16s} p50 {line['p50_ms']:7.0f}  p95 {line['p95_ms']:7.0f} ms{cpu}{missed}{goal}"
