"""The published warp of a centerline: scale and shift along it, turn and shift in each frame (seed 000, eq. 1 to 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from engines.anatomy.centerlines.moving_frame import MovingFrame


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LineTensors:
    """A centerline with its frame as tensors.

    Args:
        arc: (n,) mm, evenly spaced.
        points, u, v, tangent: (n, 3).
    """

    arc: Float[Tensor, " n"]
    points: Float[Tensor, "n 3"]
    u: Float[Tensor, "n 3"]
    v: Float[Tensor, "n 3"]
    tangent: Float[Tensor, "n 3"]

    @classmethod
    def of(cls, frame: MovingFrame) -> LineTensors:
        parts = (frame.arc_mm, frame.points_mm, frame.u, frame.v, frame.tangent)
        return cls(**dict(zip(("arc", "points", "u", "v", "tangent"), map(torch.from_numpy, parts), strict=True)))

    @property
    def half_mm(self) -> float:
        return 0.5 * float(self.arc[-1] - self.arc[0])

    def row(self, place: Float[Tensor, " f"]) -> Float[Tensor, " f"]:
        """Fractional row of a place; differentiable."""
        return (place - self.arc[0]) / (self.arc[-1] - self.arc[0]) * (len(self.arc) - 1)

    def at(self, place: Float[Tensor, " f"]) -> tuple[Tensor, Tensor, Tensor]:
        """Points, u and v between the rows, differentiable in the place; straight on beyond the ends."""
        row = self.row(place).clamp(0, len(self.arc) - 1)
        low = row.detach().floor().clamp(max=len(self.arc) - 2).long()
        part = (row - low)[:, None]

        def between(values: Tensor) -> Tensor:
            return values[low] * (1 - part) + values[low + 1] * part

        tangent = torch.nn.functional.normalize(between(self.tangent), dim=1)
        u = between(self.u)
        u = torch.nn.functional.normalize(u - (u * tangent).sum(1, keepdim=True) * tangent, dim=1)
        beyond = place - place.clamp(float(self.arc[0]), float(self.arc[-1]))
        return between(self.points) + beyond[:, None] * tangent, u, torch.linalg.cross(tangent, u)


class Warp(torch.nn.Module):
    """Where each frame lies.

    The places are `scale * zeta + shift` in units of half the centerline, zeta running from -1 to 1 over the pullback.
    (Seed 000 states the scale as centerline over pullback, which carries the centerline to the pullback; here the
    frames are carried to the centerline, so it is the reciprocal.) The shift t in the frame's plane comes before the
    turn, as in eq. 3.

    Args:
        zeta: (f,) normalised nominal positions.
        handedness: of u, v about the centerline's tangent.
    """

    def __init__(
        self, zeta: Float[Tensor, " f"], *, scale: float, shift: float, turn_rad: float, handedness: int
    ) -> None:
        super().__init__()
        self.zeta = zeta
        self.handedness = handedness
        self.scale = torch.nn.Parameter(torch.tensor(scale, dtype=torch.float64))
        self.shift = torch.nn.Parameter(torch.tensor(shift, dtype=torch.float64))
        self.theta = torch.nn.Parameter(torch.full_like(zeta, turn_rad))
        self.offset_u = torch.nn.Parameter(torch.zeros_like(zeta))
        self.offset_v = torch.nn.Parameter(torch.zeros_like(zeta))

    def place(self, line: LineTensors) -> Float[Tensor, " f"]:
        """Arc length of each frame in mm."""
        return line.arc[0] + line.half_mm * (1.0 + self.scale * self.zeta + self.shift)

    def in_plane(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Coordinates along the centerline's u and (handed) v of a place x, y in each frame."""
        cos, sin = torch.cos(self.theta)[:, None], torch.sin(self.theta)[:, None]
        x, y = x + self.offset_u[:, None], y + self.offset_v[:, None]
        return cos * x - sin * y, sin * x + cos * y

    def roughness(self) -> Tensor:
        """Eq. 7 to the letter: squared steps of the sum of turn (rad) and both shifts (mm)."""
        return torch.diff(self.theta + self.offset_u + self.offset_v).square().sum()

    def poses(self, line: LineTensors) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Catheter, u and v of each frame."""
        with torch.no_grad():
            points, u, v = line.at(self.place(line))
            nothing = torch.zeros((len(self.zeta), 1), dtype=torch.float64)
            a, b = self.in_plane(nothing, nothing)
            cos, sin = torch.cos(self.theta)[:, None], torch.sin(self.theta)[:, None]
            v = self.handedness * v
            return (points + a * u + b * v).numpy(), (cos * u + sin * v).numpy(), (-sin * u + cos * v).numpy()
