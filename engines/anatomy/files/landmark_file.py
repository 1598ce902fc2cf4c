"""Named points and planes of a case, from 3D Slicer's markups (.mrk.json): its roles `landmarks` and `planes`.

Schema: https://github.com/Slicer/Slicer/tree/main/Modules/Loadable/Markups/Resources/Schema
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from calibration.errors import InputError
from engines.anatomy.files.coordinate_system import UNITS_MM, declared_by
from engines.anatomy.files.markups import remarks_of

_MAX_BYTES = 16 * 1024**2
_POINTS = ("Fiducial", "PointList")
_LEAST_RADIUS_MM, _LEAST_SPREAD = 1.0, 0.05


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Landmark:
    """A named point; `point_lps_mm` is (3,)."""

    name: str
    point_lps_mm: Float[np.ndarray, " 3"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LandmarkPlane:
    """A named plane with the circle through its points, as an annulus has it through its three hinge points.

    Args:
        centre_lps_mm, normal: (3,) each, the normal of unit length.
        radius_mm: of the circle.
    """

    name: str
    centre_lps_mm: Float[np.ndarray, " 3"]
    normal: Float[np.ndarray, " 3"]
    radius_mm: float


def read_landmarks(path: Path) -> tuple[Landmark, ...]:
    """All points of all point lists.

    Raises:
        InputError: no markups file, damaged, or one without points.
    """
    return tuple(point for points in read_landmark_lists(path).values() for point in points)


def read_landmark_lists(path: Path) -> dict[str, tuple[Landmark, ...]]:
    """The points of each list, by its name; lists of one name are one.

    Raises:
        InputError: as `read_landmarks`.
    """
    found: dict[str, tuple[Landmark, ...]] = {}
    for markup, points, names in _placed(path, _POINTS):
        kind = str(markup.get("name") or "Point")
        found[kind] = found.get(kind, ()) + tuple(
            Landmark(name=name or f"{kind} {number}", point_lps_mm=point)
            for number, (point, name) in enumerate(zip(points, names, strict=True), start=1)
        )
    if not any(found.values()):
        raise InputError(f"{path}: holds no point list; save the landmarks as a point list of 3D Slicer")
    return found


def read_plane_points(path: Path) -> dict[str, Float[np.ndarray, "n 3"]]:
    """The control points of each plane, LPS mm, by its name.

    Raises:
        InputError: no markups file, or damaged.
    """
    return {str(markup.get("name") or "Plane"): points for markup, points, _ in _placed(path, ("Plane",))}


def read_planes(path: Path) -> tuple[LandmarkPlane, ...]:
    """All planes that are given by three points.

    Raises:
        InputError: no markups file, damaged, without planes, or a plane whose points lie on one line.
    """
    planes = tuple(
        _plane(str(markup.get("name") or "Plane"), points, path) for markup, points, _ in _placed(path, ("Plane",))
    )
    if not planes:
        raise InputError(f"{path}: holds no plane; save it as a plane of three points of 3D Slicer")
    return planes


def _placed(path: Path, kinds: tuple[str, ...]) -> list[tuple[dict, Float[np.ndarray, "n 3"], list[str]]]:
    """Markups of these kinds, their points in LPS mm, and the points' labels."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path}: {path.stat().st_size / 1e6:.0f} MB, expected a markups file; export it again")
        markups = json.loads(path.read_text(encoding="utf-8-sig"))["markups"]
        return [(markup, *_points(markup, path)) for markup in markups if markup["type"] in kinds]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}); save the markups again as .mrk.json") from error
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: is no markups file of 3D Slicer ({error!r}); save it again as .mrk.json") from error


def _points(markup: dict, path: Path) -> tuple[Float[np.ndarray, "n 3"], list[str]]:
    placed = [
        point for point in markup.get("controlPoints") or []
        if point.get("positionStatus", "defined") == "defined" and point.get("position")
    ]  # fmt: skip
    points = np.array([point["position"] for point in placed], dtype=np.float64).reshape(-1, 3)
    if not np.isfinite(points).all():
        raise ValueError("a control point is NaN or infinite")
    told = declared_by(remarks_of(markup), str(path))
    if told.system == "RAS":
        points = points * (-1.0, -1.0, 1.0)
    return points * UNITS_MM.get(told.unit.lower(), 1.0), [str(point.get("label") or "") for point in placed]


def _plane(name: str, points_mm: Float[np.ndarray, "n 3"], path: Path) -> LandmarkPlane:
    if len(points_mm) < 3:
        raise InputError(f"{path}: plane {name} has {len(points_mm)} points, expected 3; set it by three points")
    first, second, third = points_mm[:3]
    one, other = second - first, third - first
    normal = np.cross(one, other)
    area = float(np.linalg.norm(normal))
    if area <= _LEAST_SPREAD * float(np.linalg.norm(one) * np.linalg.norm(other)) or area == 0.0:
        raise InputError(f"{path}: the points of plane {name} lie on one line; set one well beside it")
    # Circumcentre of a triangle in space.
    to_centre = (
        np.cross(normal, one) * float(other @ other) + np.cross(other, normal) * float(one @ one)
    ) / (2.0 * area**2)  # fmt: skip
    radius_mm = float(np.linalg.norm(to_centre))
    if radius_mm < _LEAST_RADIUS_MM:
        raise InputError(f"{path}: the points of plane {name} are {radius_mm:.2f} mm apart; set them anew")
    return LandmarkPlane(name=name, centre_lps_mm=first + to_centre, normal=normal / area, radius_mm=radius_mm)
