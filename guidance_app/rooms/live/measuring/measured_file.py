"""`measurements.json`: what was measured, marked and stored, for people and other programs."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from calibration.carm import ANGLE_TOLERANCE_DEG, DISTANCE_TOLERANCE_MM
from calibration.errors import InputError
from calibration.store import write_json
from engines.angiography.frame import Frame
from engines.angiography.measurement import Figure
from guidance_app.live.run_log import angles_content
from guidance_app.rooms.live.measuring.measured import Measured, Measurement, ModelMark, Ruler, StoredView
from guidance_app.settings import data_folder

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


def read_measured(path: Path) -> tuple[tuple[WrittenMeasurement, ...], tuple[ModelMark, ...]]:
    """Measurements and marks of a file, for pictures of the same view.

    Raises:
        InputError: unreadable, or another schema.
    """
    try:
        content = _Content.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{path}: no measurements can be read ({reason}); expected {SCHEMA}") from error
    written = tuple(
        WrittenMeasurement(measurement=one.measurement(), angles=one.geometry) for one in content.measurements
    )
    return written, tuple(mark.mark() for mark in content.marks)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WrittenMeasurement:
    """A measurement of a file, with the C-arm angles that it holds for; {} where they were not known."""

    measurement: Measurement
    angles: dict[str, float] | None

    def belongs_to(self, frame: Frame) -> bool:
        """Whether the frame is of the same run and view, as far as the file tells."""
        if self.measurement.sop_instance_uid != frame.sop_instance_uid or self.angles is None:
            return False
        here = angles_content(frame.geometry)
        return here is not None and all(
            abs(here[name] - self.angles.get(name, math.inf)) <= tolerance for name, tolerance in _SAME.items()
        )


_SAME = {"primary_deg": ANGLE_TOLERANCE_DEG, "secondary_deg": ANGLE_TOLERANCE_DEG, "sid_mm": DISTANCE_TOLERANCE_MM}
_Point = Annotated[list[FiniteFloat], Field(min_length=2, max_length=2)]
_Vector = Annotated[list[FiniteFloat], Field(min_length=3, max_length=3)]


class _Figure(BaseModel):
    name: str
    value: FiniteFloat
    unit: str
    calibration: str


class _Measurement(BaseModel):
    kind: Ruler
    sop_instance_uid: str = ""
    frame: int
    geometry: dict[str, float] | None
    points_px: list[_Point] = Field(min_length=1)
    figures: list[_Figure]
    narrowest_px: _Point | None = None
    foreshortened_percent: FiniteFloat | None = None

    def measurement(self) -> Measurement:
        return Measurement(
            kind=self.kind, points_px=np.array(self.points_px),
            figures=tuple(
                (one.name, Figure(value=one.value, unit=one.unit, way=one.calibration)) for one in self.figures
            ),
            source_id="", frame=self.frame, geometry=None, sop_instance_uid=self.sop_instance_uid,
            foreshortened_percent=self.foreshortened_percent,
            narrowest_px=None if self.narrowest_px is None else np.array(self.narrowest_px),
        )  # fmt: skip


class _Mark(BaseModel):
    name: str
    point_lps_mm: _Vector
    direction: _Vector
    radius_mm: FiniteFloat = Field(ge=0.0)

    def mark(self) -> ModelMark:
        return ModelMark(
            name=self.name, point_lps_mm=np.array(self.point_lps_mm), direction=np.array(self.direction),
            radius_mm=self.radius_mm,
        )  # fmt: skip


class _Content(BaseModel):
    model_config = ConfigDict(extra="ignore")
    schema_name: Literal["guidance-app/measurements/1"] = Field(alias="schema")
    measurements: list[_Measurement] = []
    marks: list[_Mark] = []


def own_folder() -> Path:
    """A new folder below the user's data, for a run that leaves no files of its own; it is made when written to."""
    return data_folder() / "measurements" / time.strftime("%Y%m%d-%H%M%S")


def _measurement(one: Measurement) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "sop_instance_uid": one.sop_instance_uid,
        "frame": one.frame,
        "geometry": angles_content(one.geometry),
        "points_px": [[round(float(value), 2) for value in point] for point in one.points_px],
        "figures": [
            {"name": name, "value": round(figure.value, 3), "unit": figure.unit, "calibration": figure.way}
            for name, figure in one.figures
        ],
        "narrowest_px": None if one.narrowest_px is None else [round(float(value), 2) for value in one.narrowest_px],
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
        "frame": view.frame,
        "primary_deg": round(math.degrees(geometry.primary_rad), 3),
        "secondary_deg": round(math.degrees(geometry.secondary_rad), 3),
        "sid_mm": round(geometry.sid_mm, 2),
        "field_mm": round(geometry.column_spacing_mm * geometry.shape_px[1], 2),
        "zoom": round(view.zoom, 3),
    }
