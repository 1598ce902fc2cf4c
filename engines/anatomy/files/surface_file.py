"""Read and write surfaces: STL, VTP, legacy VTK, OBJ, PLY; always LPS mm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from calibration.errors import InputError
from calibration.store import write_atomically
from engines.anatomy.files.coordinate_system import Declared, declared_by, in_lps_mm
from engines.anatomy.files.mesh_file import read_obj, read_ply, read_stl
from engines.anatomy.files.poly_data import MAX_POINTS, PolyData
from engines.anatomy.files.vtk_legacy import read_vtk
from engines.anatomy.files.vtk_xml import read_vtp, write_vtp
from engines.anatomy.vessel_model import SurfaceMesh

# The smallest vessel model is a piece of a coronary, the largest an aorta with both legs.
MIN_EXTENT_MM = 2.0
MAX_EXTENT_MM = 2000.0

_READERS: dict[str, Callable[[Path], PolyData]] = {
    ".stl": read_stl,
    ".vtp": read_vtp,
    ".vtk": read_vtk,
    ".obj": read_obj,
    ".ply": read_ply,
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DeclaredSurface:
    """A surface in LPS mm, and what its file said of its coordinate system."""

    surface: SurfaceMesh
    declared: Declared


def load_surface(path: Path | str) -> SurfaceMesh:
    """Read a triangle surface into LPS mm; see `read_surface`."""
    return read_surface(path).surface


def read_surface(path: Path | str) -> DeclaredSurface:
    """Read a triangle surface into LPS mm, from the coordinate system and unit that the file declares (else LPS mm).

    Raises:
        InputError: unknown format, damaged, empty, not finite, in a coordinate system that is not read, or of an extent
            that no vessel has in millimetres.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"{path}: surfaces are read from {', '.join(_READERS)}, found {path.suffix!r}; export it as one of them"
        )
    data = reader(path)
    if len(data.triangles) == 0:
        hint = "it holds lines; pass it as centerlines" if data.lines else "export the surface again"
        raise InputError(f"{path}: has no triangles; {hint}")
    declared = declared_by(data.remarks, str(path))
    data = in_lps_mm(data, declared)
    check_extent(data.points, str(path))
    surface = SurfaceMesh(vertices_mm=data.points.astype(np.float64), triangles=data.triangles)
    return DeclaredSurface(surface=surface, declared=declared)


def save_surface(path: Path | str, surface: SurfaceMesh) -> None:
    """Write a complete `.vtp` or binary `.stl`, or nothing."""
    path = Path(path)
    if path.suffix.lower() == ".vtp":
        triangles = np.asarray(surface.triangles, dtype=np.int64)
        write_vtp(path, PolyData(points=surface.vertices_mm, triangles=triangles, remarks=("SPACE=LPS",)))
    elif path.suffix.lower() == ".stl":
        content = _stl_bytes(surface)

        def write(beside: Path) -> None:
            beside.write_bytes(content)

        write_atomically(path, write)
    else:
        raise InputError(f"{path}: surfaces are written as .vtp or .stl; choose one of these endings")


def check_extent(points: Float[np.ndarray, "n 3"], where: str) -> None:
    """Refuse a model that is not in mm: metres and micrometres are common, and the error shows only when projected."""
    extent = float(np.ptp(points, axis=0).max())
    if MIN_EXTENT_MM <= extent <= MAX_EXTENT_MM:
        return
    if extent == 0.0:
        raise InputError(f"{where}: all {len(points)} points lie in one place; export the model again")
    if extent < 1.0 and MIN_EXTENT_MM <= extent * 1000.0 <= MAX_EXTENT_MM:
        guess = "it looks like metres; multiply by 1000 on export"
    elif extent > MAX_EXTENT_MM and extent / 1000.0 >= MIN_EXTENT_MM:
        guess = "it looks like micrometres; divide by 1000 on export"
    else:
        guess = "export it in millimetres"
    raise InputError(
        f"{where}: is {extent:.3g} across, expected {MIN_EXTENT_MM:g} to {MAX_EXTENT_MM:g} mm for vessels; {guess}"
    )


def _stl_bytes(surface: SurfaceMesh) -> bytes:
    corners = surface.vertices_mm[surface.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    records = np.zeros(len(corners), dtype=[("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    records["normal"] = np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)
    records["corners"] = corners
    assert len(surface.vertices_mm) <= MAX_POINTS
    return b"SPACE=LPS UNIT=mm".ljust(80) + np.uint32(len(corners)).tobytes() + records.tobytes()
