"""Centerlines from and to files: VTP, legacy VTK, CSV `x,y,z[,radius][,branch]`; LPS mm."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np

from calibration.errors import InputError
from engines.anatomy.centerlines.tree import Polyline, tree_from_polylines
from engines.anatomy.files.poly_data import MAX_FILE_BYTES, PolyData
from engines.anatomy.files.surface_file import check_extent
from engines.anatomy.files.vtk_legacy import read_vtk
from engines.anatomy.files.vtk_xml import read_vtp, write_vtp
from engines.anatomy.vessel_model import Branch, CenterlineTree

RADIUS_ARRAYS = ("radius", "MaximumInscribedSphereRadius", "Radius")
_CLASSES = ("artery", "vein", "aorta")
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
_MAX_RADIUS_MM = 60.0  # the largest aneurysms; beyond it the array is no radius in mm


def load_centerlines(path: Path | str) -> CenterlineTree:
    """Read centerlines and order them into a tree.

    A file written by `save_centerlines` comes back branch by branch; any other file's lines are cut at branch
    points and joined (see `tree_from_polylines`).

    Raises:
        InputError: unknown format, damaged, empty, not finite, not in millimetres, radii not positive.
    """
    path = Path(path)
    polylines, parents = _polylines(_read_lines(path), str(path))
    tree = _stored_tree(polylines, parents) or tree_from_polylines(polylines)
    if not tree.branches:
        raise InputError(f"{path}: no line has two different points; export the centerlines again")
    return tree


def load_polylines(path: Path | str) -> list[Polyline]:
    """The lines of a file exactly as they are stored: neither cut, nor joined, nor turned round.

    Raises:
        InputError: unknown format, damaged, empty, not finite, not in millimetres, radii not positive.
    """
    path = Path(path)
    return _polylines(_read_lines(path), str(path))[0]


def _read_lines(path: Path) -> PolyData:
    suffix = path.suffix.lower()
    if suffix in (".vtp", ".vtk"):
        data = read_vtp(path) if suffix == ".vtp" else read_vtk(path)
    elif suffix in (".csv", ".txt", ".tsv"):
        data = _read_csv(path)
    else:
        raise InputError(f"{path}: centerlines are read from .vtp, .vtk and .csv, found {path.suffix!r}; export as one")
    if not data.lines:
        hint = "it holds a surface; pass it as surface" if len(data.triangles) else "export the centerlines again"
        raise InputError(f"{path}: has no lines; {hint}")
    check_extent(data.points[np.concatenate(data.lines)], str(path))
    return data


def save_centerlines(path: Path | str, tree: CenterlineTree) -> None:
    """Write `.vtp`: a line a branch, point array `radius`, line arrays `name`, `vessel_class`, `parent`."""
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
    )
    write_vtp(path, data)


def _polylines(data: PolyData, where: str) -> tuple[list[Polyline], np.ndarray | None]:
    stored = next((data.point_arrays[name] for name in RADIUS_ARRAYS if name in data.point_arrays), None)
    radius_mm = np.full(len(data.points), np.nan) if stored is None else stored.astype(np.float64)
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


def _stored_tree(polylines: list[Polyline], parents: np.ndarray | None) -> CenterlineTree | None:
    """The tree as saved by this program, or None where the parents make no tree."""
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


def _read_csv(path: Path) -> PolyData:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"{path}: larger than {MAX_FILE_BYTES / 1e9:.1f} GB; export only the centerlines")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no text; export the centerlines as CSV x,y,z[,radius][,branch]") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    # Where a comma is the decimal point, as in much of Europe, spreadsheets put semicolons or tabs between the cells.
    delimiter = next((mark for mark in (";", "\t", ",") if lines and mark in lines[0]), " ")
    rows = [[_cell(cell) for cell in row] for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True)]
    header = ["x", "y", "z", "radius", "branch"]
    if rows and not _is_number(rows[0][0]):
        header = ["branch" if cell.lower() == "name" else cell.lower() for cell in rows.pop(0)]
    if not rows or any(axis not in header[: len(rows[0])] for axis in "xyz"):
        raise InputError(
            f"{path}: expected rows x,y,z[,radius][,branch] in mm, found {len(rows)} rows; export it again"
        )
    return _csv_lines(path, header, rows)


def _csv_lines(path: Path, header: list[str], rows: list[list[str]]) -> PolyData:
    width = len(rows[0])
    places = {name: header.index(name) for name in ("x", "y", "z", "radius", "branch") if name in header[:width]}
    try:
        numbers = [name for name in ("x", "y", "z", "radius") if name in places]
        values = np.array([[row[places[name]] or "nan" for name in numbers] for row in rows], dtype=np.float64)
        branch = [row[places["branch"]] if "branch" in places else "" for row in rows]
    except (ValueError, IndexError) as error:
        raise InputError(f"{path}: a row is no {','.join(places)} ({error}); expected numbers in mm") from error
    if not np.isfinite(values[:, :3]).all():
        row = int(np.flatnonzero(~np.isfinite(values[:, :3]).all(axis=1))[0]) + 1
        raise InputError(f"{path}: point {row} is NaN or infinite; export the centerlines again")
    names = list(dict.fromkeys(branch))
    order = np.array([names.index(name) for name in branch])
    return PolyData(
        points=values[:, :3],
        lines=tuple(np.flatnonzero(order == index) for index in range(len(names))),
        point_arrays={"radius": values[:, 3]} if "radius" in places else {},
        # Numbers only tell branches apart; words name them.
        line_arrays={"name": tuple("" if _is_number(name) else name for name in names)},
    )


def _cell(text: str) -> str:
    return _DECIMAL_COMMA.sub(".", text.strip())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
