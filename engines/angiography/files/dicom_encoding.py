"""One decision on how a DICOM file is encoded, for every reader: what it states is held against its first bytes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

PREAMBLE_BYTES = 132
_HEAD_BYTES = 8
_FIRST_GROUPS = (0x0002, 0x0008)  # file meta information, identification
_LAST_FIRST_ELEMENT = 0x0100  # identification begins far below
_LONGEST_FIRST_VALUE = 256
_NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How the data set of a file is written.

    Args:
        start: offset of its first byte.
        implicit: without value representations.
        little: little endian.
        transfer_syntax: of the pixel data: as stated, unless the first bytes show another plain one.
        meta: the file meta information; empty where there is none.
        said: what the file states otherwise, "" where it states nothing else.
    """

    start: int
    implicit: bool
    little: bool
    transfer_syntax: UID
    meta: Dataset
    said: str = ""


def starts_dicom(head: bytes) -> bool:
    """Whether the first 132 bytes begin a DICOM file, with the preamble or without it (as some archives write)."""
    if head[PREAMBLE_BYTES - 4 : PREAMBLE_BYTES] == b"DICM":
        return True
    if len(head) < _HEAD_BYTES:
        return False
    for order in ("little", "big"):
        group, element = int.from_bytes(head[:2], order), int.from_bytes(head[2:4], order)
        explicit = _is_vr(head[4:6])
        length = int.from_bytes(head[6:8] if explicit else head[4:8], order)
        if group in _FIRST_GROUPS and element < _LAST_FIRST_ELEMENT and length < _LONGEST_FIRST_VALUE:
            return True
    return False


def is_dicom(path: Path) -> bool:
    """Whether a file begins like DICOM. A file that cannot be opened is none."""
    try:
        with path.open("rb") as file:
            return starts_dicom(file.read(PREAMBLE_BYTES))
    except OSError:
        return False


def encoding_of(file: BinaryIO) -> Encoding:
    """Read the meta information and look at the first element behind it; the file then stands at the data set.

    pydicom tells implicit from explicit VR by the first element, too, but believes the stated byte order.

    Raises:
        InvalidDicomError: it does not begin like DICOM.
        Any of `DAMAGED`.
    """
    head = file.read(PREAMBLE_BYTES)
    if not starts_dicom(head):
        raise InvalidDicomError("it does not begin like a DICOM file")
    file.seek(PREAMBLE_BYTES if head[-4:] == b"DICM" else 0)
    meta = read_dataset(file, False, True, stop_when=_behind_meta)
    start = file.tell()
    first = file.read(_HEAD_BYTES)
    file.seek(start)
    stated = UID(str(meta.get("TransferSyntaxUID") or ""))
    explicit = _is_vr(first[4:6])
    little = int.from_bytes(first[:2], "little") <= int.from_bytes(first[:2], "big")
    plain = ExplicitVRLittleEndian if explicit else ImplicitVRLittleEndian
    if not little and explicit:
        plain = ExplicitVRBigEndian
    if stated and stated not in _NATIVE:
        # Compressed pictures stand in explicit little endian data sets; the elements themselves may be implicit.
        return Encoding(start=start, implicit=not explicit, little=little, transfer_syntax=stated, meta=meta)
    said = (
        f"states {stated.name}, is written in {plain.name}; read as it is written" if stated not in ("", plain) else ""
    )
    return Encoding(start=start, implicit=not explicit, little=little, transfer_syntax=plain, meta=meta, said=said)


def read_header(path: Path, keywords: Sequence[str]) -> Dataset:
    """Some attributes of a file that is not deflated, with its file meta information; nothing behind the pixel data.

    Raises:
        InvalidDicomError: it does not begin like DICOM.
        Any of `DAMAGED`.
    """
    tags: list[BaseTag | int] = [BaseTag(tag_for_keyword(keyword) or 0) for keyword in keywords]
    with path.open("rb") as file:
        encoding = encoding_of(file)
        return read_dataset(file, encoding.implicit, encoding.little, stop_when=at_pixel_data, specific_tags=tags)


def at_pixel_data(tag: int, vr: str | None, length: int) -> bool:  # noqa: ARG001 - pydicom's callback
    return tag in (0x7FE00008, 0x7FE00009, 0x7FE00010)


def say(text: str) -> None:
    """One line that a person sees: what a reader took otherwise than the file states."""
    logging.getLogger("guidance_app.files").warning(text)


def _behind_meta(tag: BaseTag, vr: str | None, length: int) -> bool:  # noqa: ARG001 - pydicom's callback
    return tag.group != 0x0002


def _is_vr(letters: bytes) -> bool:
    return len(letters) == 2 and letters.isalpha() and letters.isupper()
