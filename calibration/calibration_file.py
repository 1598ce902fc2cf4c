"""Calibration files: versioned JSON that states the valid conditions, the expiry date and the quality of the fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from calibration.errors import InputError
from calibration.store import write_json

NOTICE = "Research use only, not a medical device."
_MAX_FILE_BYTES = 4 * 1024 * 1024
DEFAULT_VALID_DAYS = 180.0
Matrix = list[list[float]]


class CalibrationFile(BaseModel, frozen=True):
    """The fields that every calibration file has.

    Args:
        created: when it was made, with its time zone.
        valid_until: end of validity; None if only its conditions limit it.
        valid_for: the conditions in words, such as a picture size or a device.
        device: what was calibrated, as its header or its user names it.
        machine: the computer that computed it.
        warnings: points that a person should check before use.
    """

    model_config = ConfigDict(extra="allow", populate_by_name=True, allow_inf_nan=False)
    schema_: str = Field(alias="schema")
    notice: str = NOTICE
    created: AwareDatetime
    valid_until: AwareDatetime | None = None
    valid_for: list[str] = []
    device: dict[str, str] = {}
    machine: dict[str, Any] = {}
    warnings: list[str] = []

    def require_valid(self, source: str, now: datetime | None = None) -> None:
        """Raises InputError if the calibration has expired or is dated in the future."""
        now = now or datetime.now(UTC)
        require_unexpired(self.valid_until, source, now)
        if self.created > now + timedelta(days=1):
            raise InputError(
                f"{source}: the calibration is dated {self.created:%Y-%m-%d}, in the future; set the clock right or "
                "calibrate again"
            )


def require_unexpired(valid_until: datetime | None, source: str, now: datetime | None = None) -> None:
    """Raises InputError if the end of validity has passed; None never passes."""
    if valid_until is not None and (now or datetime.now(UTC)) > valid_until:
        raise InputError(f"{source}: the calibration expired on {valid_until:%Y-%m-%d %H:%M %Z}; calibrate again")


class BeadResidual(BaseModel):
    """Where a bead was seen, and its distance from the place that the fitted view predicts."""

    model_config = ConfigDict(frozen=True)
    bead: str
    seen_px: list[float] = Field(min_length=2, max_length=2)
    residual_px: list[float] = Field(min_length=2, max_length=2)


class CArmView(BaseModel):
    """One calibrated view. The phantom's axes stand for the patient's (LPS), its origin for the mark on the table.

    Args:
        projection_px_from_phantom_mm: 3x4.
        focal_spot_mm: X-ray source in the phantom frame; `focal_spot_sigma_mm` is its one-sigma uncertainty.
        focal_length_px: distance from source to detector in row spacings.
        sid_mm: None where neither the pixel's size nor the distance is known.
        primary_deg: angle of the beam through the picture's centre (PS3.3 C.8.7.5.1.2); `normal_*` are those of the
            detector's normal.
        roll_deg: rotation of the picture about the beam.
        sod_mm: source to isocentre; known if there are at least two views.
        offset_primary_deg: fitted angle minus the header's; None without a header or if the phantom was turned.
    """

    model_config = ConfigDict(frozen=True)
    file: str
    sop_instance_uid: str = ""
    frame: int = 0
    shape_px: list[int] = Field(min_length=2, max_length=2)
    mirrored: bool = False
    projection_px_from_phantom_mm: Matrix
    focal_spot_mm: list[float]
    focal_spot_sigma_mm: list[float]
    focal_length_px: float
    focal_length_sigma_px: float
    principal_point_px: list[float]
    principal_point_sigma_px: list[float]
    pixel_spacing_mm: list[float] | None
    sid_mm: float | None
    sid_sigma_mm: float | None
    sod_mm: float | None = None
    detector_centre_mm: list[float] | None
    primary_deg: float
    secondary_deg: float
    angle_sigma_deg: float
    normal_primary_deg: float
    normal_secondary_deg: float
    roll_deg: float
    header_primary_deg: float | None = None
    header_secondary_deg: float | None = None
    header_sid_mm: float | None = None
    offset_primary_deg: float | None = None
    offset_secondary_deg: float | None = None
    beads_found: int
    residual_rms_px: float
    residual_max_px: float
    beads: list[BeadResidual] = []


class CArmFile(CalibrationFile, frozen=True):
    """Calibration of a C-arm: its views, its angle offsets and its isocentre."""

    schema_: Literal["guidance-app/carm/1"] = Field(default="guidance-app/carm/1", alias="schema")
    phantom: str
    views: list[CArmView] = Field(min_length=1)
    offset_primary_deg: float | None = Field(default=None, ge=-45, le=45)
    offset_secondary_deg: float | None = Field(default=None, ge=-45, le=45)
    offset_spread_deg: float | None = None
    isocentre_mm: list[float] | None = None
    isocentre_rms_mm: float | None = None


class DistortionFile(CalibrationFile, frozen=True):
    """Distortion of an image intensifier: polynomials in the picture's normalised coordinates, and their residuals."""

    schema_: Literal["guidance-app/distortion/1"] = Field(default="guidance-app/distortion/1", alias="schema")
    shape_px: list[int] = Field(min_length=2, max_length=2)
    centre_px: list[float] = Field(min_length=2, max_length=2)
    scale_px: float = Field(gt=0)
    degree: int = Field(ge=1, le=9)
    coefficients_px: list[list[float]] = Field(min_length=2, max_length=2)
    hull_px: list[Annotated[list[float], Field(min_length=2, max_length=2)]] = Field(min_length=3)
    pixel_spacing_mm: float = Field(gt=0)
    grid_spacing_mm: float = Field(gt=0)
    grid_points: int
    largest_shift_px: float
    residual_rms_px: float
    held_out_rms_px: float
    held_out_p95_px: float


