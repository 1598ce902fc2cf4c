"""Centerline tables: CSV, TSV and text with columns x,y,z (or r,a,s or l,p,s), radius and branch.

3D Slicer names its columns r,a,s or l,p,s and states the coordinate system in a comment; VMTK calls the radius
MaximumInscribedSphereRadius; ParaView calls the coordinates Points:0 to Points:2.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.errors import InputError
from engines.anatomy.files.coordinate_system import DIAMETER_ARRAYS, RADIUS_ARRAYS, UNITS_MM
from engines.anatomy.files.poly_data import MAX_FILE_BYTES, PolyData

TABLE_SUFFIXES = (".csv", ".txt", ".tsv", ".fcsv", ".dat")
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
_COORDINATES = {"": ("x", "y", "z"), "RAS": ("r", "a", "s"), "LPS": ("l", "p", "s")}
_ALIASES = {"points:0": "x", "points:1": "y", "points:2": "z", "points_0": "x", "points_1": "y", "points_2": "z",
            "pos_x": "x", "pos_y": "y", "pos_z": "z", "px": "x", "py": "y", "pz": "z", "xcoord": "x", "ycoord": "y",
            "zcoord": "z"}  # fmt: skip
_BRANCHES = ("branch", "branch_id", "branchid", "branch_name", "branchname", "vessel", "segment", "centerlineids",
             "centerlineid", "centerline_id", "groupids")  # fmt: skip
_UNIT_BEHIND = re.compile(r"^(.*?)\s*(?:[\[(]\s*([A-Za-zµμ]+)\s*[\])]|[_ ](mm|cm|um|µm|m))$")
_COMMENTED_HEAD = re.compile(r"^#\s*columns\s*=\s*(.+)$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """Where in a row what stands; `system` and `unit` as the head says them."""

    points: tuple[int, int, int]
    radius: int | None = None
    radius_factor: float = 1.0  # to the unit of the points, and from diameters
    branch: int | None = None
    label: int | None = None
    system: str = ""
    unit: str = ""


def read_table(path: Path) -> PolyData:
    """Lines of a table; what comments and columns say of the coordinate system is in `remarks`.

    Raises:
        InputError: not text, no such columns, rows that are no numbers.
    """
    text = _text(path)
    comments = tuple(line for line in text.splitlines() if line.lstrip().startswith("#"))
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    # Where a comma is the decimal point, as in much of Europe, spreadsheets put semicolons or tabs between the cells.
    delimiter = next((mark for mark in (";", "\t", ",") if lines and mark in lines[0]), " ")
    if delimiter == " ":
        lines = [" ".join(line.split()) for line in lines]
    rows = [[_cell(cell) for cell in row] for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True)]
    head = ["x", "y", "z", "radius", "branch"]
    if rows and not any(_is_number(cell) for cell in rows[0]):
        head = rows.pop(0)
    elif commented := _COMMENTED_HEAD.search(text):
        head = [cell.strip() for cell in commented[1].split(",")]
    if not rows or len(rows[0]) < 3:
        raise InputError(
            f"{path}: expected rows x,y,z[,radius][,branch] in mm, found {len(rows)} rows of "
            f"{len(rows[0]) if rows else 0} values; export it again"
        )
    columns = _columns(head[: len(rows[0])], path)
    remarks = [*comments]
    if columns.system:
        remarks.append(f"SPACE={columns.system}")
    if columns.unit:
        remarks.append(f"UNIT={columns.unit}")
    return _lines(path, columns, rows, tuple(remarks))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"{path}: larger than {MAX_FILE_BYTES / 1e9:.1f} GB; export only the centerlines")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not text; export the centerlines as CSV x,y,z[,radius][,branch]") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _columns(head: list[str], path: Path) -> _Columns:
    names, units = zip(*(_name_and_unit(cell) for cell in head), strict=True)
    found = {system: [names.index(axis) for axis in axes] for system, axes in _COORDINATES.items()
             if all(axis in names for axis in axes)}  # fmt: skip
    if len(found) != 1:
        what = "no coordinates" if not found else f"coordinates of {len(found)} kinds"
        raise InputError(
            f"{path}: has {what} among its columns {', '.join(head[:12])}; expected x,y,z or r,a,s or l,p,s, in mm"
        )
    system, points = next(iter(found.items()))
    unit = next((units[place] for place in points if units[place]), "")
    radius, factor = None, 1.0
    for kinds, share in ((RADIUS_ARRAYS, 1.0), (("r",), 1.0), (DIAMETER_ARRAYS, 0.5)):
        if kinds == ("r",) and system == "RAS":
            continue
        if place := [names.index(name) for name in kinds if name in names]:
            radius, factor = place[0], share
            break
    if radius is not None and units[radius]:
        factor *= UNITS_MM[units[radius]] / UNITS_MM[unit or "mm"]
    branch = next((names.index(name) for name in _BRANCHES if name in names), None)
    return _Columns(
        points=(points[0], points[1], points[2]),
        radius=radius,
        radius_factor=factor,
        branch=branch,
        label=names.index("label") if "label" in names else None,
        system=system,
        unit=unit,
    )


def _name_and_unit(cell: str) -> tuple[str, str]:
    """ "X [cm]" is x and cm; "radius_mm" is radius and mm."""
    name, unit = cell.strip().strip('"').lower(), ""
    found = _UNIT_BEHIND.match(name)
    if found and (found[2] or found[3]) in UNITS_MM and found[1]:
        name, unit = found[1].strip(), found[2] or found[3]
    return _ALIASES.get(name, name), unit


def _lines(path: Path, columns: _Columns, rows: list[list[str]], remarks: tuple[str, ...]) -> PolyData:
    try:
        points = np.array([[row[place] or "nan" for place in columns.points] for row in rows], dtype=np.float64)
        radius = None
        if columns.radius is not None:
            radius = np.array([row[columns.radius] or "nan" for row in rows], dtype=np.float64) * columns.radius_factor
        branch = _branch_words(columns, rows)
    except (ValueError, IndexError) as error:
        raise InputError(f"{path}: a row is no x,y,z[,radius] ({error}); expected numbers in mm") from error
    if not np.isfinite(points).all():
        row = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0]) + 1
        raise InputError(f"{path}: point {row} is NaN or infinite; export the centerlines again")
    names = list(dict.fromkeys(branch))
    order = np.array([names.index(name) for name in branch])
    return PolyData(
        points=points,
        lines=tuple(np.flatnonzero(order == index) for index in range(len(names))),
        point_arrays={} if radius is None else {"radius": radius},
        # Numbers only tell branches apart; words name them.
        line_arrays={"name": tuple("" if _is_number(name) else name for name in names)},
        remarks=remarks,
    )


def _branch_words(columns: _Columns, rows: list[list[str]]) -> list[str]:
    if columns.branch is not None:
        return [row[columns.branch] for row in rows]
    if columns.label is not None:
        labels = [row[columns.label] for row in rows]
        # 3D Slicer labels every point (P-1, P-2, ...); a label that many points share is a branch.
        if 2 * len(set(labels)) <= len(labels):
            return labels
    return [""] * len(rows)


def _cell(text: str) -> str:
    return _DECIMAL_COMMA.sub(".", text.strip())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
