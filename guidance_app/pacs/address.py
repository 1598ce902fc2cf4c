"""Archives as a person types them: `HOST:PORT?aet=ARCHIVE[&calling=US][&retrieve=get|move][&listen=HOST:PORT]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl

from calibration.errors import InputError

DEFAULT_CALLING = "GUIDANCE"
_FORM = "HOST:PORT?aet=ARCHIVE[&calling=US][&retrieve=get|move][&listen=HOST:PORT]"
_OPTIONS = ("aet", "calling", "retrieve", "listen")
# PS3.5 6.2: at most 16 characters of the default repertoire, no backslash, no control characters.
_AE_TITLE = re.compile(r"[ -\[\]-~]{1,16}")
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PacsAddress:
    """An archive and how it knows us.

    Args:
        aet: the archive's AE title.
        calling: ours; the archive must know it.
        retrieve: `get` brings pictures over our own connection; `move` has the archive connect to `listen`.
        listen: where the archive finds us for `move`.
    """

    host: str
    port: int
    aet: str
    calling: str = DEFAULT_CALLING
    retrieve: Literal["get", "move"] = "get"
    listen: Endpoint | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port} ({self.aet})"


def parse_address(text: str) -> PacsAddress:
    """Raises InputError: a part is absent, unknown or out of range; the text says which."""
    place, _, query = text.removeprefix("dicom://").partition("?")
    endpoint = _endpoint(text, place)
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = [name for name in options if name not in _OPTIONS]
    if unknown:
        raise InputError(f"{text}: no option is called {unknown[0]!r}; expected {_FORM}")
    if "aet" not in options:
        raise InputError(f"{text}: the archive's AE title is missing; expected {_FORM}")
    retrieve = options.get("retrieve", "get")
    if retrieve not in ("get", "move"):
        raise InputError(f"{text}: retrieve is {retrieve!r}; expected get or move")
    listen = _endpoint(text, options["listen"]) if "listen" in options else None
    if retrieve == "move" and listen is None:
        raise InputError(f"{text}: retrieve=move needs listen=HOST:PORT, where the archive can reach us")
    return PacsAddress(
        host=endpoint.host,
        port=endpoint.port,
        aet=_ae_title(text, options["aet"]),
        calling=_ae_title(text, options.get("calling", DEFAULT_CALLING)),
        retrieve="move" if retrieve == "move" else "get",
        listen=listen,
    )


def require_uid(option: str, text: str) -> str:
    """A UID as DICOM has it: digits and dots, at most 64. Raises InputError."""
    if len(text) > 64 or not _UID.fullmatch(text):
        raise InputError(f"{option}: {text[:80]!r} is no DICOM UID; expected digits and dots, at most 64 characters")
    return text


def _endpoint(text: str, place: str) -> Endpoint:
    host, colon, port = place.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise InputError(f"{text}: {place!r} is no HOST:PORT; expected {_FORM}")
    return Endpoint(host=host.strip("[]"), port=int(port))


def _ae_title(text: str, title: str) -> str:
    if not title.strip() or not _AE_TITLE.fullmatch(title):
        raise InputError(f"{text}: {title[:40]!r} is no AE title; expected 1 to 16 plain characters")
    return title.strip()