class CaptureFile(CalibrationFile, frozen=True):
    """The part of a captured screen that shows the X-ray picture.

    Args:
        region_px: [column, row, width, height].
        text_masks_px: boxes of text to ignore, each [column, row, width, height], in pixels of the whole screen.
        pixel_spacing_mm: [row, column] in the plane of the known object, which lies on the detector unless stated
            otherwise; or None.
        aspect: width over height of the region.
        screen_shape_px: (rows, columns) of the whole captured picture.
        geometry: the fixed view of the C-arm: primary_deg, secondary_deg, sid_mm, sod_mm.
    """

    schema_: Literal["guidance-app/capture/1"] = Field(default="guidance-app/capture/1", alias="schema")
    region_px: list[int] = Field(min_length=4, max_length=4)
    text_masks_px: list[list[int]] = []
    pixel_spacing_mm: list[float] | None = None
    aspect: float = Field(gt=0)
    screen_shape_px: list[int] = Field(min_length=2, max_length=2)
    geometry: dict[str, float] | None = None


AnyCalibration = CArmFile | DistortionFile | CaptureFile
_KINDS: Mapping[str, type[CArmFile] | type[DistortionFile] | type[CaptureFile]] = {
    "guidance-app/carm/1": CArmFile,
    "guidance-app/distortion/1": DistortionFile,
    "guidance-app/capture/1": CaptureFile,
}
_File = TypeVar("_File", CArmFile, DistortionFile, CaptureFile)


def write_calibration(path: Path, content: AnyCalibration) -> None:
    """Write the complete file, or nothing."""
    write_json(path, calibration_content(content))


def calibration_content(content: AnyCalibration) -> dict[str, Any]:
    return content.model_dump(mode="json", by_alias=True)


def read_calibration(path: Path, *, now: datetime | None = None) -> AnyCalibration:
    """Read any calibration file of this program.

    Raises:
        InputError: the file is missing, of another program or version, damaged, or expired.
    """
    raw = _read_object(path)
    schema = raw.get("schema")
    kind = _KINDS.get(schema) if isinstance(schema, str) else None
    if kind is None:
        found = f"its schema is {schema!r}" if schema is not None else "it has no schema"
        raise InputError(f"{path}: is no calibration file of this program: {found}; expected {', '.join(_KINDS)}")
    try:
        content = kind.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(f"{path}: {where}: {first['msg']}; the file is damaged, calibrate again") from error
    content.require_valid(str(path), now)
    return content


def read_calibration_of(path: Path, kind: type[_File], *, now: datetime | None = None) -> _File:
    """Read a calibration of one kind. Raises InputError as `read_calibration` does, and if it is of another kind."""
    content = read_calibration(path, now=now)
    if not isinstance(content, kind):
        wanted = kind.model_fields["schema_"].default
        raise InputError(f"{path}: is {content.schema_}, expected {wanted}; choose the right calibration file")
    return content


def _read_object(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise InputError(f"{path}: is larger than {_MAX_FILE_BYTES >> 20} MiB, so no calibration file")
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a file that `calibrate` wrote") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no JSON; give a file that `calibrate` wrote") from error
    if not isinstance(raw, dict):
        raise InputError(f"{path}: is no calibration file of this program; give a file that `calibrate` wrote")
    return raw
