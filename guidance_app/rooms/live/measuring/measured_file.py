"""`measurements.json`: what was measured, marked and stored, for people and other programs."""

from __future__ import annotations

import math
import os
import sys
import time
from pathlib import Path
from typing import Any

from calibration.store import write_json
from guidance_app.live.run_log import angles_content
from guidance_app.rooms.live.measuring.measured import Measured, Measurement, ModelMark, StoredView

SCHEMA = "guidance-app/measurements/1"


def measured_content(measured: Measured, *, case: str) -> dict[str, Any]:
    """The JSON: each figure with its unit and the way in which it was calibrated; no patient text."""
    return {
        "schema": SCHEMA,
        "case": case,
        "measurements": [_measurement(one) for one in measured.measurements],
        "marks": [_mark(mark) for mark in measured.marks],
        "views": [_view(view) for view in measured.views],
        "research_use_only": "not a medical device",
    }


def write_measured(path: Path, measured: Measured, *, case: str) -> None:
    """Write the complete file, or nothing."""
    write_json(path, measured_content(measured, case=case))


def own_folder() -> Path:
    """A new folder below the user's data, for a run that leaves no files of its own; it is made when written to."""
    if sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Application Support"
    else:
        root = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return root / "guidance-app" / "measurements" / time.strftime("%Y%m%d-%H%M%S")


def _measurement(one: Measurement) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "source": one.source_id,
        "frame": one.frame,
        "geometry": angles_content(one.geometry),
        "points_px": [[round(float(value), 2) for value in point] for point in one.points_px],
        "figures": [
            {"name": name, "value": round(figure.value, 3), "unit": figure.unit, "calibration": figure.way}
            for name, figure in one.figures
        ],
        "foreshortened_percent": None if one.foreshortened_percent is None else round(one.foreshortened_percent, 1),
    }


def _mark(mark: ModelMark) -> dict[str, Any]:
    return {
        "kind": "ring" if mark.radius_mm > 0.0 else "point",
        "name": mark.name,
        "point_lps_mm": [round(float(value), 3) for value in mark.point_lps_mm],
        "direction": [round(float(value), 5) for value in mark.direction],
        "radius_mm": round(mark.radius_mm, 3),
    }


def _view(view: StoredView) -> dict[str, Any]:
    geometry = view.geometry
    return {
        "name": view.name,
        "source": view.source_id,
        "frame": view.frame,
        "primary_deg": round(math.degrees(geometry.primary_rad), 3),
        "secondary_deg": round(math.degrees(geometry.secondary_rad), 3),
        "sid_mm": round(geometry.sid_mm, 2),
        "field_mm": round(geometry.column_spacing_mm * geometry.shape_px[1], 2),
        "zoom": round(view.zoom, 3),
    }
