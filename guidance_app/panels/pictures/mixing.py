"""Two pictures of one place in one: how a reader sees whether their borders meet. No Qt."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

MIXES = ("side by side", "blend", "flicker", "checkerboard")
FLICKER_MS = 400


def mixed(
    one: UInt8[np.ndarray, "r c"], other: UInt8[np.ndarray, "r c"], mix: str, *, flicked: bool, checker_px: float
) -> UInt8[np.ndarray, "r c"]:
    """Args:
    mix: of `MIXES`; side by side shows `one` alone.
    flicked: while they flicker, it is the other's turn.
    checker_px: side of a square.
    """
    if mix == "blend":
        return (one // 2 + other // 2).astype(np.uint8)
    if mix == "flicker":
        return other if flicked else one
    if mix == "checkerboard":
        rows, columns = (np.arange(size) // max(checker_px, 1.0) for size in one.shape)
        return np.where((rows[:, None] + columns[None, :]) % 2 > 0, other, one)
    return one
