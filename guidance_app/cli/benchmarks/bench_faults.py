"""Command `bench faults`: each fault is done to a running session several times, and its outcome is judged."""

from __future__ import annotations

from pathlib import Path

import typer


def add_to(bench: typer.Typer) -> None:
    @bench.command()
    def faults(
        repeats: int = typer.Option(20, min=1, help="How often each fault is done."),
        seed: int = typer.Option(0, min=0, help="Seed of the moments, sizes and order of the faults."),
        only: list[str] = typer.Option([], help="Only this fault, by name; may be given again."),
        json_file: Path | None = typer.Option(None, "--json", help="Write the figures here."),
    ) -> None:
        """Source, engine, disk, clock and network fail under a live session; takes about 25 s a repeat."""
        from calibration.errors import InputError
        from calibration.store import check_place_for, write_json
        from engines.anatomy.cases.case import load_case
        from guidance_app.live.benches.faults.campaign import Campaign, fault_names, run_campaign
        from guidance_app.window.application import application
        from guidance_app.window.run import run_window

        unknown = [name for name in only if name not in fault_names()]
        if unknown:
            raise InputError(f"--only {unknown[0]!r}: no such fault; expected one of: {', '.join(fault_names())}")
        if json_file is not None:
            check_place_for(json_file)
        qt = application(headless=True)  # Qt's application lives only while somebody holds it
        case = load_case("coronary")  # the window names a case; the drill uses nothing of it
        report = run_campaign(
            Campaign(repeats=repeats, seed=seed, only=tuple(only)),
            lambda session, done: run_window(
                session, case=case, headless=True, title="Fault campaign", until=lambda _screen: done()
            ),
            progress=lambda line: typer.echo(line, err=True),
        )
        del qt
        if json_file is not None:
            write_json(json_file, report.model_dump(mode="json", by_alias=True))
        for row in report.faults:
            back = "" if row.engine_back_s_max is None else f", engine back within {row.engine_back_s_max:.2f} s"
            print(
                f"{row.name:30s} {row.repeats} times: {row.invalid_as_valid} invalid shown as valid, "
                f"{row.late_pictures} late pictures (longest {row.longest_ms:.0f} ms), {row.recovered} recovered{back}"
            )
            for complaint in dict.fromkeys(row.complaints):
                print(f"    {complaint}")
        for why in (*report.invalid, *report.wrong_lines):
            print(f"    {why}")
        print(
            f"{report.pictures} pictures in {report.seconds:.0f} s, "
            f"{report.invalid_as_valid} invalid overlays shown as valid; "
            f"every promise kept: {'yes' if report.passed else 'NO'}"
        )
        if not report.passed:
            raise typer.Exit(1)
