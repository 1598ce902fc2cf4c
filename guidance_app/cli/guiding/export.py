"""Command `export`: a recorded run as film, pictures, DICOM objects or table."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import typer


def add_to(app: typer.Typer) -> None:
    @app.command("export")
    def export(
        recording: Path = typer.Argument(..., help="Recording (MCAP), folder of a run with its recording, or XA file."),
        case: str = typer.Option(..., help="Case folder, or evt, tavi or coronary."),
        formats: list[str] = typer.Option(
            ...,
            "--format",
            help="mp4, png, secondary-capture, spatial-registration, seg or csv; may be given several times.",
        ),
        out: Path = typer.Option(..., "--out", help="Folder for the files."),
        pose: Path | None = typer.Option(None, help="Draw this pose instead of the recorded ones."),
        frame: int | None = typer.Option(None, help="This frame alone, counted from 0."),
        identified: bool = typer.Option(
            False, "--identified", help="Keep UIDs, names and, where the source states them, patient and study."
        ),
        as_json: bool = typer.Option(False, "--json", help="Print the written files as JSON."),
    ) -> None:
        """Export a run, de-identified unless asked otherwise; every export says research use only.

        Frames that cannot be read are left out, told, and end with exit status 1.
        Words that the X-ray machine wrote into its pictures stay in them: look before you pass them on.
        """
        from calibration.errors import InputError
        from engines.anatomy.cases.case import load_case
        from guidance_app.exports import export as exports

        for name in formats:
            if name not in exports.FORMATS:
                raise InputError(f"--format {name}: expected one of {', '.join(exports.FORMATS)}")
        wanted: list[exports.Format] = [known for name in formats for known in exports.FORMATS if known == name]
        short: list[str] = []
        files = exports.export(
            recording,
            load_case(case),
            wanted,
            out,
            pose=pose,
            frame=frame,
            identified=identified,
            progress=_progress,
            left_out=short.append,
        )
        for line in short:
            print(f"error: {line}", file=sys.stderr)
        if as_json:
            print(json.dumps({"schema": "guidance-app/export/1", "files": [str(file) for file in files]}, indent=1))
        else:
            print(f"{len(files)} files in {out}: {', '.join(file.name for file in files[:6])}"
                  + (" ..." if len(files) > 6 else ""))  # fmt: skip
        if short:
            raise typer.Exit(1)


def _progress(name: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{name} {done}/{total}", end="\n" if done == total else "", file=sys.stderr, flush=True)
