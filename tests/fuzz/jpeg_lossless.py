"""A JPEG lossless encoder (ITU-T T.81 process 14, selection value 1), for samples: nothing here writes that coding."""

from __future__ import annotations

import struct

import numpy as np
from jaxtyping import UInt8

# Seventeen code lengths of four and five bits: enough for the differences of 16 bit pictures, and complete.
_CATEGORIES = tuple(range(17))
_COUNTS = (0, 0, 0, 14, 3, *[0] * 11)


def jpeg_lossless(picture: UInt8[np.ndarray, "rows columns"]) -> bytes:
    """One grey picture of 8 bits."""
    rows, columns = picture.shape
    table = struct.pack(">HB16B", 2 + 17 + len(_CATEGORIES), 0, *_COUNTS) + bytes(_CATEGORIES)
    frame = struct.pack(">HBHHBBBB", 11, 8, rows, columns, 1, 1, 0x11, 0)
    scan = struct.pack(">HBBBBBB", 8, 1, 1, 0, 1, 0, 0)  # predictor 1: the neighbour on the left
    return b"\xff\xd8\xff\xc3" + frame + b"\xff\xc4" + table + b"\xff\xda" + scan + _scan(picture) + b"\xff\xd9"


def _scan(picture: UInt8[np.ndarray, "rows columns"]) -> bytes:
    values = picture.astype(np.int32)
    predicted = np.empty_like(values)
    predicted[:, 1:] = values[:, :-1]
    predicted[1:, 0] = values[:-1, 0]  # H.1.2.1: first column from above, first sample from half the range
    predicted[0, 0] = 128
    codes = _codes()
    bits = []
    for difference in (values - predicted).ravel().tolist():
        category = abs(difference).bit_length()
        bits.append(codes[category])
        if category:
            low = difference if difference > 0 else difference + (1 << category) - 1
            bits.append(format(low, f"0{category}b"))
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")


def _codes() -> list[str]:
    """Canonical codes, Annex C."""
    codes, code = [], 0
    for length, count in enumerate(_COUNTS, 1):
        for _ in range(count):
            codes.append(format(code, f"0{length}b"))
            code += 1
        code <<= 1
    return codes
