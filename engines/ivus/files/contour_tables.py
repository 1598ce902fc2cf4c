"""Contours instead of pictures: CSV tables `frame,x,y,z` of lumen, external elastic membrane, branches and calcium."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from calibration.errors import InputError
from engines.ivus.files.pullback import check_positions

_WORDS = {
    "lumen": ("lumen",),
    "eem": ("eem", "vessel", "adventitia"),
    "branch": ("branch",),
    "calcium": ("calcium", "calcification"),
}
_MAX_BYTES = 1024**3
_LUMEN_MM = (0.25, 8.0)  # mean radius
_JUMP = 8.0  # times the usual step: another polygon of the same frame
_LEAST_POINTS = 3

Polygon = Float[np.ndarray, "n 2"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contours:
    """Polygons in the catheter's plane, mm; x along u, y along v; closed or not, in either orientation.

    Args:
        names: the frames as the table calls them, in stored order.
        z_mm: as stored.
        lumen: one polygon a frame.
        eem, branch, calcium: polygons of each frame; () where there are none.
        has: structures whose table was there.
    """

    names: tuple[str, ...]
    z_mm: Float[np.ndarray, " f"]
    lumen: tuple[Polygon, ...]
    eem: tuple[tuple[Polygon, ...], ...]
    branch: tuple[tuple[Polygon, ...], ...]
    calcium: tuple[tuple[Polygon, ...], ...]
    has: frozenset[str]
    source: str = ""


def read_contours(folder: Path | str) -> Contours:
    """Read the tables of a folder; only `lumen` must be there.

    A folder of the AIVUS form (`diastolic_contours.csv` and its kin) is read in diastole.

    Raises:
        InputError: no lumen, numbers that are none, positions that do not increase, another unit.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; --contours is a folder with lumen.csv")
    tables = {name: _table(path) for name, path in _files(folder).items()}
    if "lumen" not in tables:
        raise InputError(f"{folder}: has no lumen.csv; the outline of the lumen is needed in every frame")
    names, z_mm, lumen = _lumen(tables["lumen"], str(folder))
    place = {name: index for index, name in enumerate(names)}
    others = {name: _polygons(tables[name], place) for name in ("eem", "branch", "calcium") if name in tables}
    none: tuple[tuple[Polygon, ...], ...] = ((),) * len(names)
    return Contours(
        names=names, z_mm=z_mm, lumen=lumen, eem=others.get("eem", none), branch=others.get("branch", none),
        calcium=others.get("calcium", none), has=frozenset(tables), source=str(folder),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Table:
    path: Path
    frame: np.ndarray
    numbers: Float[np.ndarray, "n 3"]


def _files(folder: Path) -> dict[str, Path]:
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".csv", ".txt", ".tsv"))
    found: dict[str, Path] = {}
    for structure, words in _WORDS.items():
        exact = [path for path in files if path.stem.lower() == structure]
        named = [path for path in files if any(word in path.stem.lower() for word in words)]
        diastolic = [path for path in named if "diast" in path.stem.lower()]
        if best := (exact or diastolic or named):
            found[structure] = best[0]
    if "lumen" not in found:
        plain = [path for path in files if path.stem.lower() in ("diastolic_contours", "contours", "systolic_contours")]
        if plain:
            found["lumen"] = plain[0]
    return found


def _table(path: Path) -> _Table:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path}: larger than 1 GB; export contours with fewer points")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no text; expected rows frame,x,y,z in mm") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    mark = next((mark for mark in ("\t", ";", ",") if lines and mark in lines[-1]), None)
    rows = [[cell.strip() for cell in line.split(mark)] for line in lines]
    places = [0, 1, 2, 3]
    if rows and not _is_number(rows[0][-1]):
        head = [cell.lower() for cell in rows.pop(0)]
        wanted = ("frame", "x", "y", "z")
        if all(any(cell.startswith(name) for cell in head) for name in wanted):
            places = [next(k for k, cell in enumerate(head) if cell.startswith(name)) for name in wanted]
    if not rows:
        raise InputError(f"{path}: holds no rows; expected frame,x,y,z in mm")
    try:
        frame = np.array([row[places[0]] for row in rows])
        numbers = np.array([[row[k] for k in places[1:]] for row in rows], dtype=np.float64)
    except (IndexError, ValueError) as error:
        raise InputError(f"{path}: a row is no frame,x,y,z ({error}); expected numbers in mm") from error
    if not np.isfinite(numbers).all():
        row = int(np.argmin(np.isfinite(numbers).all(axis=1))) + 1
        raise InputError(f"{path}: row {row} holds NaN or infinity; export the contours again")
    return _Table(path=path, frame=frame, numbers=numbers)


def _lumen(table: _Table, where: str) -> tuple[tuple[str, ...], np.ndarray, tuple[Polygon, ...]]:
    names = tuple(dict.fromkeys(table.frame.tolist()))
    polygons, z_mm = [], []
    for name in names:
        rows = table.numbers[table.frame == name]
        pieces = sorted(split_polygons(rows[:, :2]), key=len)
        if not pieces or len(pieces[-1]) < _LEAST_POINTS:
            raise InputError(f"{table.path}: frame {name} has {len(rows)} points, expected a closed outline")
        polygons.append(pieces[-1])
        z_mm.append(float(np.median(rows[:, 2])))
    stored = np.asarray(z_mm)
    if len(names) < 2:
        raise InputError(f"{where}: contours of {len(names)} frame, expected a pullback of at least 2")
    # Some tables count from the end of the pullback: falling throughout is as good as increasing.
    falling = bool((np.diff(stored) < 0).all())
    check_positions(stored[0] - stored if falling else stored - stored.min(), len(names), str(table.path))
    radii = np.array([np.linalg.norm(p - p.mean(axis=0), axis=1).mean() for p in polygons])
    middle = float(np.median(radii))
    if not _LUMEN_MM[0] <= middle <= _LUMEN_MM[1]:
        raise InputError(
            f"{table.path}: the lumen's radius is {middle:.3g}, expected {_LUMEN_MM[0]:g} to {_LUMEN_MM[1]:g} mm; "
            "export the contours in mm"
        )
    return names, stored, tuple(polygons)


def _polygons(table: _Table, place: dict[str, int]) -> tuple[tuple[Polygon, ...], ...]:
    found: list[list[Polygon]] = [[] for _ in place]
    for name in dict.fromkeys(table.frame.tolist()):
        if name in place:  # a branch drawn in a frame without a lumen has no place
            found[place[name]] += split_polygons(table.numbers[table.frame == name][:, :2])
    return tuple(tuple(polygons) for polygons in found)


def split_polygons(points: Float[np.ndarray, "n 2"]) -> list[Polygon]:
    """Several outlines of one frame follow each other in the table: cut where the pen jumps."""
    if len(points) < _LEAST_POINTS:
        return []
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    usual = max(float(np.median(steps)), 1e-3)
    cuts = np.flatnonzero(steps > max(_JUMP * usual, 0.6)) + 1
    return [piece for piece in np.split(points, cuts) if len(piece) >= _LEAST_POINTS]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
