"""Command `replay`: a recorded run through exactly the live path."""

from __future__ import annotations

from pathlib import Path

import typer


def add_to(app: typer.Typer) -> None:
    @app.command()
    def replay(
        case: str = typer.Option(..., help="Case folder, or evt, tavi or coronary."),
        xa: Path = typer.Option(
            ..., help="Recorded run: a recording (MCAP), XA file, picture, folder of pictures or video."
        ),
        headless: bool = typer.Option(False, "--headless", help="Paint the same window off screen."),
        fps: float | None = typer.Option(None, help="Frames a second instead of the run's own pace."),
        saturate: bool = typer.Option(
            False,
            "--saturate",
            help="No pace: each frame follows as soon as the last one was shown and the engine has answered.",
        ),
        record: Path | None = typer.Option(None, help="Record the replay to this file (MCAP); it must not exist yet."),
        out: Path | None = typer.Option(None, help="Folder for latency.json, frames.jsonl and events.jsonl."),
        pose: Path | None = typer.Option(None, help="Start from this pose (registration.json or POSE.json)."),
        calibration: list[Path] = typer.Option(
            [], "--calibration", help="Correct angles or distortion by this file; one of each kind may be given."
        ),
    ) -> None:
        """Replay a recorded run of a case, with guidance as in a live run.

        With --headless, --out or --record it ends with the run; otherwise the window stays open, and you
        can go back over the run.
        """
        from calibration.errors import InputError
        from guidance_app.cli.guiding.guided_run import guide
        from guidance_app.sources.uri import FileUri

        if saturate and fps is not None:
            raise InputError("--saturate has no pace; leave out --fps or --saturate")
        guide(
            case=case,
            uri=FileUri(path=xa, fps=fps, calibration=tuple(calibration)),
            saturate=saturate,
            # A run with output files ends by itself; a window without them stays open, to go back over the run.
            hold_at_end=not headless and out is None and record is None,
            headless=headless,
            out=out,
            pose=pose,
            duration_s=None,
            title="Replay",
            record=record,
        )
