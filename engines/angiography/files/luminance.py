"""Convert colour to grey."""

from __future__ import annotations

import numpy as np
from jaxtyping import Integer, UInt8, UInt16

_REC_601 = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601-7, 2.5.1


def luminance(
    colour: Integer[np.ndarray, "rows columns 3"], *, bits: int
) -> UInt8[np.ndarray, "rows columns"] | UInt16[np.ndarray, "rows columns"]:
    """Luminance of an RGB picture as a read-only array with the same number of bits."""
    grey = np.rint(colour.astype(np.float32) @ _REC_601)
    grey = np.clip(grey, 0, (1 << bits) - 1).astype(np.uint8 if bits <= 8 else np.uint16)
    grey.flags.writeable = False
    return grey
