"""Values of DICOM attributes as stored, read without trusting the file."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

# The exceptions that pydicom raises for damaged values, sequences and headers.
DAMAGED = (
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    AttributeError,
    NotImplementedError,
    RecursionError,
    EOFError,
    OSError,
    MemoryError,
    struct.error,
    InvalidDicomError,
    BytesLengthException,
)


def stored_numbers(dataset: Dataset, keyword: str) -> list[float] | None:
    """Finite numbers of an attribute; None if it is absent or empty.

    Raises:
        ValueError: the attribute holds anything but finite numbers.
    """
    try:
        values = _values(dataset, keyword)
        numbers = None if values is None else [float(value) for value in values]
    except DAMAGED as error:
        raise ValueError(f"{attribute_name(keyword)} is not a number") from error
    if numbers is not None and not all(math.isfinite(number) for number in numbers):
        raise ValueError(f"{attribute_name(keyword)} is not finite ({numbers})")
    return numbers


def stored_text(dataset: Dataset, keyword: str) -> str:
    """An attribute's text, several values joined by a backslash; "" if it is absent or damaged."""
    try:
        value = dataset.get(keyword)
    except DAMAGED:
        return ""
    if value is None:
        return ""
    return "\\".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)


def attribute_name(keyword: str) -> str:
    """The attribute's keyword and tag, for messages."""
    tag = tag_for_keyword(keyword) or 0
    return f"{keyword} ({tag >> 16:04x},{tag & 0xFFFF:04x})"


def _values(dataset: Dataset, keyword: str) -> list[Any] | None:
    tag = tag_for_keyword(keyword)
    if tag is None or tag not in dataset:
        return None
    element = dataset.get_item(tag)
    if isinstance(element, RawDataElement) and (element.VR or dictionary_VR(tag)) in ("DS", "IS"):
        # Real files hold numbers longer than 16 characters; they are usable, so pydicom's warnings are avoided.
        value: Any = (element.value or b"").decode("ascii").strip(" \0")
    else:
        value = dataset[tag].value
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return list(value.split("\\"))
    return list(value) or None if isinstance(value, Sequence) else [value]
