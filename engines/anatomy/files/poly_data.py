"""Points, lines and triangles with named arrays: the plain content of a VTK or mesh file."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from calibration.errors import InputError

# A whole-body surface at 0.5 mm has about 20 million points; a larger number is a broken header or an attack.
MAX_POINTS = 20_000_000
MAX_FILE_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PolyData:
    """Geometry as the file stores it.

    Args:
        points: (n, 3) in the units of the file.
        lines: point indices of each polyline.
        triangles: point indices; larger polygons are cut into fans on reading.
        point_arrays: name to (n,) or (n, c) values.
        line_arrays: name to one value (or row, or string) a line.
        remarks: titles, comments and texts of field data ("SPACE=RAS"): what a file says of itself.
    """

    points: Float[np.ndarray, "n 3"]
    lines: tuple[Int[np.ndarray, " m"], ...] = ()
    triangles: Int[np.ndarray, "t 3"] = field(default_factory=lambda: np.zeros((0, 3), dtype=np.int64))
    point_arrays: dict[str, np.ndarray] = field(default_factory=dict)
    line_arrays: dict[str, np.ndarray | tuple[str, ...]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def checked(data: PolyData, where: str) -> PolyData:
    """Refuse cells that name missing points, points that are not finite, and arrays of the wrong length."""
    if data.points.ndim != 2 or data.points.shape[1] != 3 or not 0 < len(data.points) <= MAX_POINTS:
        raise InputError(f"{where}: expected 1 to {MAX_POINTS} points of 3 numbers, found shape {data.points.shape}")
    if not np.isfinite(data.points).all():
        count = int((~np.isfinite(data.points)).any(axis=1).sum())
        raise InputError(f"{where}: {count} of {len(data.points)} points are NaN or infinite; export the file again")
    for cell in (*data.lines, data.triangles):
        if cell.size and (cell.min() < 0 or cell.max() >= len(data.points)):
            raise InputError(
                f"{where}: a cell names point {int(cell.max())} but there are {len(data.points)} points; "
                "the file is damaged, export it again"
            )
    lengths = {name: (len(values), len(data.points)) for name, values in data.point_arrays.items()}
    lengths |= {name: (len(values), len(data.lines)) for name, values in data.line_arrays.items()}
    for name, (found, expected) in lengths.items():
        if found != expected:
            raise InputError(f"{where}: array {name} has {found} values, expected {expected}; export the file again")
    return data


def split_cells(connectivity: np.ndarray, offsets: np.ndarray, where: str) -> tuple[np.ndarray, ...]:
    """Cells from VTK's flat connectivity and the end offset of each cell."""
    ends = _checked_ends(connectivity, offsets, where)
    return tuple(np.split(connectivity.astype(np.int64), ends[:-1])) if len(ends) else ()


def fan_triangles(connectivity: np.ndarray, offsets: np.ndarray, where: str) -> Int[np.ndarray, "t 3"]:
    """Polygons in VTK's connectivity and offsets, cut into fans of triangles."""
    ends = _checked_ends(connectivity, offsets, where)
    connectivity = connectivity.astype(np.int64)
    sizes = np.diff(ends, prepend=0)
    if len(sizes) == 0 or (sizes == 3).all():
        return connectivity.reshape(-1, 3)
    fans = np.maximum(sizes - 2, 0)
    first = np.repeat(ends - sizes, fans)
    within = np.arange(fans.sum()) - np.repeat(np.cumsum(fans) - fans, fans)
    corners = np.column_stack([first, first + within + 1, first + within + 2])
    return connectivity[corners]


def _checked_ends(connectivity: np.ndarray, offsets: np.ndarray, where: str) -> Int[np.ndarray, " c"]:
    ends = offsets.astype(np.int64)
    if (np.diff(ends, prepend=0) < 0).any() or (ends[-1] if len(ends) else 0) != len(connectivity):
        raise InputError(f"{where}: cell offsets do not fit the connectivity; the file is damaged, export it again")
    return ends
