"""Curves of 3D Slicer's markups (.mrk.json) as centerlines.

Schema: https://github.com/Slicer/Slicer/tree/main/Modules/Loadable/Markups/Resources/Schema
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicHermiteSpline

from calibration.errors import InputError
from engines.anatomy.files.coordinate_system import RADIUS_ARRAYS
from engines.anatomy.files.poly_data import PolyData

_MAX_BYTES = 256 * 1024**2
_CURVES = ("Curve", "ClosedCurve", "Line")
_BETWEEN = 8  # points of a spline between two control points


def read_markups(path: Path) -> PolyData:
    """A line a curve; radii where a measurement gives one a control point.

    Raises:
        InputError: no markups file, damaged, or one that holds no curve.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path}: {path.stat().st_size / 1e6:.0f} MB, expected a markups file; export it again")
        markups = json.loads(path.read_text(encoding="utf-8-sig"))["markups"]
        kinds = [str(markup["type"]) for markup in markups]
        curves = [_curve(markup) for markup in markups if markup["type"] in _CURVES]
        remarks = [remark for markup in markups if markup["type"] in _CURVES for remark in remarks_of(markup)]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}); save the curve again as .mrk.json") from error
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise InputError(f"{path}: is no markups file of 3D Slicer ({error!r}); save the curve as .mrk.json") from error
    curves = [curve for curve in curves if len(curve[0]) >= 2]
    if not curves:
        raise InputError(
            f"{path}: holds no curve of two points or more (found {', '.join(kinds) or 'nothing'}); "
            "save the centerline as a curve"
        )
    ends = np.cumsum([len(points) for points, _, _ in curves])
    return PolyData(
        points=np.concatenate([points for points, _, _ in curves]),
        lines=tuple(np.split(np.arange(ends[-1]), ends[:-1])),
        point_arrays={"radius": np.concatenate([radius for _, radius, _ in curves])},
        line_arrays={"name": tuple(name for _, _, name in curves)},
        remarks=tuple(remarks),
    )


def remarks_of(markup: dict) -> list[str]:
    """What a markup says of its coordinate system and unit, as `declared_by` reads it."""
    remarks = []
    if (system := markup.get("coordinateSystem")) is not None:
        remarks.append(f"CoordinateSystem={system}")
    units = markup.get("coordinateUnits")
    if unit := units[0] if isinstance(units, list) and units else units:
        remarks.append(f"UNIT={unit}")
    return remarks


def _curve(markup: dict) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, " n"], str]:
    points_ = markup.get("controlPoints") or []
    placed = [p for p in points_ if p.get("positionStatus", "defined") == "defined" and p.get("position")]
    points = np.array([p["position"] for p in placed], dtype=np.float64).reshape(-1, 3)
    if not np.isfinite(points).all():
        raise ValueError("a control point is NaN or infinite")
    radius = np.full(len(points), np.nan)
    for measurement in markup.get("measurements") or []:
        values = measurement.get("controlPointValues") or []
        if str(measurement.get("name", "")).lower() in RADIUS_ARRAYS and len(values) == len(points):
            radius = np.array(values, dtype=np.float64)
    if markup["type"] == "Curve" and len(points) > 2:
        # Between control points 3D Slicer draws a cardinal spline; straight pieces would cut its bends.
        at = np.arange(len(points), dtype=float)
        dense = np.linspace(0, len(points) - 1, _BETWEEN * (len(points) - 1) + 1)
        radius = np.interp(dense, at, radius)
        points = np.asarray(CubicHermiteSpline(at, points, np.gradient(points, axis=0))(dense))
    return points, radius, str(markup.get("name") or "")
