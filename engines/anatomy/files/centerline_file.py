"""Centerlines from and to files: VTP, legacy VTK, tables `x,y,z[,radius][,branch]`, Slicer curves; LPS mm inside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.errors import InputError
from engines.anatomy.centerlines.tree import Polyline, tree_from_polylines
from engines.anatomy.files.centerline_table import TABLE_SUFFIXES, read_table
from engines.anatomy.files.coordinate_system import (
    DIAMETER_ARRAYS,
    RADIUS_ARRAYS,
    Declared,
    declared_by,
    in_lps_mm,
)
from engines.anatomy.files.markups import read_markups
from engines.anatomy.files.poly_data import PolyData
from engines.anatomy.files.surface_file import check_extent
from engines.anatomy.files.vtk_legacy import read_vtk
from engines.anatomy.files.vtk_xml import read_vtp, write_vtp
from engines.anatomy.vessel_model import Branch, CenterlineTree

_CLASSES = ("artery", "vein", "aorta")
_MAX_RADIUS_MM = 60.0  # the largest aneurysms; beyond it the array is no radius in mm


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DeclaredCenterlines:
    """A tree in LPS mm, and what its file said of its coordinate system."""

    tree: CenterlineTree
    declared: Declared


def load_centerlines(path: Path | str) -> CenterlineTree:
    """Read centerlines into LPS mm and order them into a tree; see `read_centerlines`."""
    return read_centerlines(path).tree


def read_centerlines(path: Path | str) -> DeclaredCenterlines:
    """Read centerlines into LPS mm, from the coordinate system and unit that the file declares (else LPS mm).

    A file written by `save_centerlines` keeps its branches; lines of any other file are cut at branch points and
    joined (see `tree_from_polylines`).

    Raises:
        InputError: unknown format, damaged, empty, not finite, in a coordinate system that is not read, not in
            millimetres, radii not positive.
    """
    path = Path(path)
    data, declared = _read_lines(path)
    polylines, parents = _polylines(data, str(path))
    tree = _stored_tree(polylines, parents) or tree_from_polylines(polylines)
    if not tree.branches:
        raise InputError(f"{path}: no line has two different points; export the centerlines again")
    return DeclaredCenterlines(tree=tree, declared=declared)


def load_polylines(path: Path | str) -> list[Polyline]:
    """The lines of a file in LPS mm as they are stored: neither cut, nor joined, nor turned round.

    Raises:
        InputError: as `read_centerlines`.
    """
    path = Path(path)
    return _polylines(_read_lines(path)[0], str(path))[0]


def _read_lines(path: Path) -> tuple[PolyData, Declared]:
    suffix = path.suffix.lower()
    if suffix in (".vtp", ".vtk"):
        data = read_vtp(path) if suffix == ".vtp" else read_vtk(path)
    elif suffix == ".json":
        data = read_markups(path)
    elif suffix in TABLE_SUFFIXES:
        data = read_table(path)
    else:
        raise InputError(
            f"{path}: centerlines are read from .vtp, .vtk, .csv and .mrk.json, found {path.suffix!r}; export as one"
        )
    if not data.lines:
        hint = "it holds a surface; pass it as surface" if len(data.triangles) else "export the centerlines again"
        raise InputError(f"{path}: has no lines; {hint}")
    declared = declared_by(data.remarks, str(path))
    data = in_lps_mm(data, declared)
    check_extent(data.points[np.concatenate(data.lines)], str(path))
    return data, declared


def save_centerlines(path: Path | str, tree: CenterlineTree) -> None:
    """Write `.vtp`: one line per branch, point array `radius`, line arrays `name`, `vessel_class`, `parent`."""
    path = Path(path)
    if path.suffix.lower() != ".vtp":
        raise InputError(f"{path}: centerlines are written as .vtp; choose this ending")
    ends = np.cumsum([len(branch.points_mm) for branch in tree.branches])
    data = PolyData(
        points=tree.points_mm(),
        lines=tuple(np.split(np.arange(ends[-1]), ends[:-1])),
        point_arrays={"radius": tree.radius_mm().astype(np.float64)},
        line_arrays={
            "name": tuple(branch.name for branch in tree.branches),
            "vessel_class": tuple(branch.vessel_class for branch in tree.branches),
            "parent": np.array([branch.parent for branch in tree.branches], dtype=np.int32),
        },
        remarks=("SPACE=LPS",),
    )
    write_vtp(path, data)


def _polylines(data: PolyData, where: str) -> tuple[list[Polyline], np.ndarray | None]:
    radius_mm = _stored_radius(data)
    # "Not known" is stored as NaN or 0 by exporters; what cannot be is negative, infinite, or wider than any vessel.
    used = radius_mm[np.concatenate(data.lines)] if radius_mm.ndim == 1 else np.array([-1.0])
    if (used < 0).any() or np.isinf(used).any() or (used > _MAX_RADIUS_MM).any():
        raise InputError(f"{where}: radii run to {np.nanmin(used):g} and {np.nanmax(used):g}; expected 0 to "
                         f"{_MAX_RADIUS_MM:g} mm; export one radius in mm a point")  # fmt: skip
    radius_mm = np.where(radius_mm == 0.0, np.nan, radius_mm)
    count = len(data.lines)
    names = data.line_arrays.get("name", ("",) * count)
    classes = data.line_arrays.get("vessel_class", ("artery",) * count)
    parents = data.line_arrays.get("parent")
    polylines = [
        Polyline(
            points_mm=data.points[line],
            radius_mm=radius_mm[line],
            name=str(name),
            vessel_class=str(vessel_class) if vessel_class in _CLASSES else "artery",
        )
        for line, name, vessel_class in zip(data.lines, names, classes, strict=True)
    ]
    return polylines, parents if isinstance(parents, np.ndarray) else None


def _stored_radius(data: PolyData) -> np.ndarray:
    arrays = {name.lower(): values for name, values in data.point_arrays.items()}
    for names, share in ((RADIUS_ARRAYS, 1.0), (DIAMETER_ARRAYS, 0.5)):
        for name in names:
            if name in arrays:
                return arrays[name].astype(np.float64) * share
    return np.full(len(data.points), np.nan)


def _stored_tree(polylines: list[Polyline], parents: np.ndarray | None) -> CenterlineTree | None:
    """The tree as this program saved it, or None if the stored parents form no tree."""
    if parents is None or any(len(line.points_mm) < 2 for line in polylines):
        return None
    if any(not -1 <= parent < index for index, parent in enumerate(parents)):
        return None
    return CenterlineTree(
        branches=tuple(
            Branch(
                points_mm=line.points_mm,
                radius_mm=line.radius_mm,
                name=line.name,
                vessel_class=line.vessel_class,
                parent=int(parent),
            )
            for line, parent in zip(polylines, parents, strict=True)
        )
    )
