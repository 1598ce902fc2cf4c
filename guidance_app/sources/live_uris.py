"""URIs of live sources: dicom://, igtl://, capture:."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from calibration.errors import InputError

DICOM_FORM = "dicom://HOST:PORT?aet=NAME[&calling=A,B][&peer=IP,...][&tls_cert=FILE&tls_key=FILE[&tls_ca=FILE]]"
IGTL_FORM = "igtl://HOST:PORT[?listen=1][&device=NAME]"
CAPTURE_FORM = "capture:INDEX_OR_PATH[?calibration=FILE][&size=WIDTHxHEIGHT][&fps=F][&loop=1]"
_LOCAL = "127.0.0.1"  # servers are reachable from this machine alone unless the URI says otherwise
_IGTL_PORT = 18944
_MAX_TITLE = 16  # PS3.5 6.2, AE


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomUri:
    """A storage SCP to run."""

    host: str
    port: int
    aet: str
    calling: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_ca: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IgtlUri:
    """An OpenIGTLink peer to connect to, or (`listen`) an address to serve on; `device` takes its pictures alone."""

    host: str
    port: int
    listen: bool = False
    device: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureUri:
    """A capture device by number or path, or a file that stands in for one."""

    device: int | Path
    calibration: Path | None = None
    size: tuple[int, int] | None = None
    fps: float | None = None
    loop: bool = False


def parse_dicom(text: str) -> DicomUri:
    """Raises InputError, naming what is wrong and the form expected."""
    parts, options = _parts(text, DICOM_FORM, ("aet", "calling", "peer", "tls_cert", "tls_key", "tls_ca"))
    host, port = _address(text, parts, DICOM_FORM)
    aet = options.get("aet", "")
    if not aet:
        raise InputError(f"{text}: names no AE title; expected {DICOM_FORM}")
    calling = _listed(options.get("calling"))
    for title in (aet, *calling):
        if not _is_title(title):
            raise InputError(f"{text}: {title!r} is no AE title; expected 1 to {_MAX_TITLE} ASCII letters or digits")
    if ("calling" in options and not calling) or ("peer" in options and not _listed(options["peer"])):
        raise InputError(f"{text}: an empty list admits nobody; name at least one, or leave the option out")
    files = {name: Path(options[name]) for name in ("tls_cert", "tls_key", "tls_ca") if options.get(name)}
    if files and not {"tls_cert", "tls_key"} <= set(files):
        raise InputError(f"{text}: TLS needs both tls_cert and tls_key")
    return DicomUri(host=host, port=port, aet=aet, calling=calling, peers=_listed(options.get("peer")), **files)


def parse_igtl(text: str) -> IgtlUri:
    """Raises InputError, naming what is wrong and the form expected."""
    parts, options = _parts(text, IGTL_FORM, ("listen", "device"))
    host, port = _address(text, parts, IGTL_FORM, default_port=_IGTL_PORT)
    listen = switch(text, "listen", options.get("listen", "0"))
    if not listen and port == 0:
        raise InputError(f"{text}: port 0 cannot be connected to; expected {IGTL_FORM}")
    return IgtlUri(host=host, port=port, listen=listen, device=options.get("device", ""))


def parse_capture(text: str) -> CaptureUri:
    """Raises InputError, naming what is wrong and the form expected."""
    name, _, query = text.partition(":")[2].partition("?")
    options = known_options(text, query, ("calibration", "size", "fps", "loop"))
    name = unquote(name.removeprefix("//"))
    if not name:
        raise InputError(f"{text}: names no device; expected {CAPTURE_FORM}")
    return CaptureUri(
        device=int(name) if name.isascii() and name.isdigit() else Path(name),
        calibration=Path(options["calibration"]) if options.get("calibration") else None,
        size=_size(text, options.get("size")),
        fps=rate(text, options.get("fps")),
        loop=switch(text, "loop", options.get("loop", "0")),
    )


# What all URIs share -------------------------------------------------------------------------------------------------
def known_options(text: str, query: str, names: Sequence[str]) -> dict[str, str]:
    """Options of a query. Raises InputError for a name that is not among `names`."""
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected {' or '.join(names)}"
            raise InputError(f"{text}: no option is called {name!r}; {hint}")
    return options


def rate(text: str, value: str | None) -> float | None:
    """Frames a second. Raises InputError."""
    if value is None:
        return None
    try:
        fps = float(value)
    except ValueError:
        fps = -1.0
    if not 0.0 < fps <= 1000.0:
        raise InputError(f"{text}: fps is {value!r}; expected a number above 0 and up to 1000")
    return fps


def switch(text: str, name: str, value: str) -> bool:
    """0 or 1. Raises InputError."""
    if value not in ("0", "1"):
        raise InputError(f"{text}: {name} is {value!r}; expected 0 or 1")
    return value == "1"


def _parts(text: str, form: str, names: Sequence[str]) -> tuple[SplitResult, dict[str, str]]:
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise InputError(f"{text}: is no address ({error}); expected {form}") from error
    if not parts.netloc or parts.path not in ("", "/") or parts.fragment or "@" in parts.netloc:
        raise InputError(f"{text}: is no address; expected {form}")
    return parts, known_options(text, parts.query, names)


def _address(text: str, parts: SplitResult, form: str, default_port: int | None = None) -> tuple[str, int]:
    try:
        port = parts.port
    except ValueError as error:
        raise InputError(f"{text}: the port is no number from 0 to 65535; expected {form}") from error
    if port is None:
        port = default_port
    if port is None:
        raise InputError(f"{text}: names no port; expected {form}")
    return parts.hostname or _LOCAL, port


def _listed(value: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (value or "").split(",") if part.strip())


def _is_title(title: str) -> bool:
    return 0 < len(title) <= _MAX_TITLE and title.isascii() and title.isprintable() and "\\" not in title


def _size(text: str, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    width, _, height = value.lower().partition("x")
    if not (width.isdigit() and height.isdigit() and 0 < int(width) <= 8192 and 0 < int(height) <= 8192):
        raise InputError(f"{text}: size is {value!r}; expected WIDTHxHEIGHT in pixels, as 1920x1080")
    return int(width), int(height)
