"""Percentiles of one or two runs as a picture: a row a stage, on a logarithmic axis of milliseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from calibration.errors import InputError
from calibration.store import write_atomically
from guidance_app.live.latency import Percentiles

_WIDTH_PX, _LEFT_PX, _RIGHT_PX, _ROW_PX, _TOP_PX, _FOOT_PX = 1100, 210, 110, 26, 70, 60
_PAPER, _INK, _GRID = (255, 255, 255), (40, 40, 40), (220, 220, 220)
_ARMS_BGR = ((178, 94, 20), (30, 100, 210))
_TICKS_MS = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10000)


def write_plot(path: Path, title: str, arms: Sequence[tuple[str, Mapping[str, Percentiles]]], provenance: str) -> None:
    """PNG: the bar reaches from the median to p99, marks stand at p50, p95 and the largest.

    Raises:
        InputError: the file cannot be written.
    """
    done, data = cv2.imencode(".png", plot(title, arms, provenance))
    if path.suffix.lower() != ".png" or not done:
        raise InputError(f"--plot {path}: the plot is a PNG; give a name that ends in .png")

    def write(beside: Path) -> None:
        beside.write_bytes(data.tobytes())

    write_atomically(path, write)


def plot(
    title: str, arms: Sequence[tuple[str, Mapping[str, Percentiles]]], provenance: str
) -> UInt8[np.ndarray, "rows columns 3"]:
    """`arms` are names with percentiles by stage; stages that never ran are left out."""
    names = [name for name in arms[0][1] if any(stages[name].count for _, stages in arms)]
    largest_ms = max((stages[name].max or 0.0 for _, stages in arms for name in names), default=1.0)
    axis = _Axis(largest_ms)
    group_px = _ROW_PX * len(arms) + 14
    picture = np.full((_TOP_PX + group_px * len(names) + _FOOT_PX, _WIDTH_PX, 3), _PAPER, np.uint8)
    _text(picture, title, (16, 26), 0.6)
    for number, (arm, _) in enumerate(arms):
        _text(picture, arm, (16 + 420 * number, 50), 0.5, _ARMS_BGR[number % 2])
    bottom = _TOP_PX + group_px * len(names)
    for tick_ms in axis.ticks_ms:
        cv2.line(picture, (axis.x(tick_ms), _TOP_PX), (axis.x(tick_ms), bottom), _GRID, 1)
        _text(picture, f"{tick_ms:g}", (axis.x(tick_ms) - 10, bottom + 18), 0.42)
    _text(picture, "ms", (_WIDTH_PX - 60, bottom + 18), 0.42)
    for row, name in enumerate(names):
        top = _TOP_PX + group_px * row + 4
        _text(picture, name.replace("_", " "), (16, top + _ROW_PX * len(arms) // 2 + 6), 0.45)
        for number, (_, stages) in enumerate(arms):
            if stages[name].count:
                _bar(picture, axis, stages[name], top + _ROW_PX * number + _ROW_PX // 2, _ARMS_BGR[number % 2])
    _text(picture, provenance, (16, bottom + 42), 0.42)
    return picture


class _Axis:
    def __init__(self, largest_ms: float) -> None:
        self.ticks_ms = tuple(tick for tick in _TICKS_MS if tick <= 3.2 * largest_ms) or _TICKS_MS[:2]
        self._low, self._high = np.log10(self.ticks_ms[0]), np.log10(max(self.ticks_ms[-1], largest_ms))

    def x(self, value_ms: float) -> int:
        share = (np.log10(max(value_ms, self.ticks_ms[0])) - self._low) / max(self._high - self._low, 1e-9)
        return round(_LEFT_PX + float(share) * (_WIDTH_PX - _LEFT_PX - _RIGHT_PX))


def _bar(
    picture: UInt8[np.ndarray, "rows columns 3"], axis: _Axis, stage: Percentiles, y: int, colour: tuple[int, int, int]
) -> None:
    assert stage.p50 is not None
    assert stage.p95 is not None
    assert stage.p99 is not None
    assert stage.max is not None
    cv2.line(picture, (axis.x(stage.p50), y), (axis.x(stage.p99), y), colour, 5)
    cv2.line(picture, (axis.x(stage.p99), y), (axis.x(stage.max), y), colour, 1)
    for value_ms in (stage.p50, stage.p95, stage.max):
        cv2.line(picture, (axis.x(value_ms), y - 8), (axis.x(value_ms), y + 8), colour, 2)
    _text(picture, f"{stage.p50:.1f} / {stage.p95:.1f}", (_WIDTH_PX - _RIGHT_PX + 8, y + 5), 0.4, colour)


def _text(
    picture: UInt8[np.ndarray, "rows columns 3"], text: str, at: tuple[int, int], size: float,
    colour: tuple[int, int, int] = _INK,
) -> None:  # fmt: skip
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
