"""The published start: first along the vessel, then about it, one after the other (seed 000, III-B.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from engines.ivus.features.landmark_maps import ANGLES
from engines.ivus.published.losses import dice_ce

_STEP_MM = 0.3
_LEAST_INSIDE = 0.5  # of the frames; the paper leaves the range of the grid open


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Args:
    along: +1 where the stored frames run with the centerline.
    middle_mm: arc length of the pullback's middle.
    turn: bin of the frames' u axis from the centerline's u.
    handedness: of the frames' axes about the centerline's tangent.
    loss: of the landmark maps; smaller is better.
    """

    along: int
    middle_mm: float
    turn: int
    handedness: int
    loss: float


def starts(
    frames: Float[Tensor, "2 f a"], nominal_mm: Float[np.ndarray, " f"], line: Float[Tensor, "2 n a"],
    arc_mm: Float[np.ndarray, " n"],
) -> list[Start]:  # fmt: skip
    """Every turn and both hands at the best place along the vessel; the published start comes first.

    Args:
        frames, line: landmark maps of both sides.
        nominal_mm: positions from 0.
        arc_mm: evenly spaced from 0.
    """
    centred = nominal_mm - 0.5 * nominal_mm[-1]
    middles = _middles(float(nominal_mm[-1]), float(arc_mm[-1]))
    signal, course = frames.amax(2), line.amax(2)  # eq. 8
    best: tuple[float, int, float] | None = None
    for along in (1, -1):
        places = middles[:, None] + along * centred[None, :]
        moving = torch.stack([_read(course[k], places, arc_mm) for k in range(2)], dim=1)
        loss = dice_ce(signal[None].expand(len(middles), -1, -1), moving)
        k = int(loss.argmin())
        if best is None or float(loss[k]) < best[0]:
            best = (float(loss[k]), along, float(middles[k]))
    assert best is not None
    _, along, middle = best
    rows, inside = _rows(middle + along * centred, arc_mm)
    here = line[:, rows] * inside[None, :, None]
    found = []
    for handedness in (1, -1):
        for turn in range(ANGLES):
            columns = (turn + handedness * np.arange(ANGLES)) % ANGLES
            loss = dice_ce(frames.flatten(1), here[:, :, columns].flatten(1))
            found.append(Start(along=along, middle_mm=middle, turn=turn, handedness=handedness, loss=float(loss)))
    return sorted(found, key=lambda start: start.loss)


def _middles(pullback_mm: float, line_mm: float) -> np.ndarray:
    reach = 0.5 * abs(line_mm - pullback_mm) + (0.5 - _LEAST_INSIDE) * min(pullback_mm, line_mm)
    return 0.5 * line_mm + np.arange(-reach, reach + 1e-6, _STEP_MM)


def _rows(places: np.ndarray, arc_mm: np.ndarray) -> tuple[Tensor, Tensor]:
    step = float(arc_mm[1] - arc_mm[0])
    rows = np.rint((places - arc_mm[0]) / step).astype(int)
    inside = (rows >= 0) & (rows < len(arc_mm))
    return torch.from_numpy(np.clip(rows, 0, len(arc_mm) - 1)), torch.from_numpy(inside.astype(np.float64))


def _read(course: Float[Tensor, " n"], places: np.ndarray, arc_mm: np.ndarray) -> Tensor:
    rows, inside = _rows(places, arc_mm)
    return course[rows] * inside
