"""Command `live`: guidance on a live source."""

from __future__ import annotations

from pathlib import Path

import typer

_LONGEST_S = 14 * 24 * 3600  # the clock that ends a run counts milliseconds in 31 bits
_SOURCE_HELP = (
    "Source URI: dicom://HOST:PORT?aet=NAME (receives), igtl://HOST:PORT[?listen=1], capture:INDEX_OR_PATH, "
    "or file:PATH[?fps=F&loop=1]."
)


def add_to(app: typer.Typer) -> None:
    @app.command()
    def live(
        case: str = typer.Option(..., help="Case folder, or evt, tavi or coronary."),
        source: str = typer.Option(..., help=_SOURCE_HELP),
        headless: bool = typer.Option(False, "--headless", help="Paint the same window off screen."),
        record: Path | None = typer.Option(None, help="Record the run to this file (MCAP); it must not exist yet."),
        duration: float | None = typer.Option(None, help="End after this many seconds."),
        out: Path | None = typer.Option(None, help="Folder for latency.json, frames.jsonl and events.jsonl."),
        pose: Path | None = typer.Option(None, help="Start from this pose (registration.json or POSE.json)."),
    ) -> None:
        """Guide on a live source until it ends, the time is up, or Ctrl-C."""
        from calibration.errors import InputError
        from guidance_app.cli.guiding.guided_run import guide
        from guidance_app.sources.uri import parse_source_uri

        if duration is not None and not 0 < duration <= _LONGEST_S:
            raise InputError(f"--duration {duration:g}: expected seconds above 0 and up to {_LONGEST_S}")
        guide(
            case=case,
            uri=parse_source_uri(source),
            saturate=False,
            hold_at_end=False,
            headless=headless,
            out=out,
            pose=pose,
            duration_s=duration,
            title="Live",
            record=record,
        )
