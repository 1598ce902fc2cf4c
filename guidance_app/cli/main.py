"""The program `guidance-app`: finds its commands, and turns every expected error into one line."""

from __future__ import annotations

import importlib
import sys

import typer

from calibration.errors import GuidanceError

# One module a command; each offers `add_to(app)` and imports what is heavy only when it runs.
_COMMAND_MODULES = ("case", "segment", "register", "replay", "live", "demo", "gui", "bench", "evaluate", "simulate",
                    "train", "doctor")  # fmt: skip


def build_app() -> typer.Typer:
    app = typer.Typer(
        name="guidance-app",
        help="CTA vessel models, registered to and drawn on live fluoroscopy. Research use only, not a medical device.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )

    @app.callback()
    def _root() -> None:
        """Keeps sub-commands named even while there is only one."""

    for name in _COMMAND_MODULES:
        importlib.import_module(f"guidance_app.cli.{name}").add_to(app)
    return app


def main() -> None:
    try:
        build_app()()
    except GuidanceError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None
