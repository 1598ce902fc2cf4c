"""Source URIs as a person types them: `file:PATH[?fps=F&loop=1]`, or a plain path."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from calibration.errors import InputError
from engines.angiography.run import Run
from guidance_app.sources.file_source import PacedFileSource, SaturatedFileSource
from guidance_app.sources.recording_file import is_mcap
from guidance_app.sources.recording_source import RecordedRun

_FILE_OPTIONS = ("fps", "loop")
_NOT_BUILT = {
    "dicom": "receiving over DICOM (dicom://HOST:PORT?aet=NAME)",
    "igtl": "OpenIGTLink (igtl://HOST:PORT)",
    "capture": "frame grabbers (capture:INDEX_OR_PATH)",
}
_RECORDING_SUFFIXES = (".mcap",)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileUri:
    """A recorded run and how it is to be played."""

    path: Path
    fps: float | None = None
    loop: bool = False


def parse_source_uri(text: str) -> FileUri:
    """Read a source URI.

    Raises:
        InputError: an unknown scheme or option, a value that makes no sense, or a kind of source that this version does
            not have.
    """
    if not text.strip():
        raise InputError("the source URI is empty; expected file:PATH[?fps=F&loop=1] or a path")
    scheme, colon, rest = text.partition(":")
    windows_drive = len(scheme) == 1
    if not colon or windows_drive or Path(text).exists():
        return FileUri(path=Path(text))
    if scheme in _NOT_BUILT:
        raise InputError(
            f"{text}: {_NOT_BUILT[scheme]} is not built in this version; use a recorded run: file:PATH[?fps=F&loop=1]"
        )
    if scheme != "file":
        known = ["file", *_NOT_BUILT]
        near = difflib.get_close_matches(scheme.lower(), known, n=1)
        hint = f"did you mean {near[0]}:?" if near else "expected file:PATH[?fps=F&loop=1] or a path"
        raise InputError(f"{text}: no source is called {scheme!r}; {hint}")
    path_text, _, query = rest.partition("?")
    options = _options(text, query)
    path = unquote(path_text.removeprefix("//"))
    if not path:
        raise InputError(f"{text}: names no file; expected file:PATH[?fps=F&loop=1]")
    return FileUri(path=Path(path), fps=_rate(text, options.get("fps")), loop=_switch(text, options.get("loop", "0")))


def open_source(
    uri: FileUri, *, saturate: bool = False, hold_at_end: bool = False
) -> PacedFileSource | SaturatedFileSource:
    """The source that the URI names.

    Args:
        saturate: no pacing at all; the next frame follows as soon as the last was shown and answered.
        hold_at_end: stay on the last frame, for a person at a window.

    Raises:
        InputError: the file is not there or holds no run.
    """
    run = shown_run(uri.path)
    if saturate:
        return SaturatedFileSource(run, loop=uri.loop)
    return PacedFileSource(run, fps=uri.fps, loop=uri.loop, hold_at_end=hold_at_end)


def shown_run(path: Path) -> Run:
    """The run as it is shown and segmented: subtracted where the file says how, else as it is stored."""
    from engines.angiography.dsa import subtract
    from engines.angiography.open_run import open_run

    if path.suffix.lower() in _RECORDING_SUFFIXES or is_mcap(path):
        return RecordedRun(path)
    run = open_run(path)
    return subtract(run) if run.mask else run


def _options(text: str, query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in _FILE_OPTIONS:
            near = difflib.get_close_matches(name, _FILE_OPTIONS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected {' or '.join(_FILE_OPTIONS)}"
            raise InputError(f"{text}: no option is called {name!r}; {hint}")
    return options


def _rate(text: str, value: str | None) -> float | None:
    if value is None:
        return None
    try:
        fps = float(value)
    except ValueError:
        fps = -1.0
    if not 0.0 < fps <= 1000.0:
        raise InputError(f"{text}: fps is {value!r}; expected a number above 0 and up to 1000")
    return fps


def _switch(text: str, value: str) -> bool:
    if value not in ("0", "1"):
        raise InputError(f"{text}: loop is {value!r}; expected 0 or 1")
    return value == "1"
