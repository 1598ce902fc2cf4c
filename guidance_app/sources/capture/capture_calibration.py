"""What is known of a captured picture: where on the screen it lies, what text covers it, how it was projected."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from calibration.calibration_file import require_unexpired
from calibration.carm import CArmGeometry
from calibration.errors import InputError

SCHEMA = "guidance-app/capture/1"


class ViewGeometry(BaseModel):
    """The view that the C-arm stands in while the picture is captured; nothing in the picture tells."""

    model_config = ConfigDict(extra="ignore")

    primary_deg: float = Field(ge=-180, le=180)
    secondary_deg: float = Field(ge=-90, le=90)
    sid_mm: float = Field(gt=0)
    sod_mm: float = Field(gt=0)


class CaptureCalibration(BaseModel):
    """Calibration of a capture device; whatever else the file states is left alone.

    Boxes are (column, row, width, height) in the whole captured picture. `pixel_spacing_mm` is (row, column) at the
    detector. `valid_until` is the end of validity with its time zone; None for one that never expires.
    """

    model_config = ConfigDict(extra="ignore")

    schema_name: Literal["guidance-app/capture/1"] = Field(alias="schema")
    valid_until: AwareDatetime | None = None
    region_px: tuple[int, int, int, int] | None = None
    text_masks_px: tuple[tuple[int, int, int, int], ...] = ()
    pixel_spacing_mm: tuple[float, float] | None = None
    geometry: ViewGeometry | None = None


def read_capture_calibration(path: Path) -> CaptureCalibration:
    """Raises InputError: the file cannot be read, is no such calibration, or has expired."""
    try:
        calibration = CaptureCalibration.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a file of `calibrate capture`") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path}: {where or 'content'}: {first['msg']}; expected {SCHEMA}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}); expected {SCHEMA}") from error
    require_unexpired(calibration.valid_until, str(path))
    for box in (*([calibration.region_px] if calibration.region_px else []), *calibration.text_masks_px):
        if min(box[:2]) < 0 or min(box[2:]) < 1:
            raise InputError(f"{path}: {list(box)} is no box; expected column, row, width, height in pixels")
    spacing = calibration.pixel_spacing_mm
    if spacing is not None and not all(math.isfinite(value) and value > 0 for value in spacing):
        raise InputError(f"{path}: pixel_spacing_mm is {list(spacing)}; expected millimetres above 0")
    if calibration.geometry is not None and calibration.geometry.sod_mm >= calibration.geometry.sid_mm:
        raise InputError(f"{path}: sod_mm is not below sid_mm; the isocentre lies between source and detector")
    return calibration


def cut_out(picture: UInt8[np.ndarray, "rows columns"], calibration: CaptureCalibration) -> UInt8[np.ndarray, "r c"]:
    """The region, with its text painted over in the grey around each piece: black boxes would look like instruments.

    Raises:
        InputError: the region does not lie in the picture.
    """
    rows, columns = picture.shape
    left, top, width, height = calibration.region_px or (0, 0, columns, rows)
    if left + width > columns or top + height > rows:
        raise InputError(
            f"the picture has {columns} x {rows} pixels, the calibrated region {[left, top, width, height]} does not "
            "fit; calibrate again at this size"
        )
    if calibration.text_masks_px:
        picture = picture.copy()
        for box in calibration.text_masks_px:
            _paint_over(picture, box)
    return np.ascontiguousarray(picture[top : top + height, left : left + width])


def view_geometry(calibration: CaptureCalibration, shape_px: tuple[int, int]) -> CArmGeometry | None:
    """Geometry of a cut out picture; None unless spacing and view are both known."""
    view, spacing = calibration.geometry, calibration.pixel_spacing_mm
    if view is None or spacing is None:
        return None
    return CArmGeometry(
        primary_rad=math.radians(view.primary_deg),
        secondary_rad=math.radians(view.secondary_deg),
        sid_mm=view.sid_mm,
        sod_mm=view.sod_mm,
        row_spacing_mm=spacing[0],
        column_spacing_mm=spacing[1],
        shape_px=shape_px,
        principal_point_px=((shape_px[1] - 1) / 2, (shape_px[0] - 1) / 2),
        spacing_source="calibration",
    )


def _paint_over(picture: UInt8[np.ndarray, "rows columns"], box: tuple[int, int, int, int]) -> None:
    left, top, width, height = box
    around = picture[max(top - 1, 0) : top + height + 1, max(left - 1, 0) : left + width + 1]
    if around.size:
        ring = np.concatenate([around[0], around[-1], around[:, 0], around[:, -1]])
        picture[top : top + height, left : left + width] = int(np.median(ring))
