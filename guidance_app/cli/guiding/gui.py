"""Command `gui`: the window, for a person."""

from __future__ import annotations

import typer

from calibration.errors import InputError

PANELS = ("ivus", "cmr")


def add_to(app: typer.Typer) -> None:
    @app.command("gui")
    def gui(
        case: str = typer.Option("", help="Folder of a case, or evt, tavi, coronary; without it you choose one."),
        source: str = typer.Option("", help="Source URI (file:PATH[?fps=F&loop=1]); default: the case's recordings."),
        panel: str = typer.Option("", help="Begin in this room, with a case or without: ivus or cmr."),
    ) -> None:
        """Open the window on a case, or in the room of a fusion."""
        if panel and panel not in PANELS:
            raise InputError(f"--panel {panel}: expected {' or '.join(PANELS)}")
        from guidance_app.window.run import run_house

        run_house(case=case, source=source, room=panel)
