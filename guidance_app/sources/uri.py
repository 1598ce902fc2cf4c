"""Source URIs as a person types them: a plain path, file:, dicom://, igtl:// or capture:."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import overload
from urllib.parse import unquote

from calibration.errors import InputError
from engines.angiography.run import Run
from guidance_app.sources.file_source import PacedFileSource, SaturatedFileSource
from guidance_app.sources.live_uris import (
    CaptureUri,
    DicomUri,
    IgtlUri,
    known_options,
    parse_capture,
    parse_dicom,
    parse_igtl,
    rate,
    switch,
)
from guidance_app.sources.open_live import open_live
from guidance_app.sources.recording.recording_file import is_mcap
from guidance_app.sources.recording.recording_source import RecordedRun
from guidance_app.sources.source import FrameSource

_FILE_OPTIONS = ("fps", "loop")
_LIVE = {"dicom": parse_dicom, "igtl": parse_igtl, "capture": parse_capture}
_RECORDING_SUFFIXES = (".mcap",)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileUri:
    """A recorded run and how it is to be played, seen through calibration files if any."""

    path: Path
    fps: float | None = None
    loop: bool = False
    calibration: tuple[Path, ...] = ()


SourceUri = FileUri | DicomUri | IgtlUri | CaptureUri


def parse_source_uri(text: str) -> SourceUri:
    """Read a source URI.

    Raises:
        InputError: an unknown scheme or option, or a value that makes no sense.
    """
    if not text.strip():
        raise InputError("the source URI is empty; expected file:PATH[?fps=F&loop=1] or a path")
    scheme, colon, rest = text.partition(":")
    windows_drive = len(scheme) == 1
    if not colon or windows_drive or Path(text).exists():
        return FileUri(path=Path(text))
    if scheme in _LIVE:
        return _LIVE[scheme](text)
    if scheme != "file":
        known = ["file", *_LIVE]
        near = difflib.get_close_matches(scheme.lower(), known, n=1)
        hint = f"did you mean {near[0]}:?" if near else "expected file:, dicom://, igtl:// or capture:, or a path"
        raise InputError(f"{text}: no source is called {scheme!r}; {hint}")
    rest = rest.removeprefix("//")
    if rest and Path(rest).exists():  # a name may hold "?" or "%"
        return FileUri(path=Path(rest))
    path_text, _, query = rest.partition("?")
    options = known_options(text, query, _FILE_OPTIONS)
    path = unquote(path_text)
    if not path:
        raise InputError(f"{text}: names no file; expected file:PATH[?fps=F&loop=1]")
    loop = switch(text, "loop", options.get("loop", "0"))
    return FileUri(path=Path(path), fps=rate(text, options.get("fps")), loop=loop)


@overload
def open_source(
    uri: FileUri, *, saturate: bool = False, hold_at_end: bool = False
) -> PacedFileSource | SaturatedFileSource: ...
@overload
def open_source(uri: SourceUri, *, saturate: bool = False, hold_at_end: bool = False) -> FrameSource: ...
def open_source(uri: SourceUri, *, saturate: bool = False, hold_at_end: bool = False) -> FrameSource:
    """The source that the URI names.

    Args:
        saturate: no pacing at all; the next frame follows as soon as the last was shown and answered.
        hold_at_end: for a person at a window: stay on the last frame, and let each frame wait for its overlay (a person
            may choose otherwise); a live source has no end.

    Raises:
        InputError: the file is not there or holds no run; the live source cannot be opened.
    """
    if not isinstance(uri, FileUri):
        return open_live(uri)
    run = shown_run(uri.path, uri.calibration)
    if saturate:
        return SaturatedFileSource(run, loop=uri.loop)
    return PacedFileSource(run, fps=uri.fps, loop=uri.loop, hold_at_end=hold_at_end, every_frame=hold_at_end)


def shown_run(path: Path, calibration: tuple[Path, ...] = ()) -> Run:
    """The run as it is shown and segmented: calibrated, and subtracted where the file says how."""
    from engines.angiography.calibrated_run import read_corrections
    from engines.angiography.dsa import subtract
    from engines.angiography.files.open_run import open_run

    if path.suffix.lower() in _RECORDING_SUFFIXES or is_mcap(path):
        if calibration:
            raise InputError(f"{path}: a recording holds its frames as they were guided; leave out --calibration")
        return RecordedRun(path)
    run = open_run(path)
    if calibration:
        run = read_corrections(calibration).applied_to(run)
    return subtract(run) if run.mask else run
