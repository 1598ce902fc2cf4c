"""Command `doctor`: what this machine can do, and the line that installs what it lacks."""

from __future__ import annotations

import json

import typer


def add_to(app: typer.Typer) -> None:
    @app.command()
    def doctor(as_json: bool = typer.Option(False, "--json", help="Print the findings as JSON.")) -> None:
        """What this machine can do: display, GPU, TensorRT, codecs, models, and what is missing with its remedy."""
        from guidance_app.doctor import examine

        findings = examine()
        if as_json:
            print(json.dumps({"schema": "guidance-app/doctor/1", "checks": [f.as_dict() for f in findings]}, indent=1))
        else:
            for finding in findings:
                print(finding.line())
        if any(finding.level == "missing" for finding in findings):
            raise typer.Exit(1)
