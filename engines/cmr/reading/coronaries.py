"""Coronary branches as drawn: one polyline a branch, from origin to tip, never cut, joined or turned round."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from calibration.errors import InputError
from engines.anatomy.centerlines.polyline import arc_length_mm
from engines.anatomy.files.centerline_file import load_polylines


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CoronaryBranch:
    """A branch from its origin to its tip.

    Args:
        points_mm: (n, 3) LPS.
        radius_mm: (n,) lumen radius; NaN where unknown.
        name: as in the file, or "".
    """

    points_mm: Float[np.ndarray, "n 3"]
    radius_mm: Float[np.ndarray, " n"]
    name: str = ""

    @property
    def along_mm(self) -> Float[np.ndarray, " n"]:
        """Distance of each point from the origin, along the branch."""
        return arc_length_mm(self.points_mm)


def load_coronaries(path: Path | str) -> tuple[CoronaryBranch, ...]:
    """Read branches from VTP, VTK or CSV.

    Raises:
        InputError: not readable, or no branch with two different points.
    """
    branches = []
    for line in load_polylines(path):
        steps = np.linalg.norm(np.diff(line.points_mm, axis=0), axis=1)
        keep = np.concatenate([[True], steps > 1e-6])
        if keep.sum() >= 2:
            branches.append(
                CoronaryBranch(points_mm=line.points_mm[keep], radius_mm=line.radius_mm[keep], name=line.name.strip())
            )
    if not branches:
        raise InputError(f"{path}: no line has two different points; export the coronaries again")
    return tuple(branches)
