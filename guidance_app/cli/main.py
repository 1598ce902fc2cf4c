"""The program `guidance-app`: finds its commands, and turns every expected error into one line."""

from __future__ import annotations

import importlib
import io
import logging
import os
import signal
import sys
import warnings
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from calibration.errors import GuidanceError

# One module a command; each offers `add_to(app)` and imports what is heavy only when it runs.
_COMMAND_MODULES = ("preparing.case", "segment", "register", "guiding.replay", "guiding.live", "guiding.recording",
                    "guiding.export", "guiding.demo", "guiding.gui", "benchmarks.bench", "evaluations.evaluate",
                    "preparing.simulate", "trainings.train", "engines", "preparing.calibrate", "preparing.pacs",
                    "fusing.ivus", "fusing.cmr", "doctor")  # fmt: skip

_INTERRUPTED, _TERMINATED = 130, 143  # 128 and the signal's number, as shells have it


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
    """Entry point. Exit codes: 0 done, 1 bad input or a negative outcome, 2 wrong usage, 70 our own defect."""
    # A damaged DICOM value makes pydicom warn, a large picture Pillow; what matters reaches the user as our own line.
    logging.getLogger("pydicom").setLevel(logging.ERROR)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    # Unwinds like Ctrl-C, so that half-written neighbours of a result are removed; guided runs end in their own order.
    signal.signal(signal.SIGTERM, _terminated)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a path may hold bytes that no text holds
            stream.reconfigure(errors="backslashreplace")
    try:
        code = build_app()(standalone_mode=False)
    except GuidanceError as error:
        _leave(str(error), 1)
    except (typer.Abort, KeyboardInterrupt):
        _leave("interrupted", _INTERRUPTED)
    except TyperException as error:
        # No arguments at all: the help was printed already, and the exception has no text.
        text = getattr(error, "format_message", error.__str__)()
        context = getattr(error, "ctx", None)
        _leave(
            f"{(text or 'no command').rstrip('. ')}. See: {context.command_path if context else 'guidance-app'} --help",
            2,
        )
    except BrokenPipeError:
        raise SystemExit(1) from None
    except Exception as error:
        if os.environ.get("GUIDANCE_TRACEBACK"):
            raise
        text = " ".join(f"{type(error).__name__}: {error}".split())
        _leave(f"defect in the program, please report it ({text}); GUIDANCE_TRACEBACK=1 shows where", 70)
    if code == _INTERRUPTED:
        _leave("interrupted", _INTERRUPTED)
    raise SystemExit(code if isinstance(code, int) else 0)


def _terminated(*_: object) -> NoReturn:
    raise SystemExit(_TERMINATED)


def _leave(text: str, code: int) -> NoReturn:
    print(f"error: {text}", file=sys.stderr)
    raise SystemExit(code)
