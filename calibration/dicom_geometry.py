"""Read the positions of source and detector from the header of an X-ray angiographic object."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID

from calibration.carm import CArmGeometry
from calibration.dicom_values import attribute_name, stored_numbers, stored_text
from calibration.errors import InputError, MissingGeometryError

XA_SOP_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.12.1": "X-Ray Angiographic Image Storage",
    "1.2.840.10008.5.1.4.1.1.12.1.1": "Enhanced XA Image Storage",
    "1.2.840.10008.5.1.4.1.1.12.2": "X-Ray Radiofluoroscopic Image Storage",
    "1.2.840.10008.5.1.4.1.1.12.2.1": "Enhanced XRF Image Storage",
}
_ENHANCED = ("1.2.840.10008.5.1.4.1.1.12.1.1", "1.2.840.10008.5.1.4.1.1.12.2.1")

# Limits of real C-arms; a value outside them is a mistake (metres, micrometres, zero for "unknown").
_SID_LIMITS_MM = (300.0, 2500.0)
_MIN_SOD_MM = 100.0
_SPACING_LIMITS_MM = (0.01, 10.0)
_PRIMARY_LIMIT_DEG, _SECONDARY_LIMIT_DEG = 180.0, 90.0  # PS3.3 C.8.7.5.1.2
_TURN_DEG = 360.0  # rotational runs count on past 180 degrees; more than a turn is damage
_MAX_SPACING_RATIO = 1.05  # detector pixels are square; otherwise the stated field of view is not the picture's
_MIN_ORIENTATION_COSINE = 0.5  # a less aligned letter of Patient Orientation does not tell about mirroring
_LPS_OF_LETTER = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "H": (0, 0, 1), "F": (0, 0, -1)}
_WAY_OUT = "it is never guessed; have the machine export the run with it"


def xa_geometry(dataset: Dataset, frame: int, *, source: str) -> CArmGeometry:
    """Geometry of one frame of an XA, XRF, Enhanced XA or Enhanced XRF object.

    XA and XRF state the first frame's angles and table position, and offsets from them (PS3.3 C.8.7.5.1.3 and
    C.8.7.4); enhanced objects state absolute values for each frame (C.8.19.6). Spacing is that at the detector: Imager
    Pixel Spacing, else field of view over matrix, else intensifier size over matrix; `spacing_source` tells which.

    Args:
        dataset: header; pixel data are not needed.
        frame: frame number, from 0.
        source: name for error messages (a file name, no patient text).

    Raises:
        MissingGeometryError: a value that guidance needs is absent or implausible.
        InputError: the data set is no X-ray angiographic object, or has no such frame.
    """
    sop_class = require_xa(dataset, source)
    header = _Header(dataset=dataset, frame=frame, source=source, enhanced=sop_class in _ENHANCED)
    shape_px = header.shape_px()
    primary_deg, secondary_deg = _angles_deg(header)
    sid_mm, sod_mm = _distances_mm(header)
    row_mm, column_mm, spacing_source = _spacing_mm(header, shape_px)
    geometry = CArmGeometry(
        primary_rad=math.radians(primary_deg),
        secondary_rad=math.radians(secondary_deg),
        sid_mm=sid_mm,
        sod_mm=sod_mm,
        column_spacing_mm=column_mm,
        row_spacing_mm=row_mm,
        shape_px=shape_px,
        # The central ray is assumed to meet the middle of the picture; integer coordinates are pixel centres.
        principal_point_px=((shape_px[1] - 1) / 2, (shape_px[0] - 1) / 2),
        spacing_source=spacing_source,
        table_mm=_table_mm(header),
        mirrored=_flipped(header),
    )
    return _checked_against_orientation(geometry, header)


def require_xa(dataset: Dataset, source: str) -> str:
    """SOP Class UID of an X-ray angiographic object. Raises InputError for any other, naming what it is."""
    sop_class = stored_text(dataset, "SOPClassUID")
    if sop_class not in XA_SOP_CLASSES:
        name = UID(sop_class).name if sop_class else "an object without SOP class"
        raise InputError(
            f"{source}: is {name}, not an X-ray angiographic run (XA, XRF or enhanced); choose such a file"
        )
    return sop_class


class _Header:
    """The numbers of one frame's header; every error names file and attribute."""

    def __init__(self, *, dataset: Dataset, frame: int, source: str, enhanced: bool) -> None:
        self.dataset, self.frame, self.source, self.enhanced = dataset, frame, source, enhanced
        self.frames = int(self.number("NumberOfFrames") or 1)
        if not 0 <= frame < self.frames:
            raise InputError(f"{source}: has {self.frames} frames, no frame {frame} (frames count from 0)")

    def place(self, group: str) -> Dataset | None:
        """The data set that holds an attribute: the object itself, or the frame's group of an enhanced object."""
        if not self.enhanced:
            return self.dataset
        per_frame = self.dataset.get("PerFrameFunctionalGroupsSequence") or ()
        if per_frame and len(per_frame) != self.frames:
            raise MissingGeometryError(
                f"{self.source}: {len(per_frame)} per-frame groups for {self.frames} frames; the file is damaged"
            )
        shared = self.dataset.get("SharedFunctionalGroupsSequence") or ()
        for holder in (*(per_frame[self.frame : self.frame + 1]), *shared[:1]):
            items = holder.get(group)
            if items:
                return items[0]
        return None

    def numbers(self, keyword: str, place: Dataset | None = None) -> list[float] | None:
        """Finite values; None if the attribute is absent or empty. Raises MissingGeometryError for invalid values."""
        try:
            return stored_numbers(self.dataset if place is None else place, keyword)
        except ValueError as error:
            raise MissingGeometryError(f"{self.source}: {error}; {_WAY_OUT}") from error

    def number(self, keyword: str, place: Dataset | None = None) -> float | None:
        values = self.numbers(keyword, place)
        return values[0] if values else None

    def required(self, keyword: str, group: str) -> float:
        place = self.place(group)
        value = self.number(keyword, place) if place is not None else None
        if value is None:
            raise self.missing(keyword)
        return value

    def missing(self, keyword: str, why: str = "") -> MissingGeometryError:
        return MissingGeometryError(f"{self.source}: no {attribute_name(keyword)}{why}; {_WAY_OUT}")

    def implausible(self, keyword: str, found: object, expected: str) -> MissingGeometryError:
        return MissingGeometryError(
            f"{self.source}: {attribute_name(keyword)} is {found}, expected {expected}; {_WAY_OUT}"
        )

    def shape_px(self) -> tuple[int, int]:
        rows, columns = self.number("Rows"), self.number("Columns")
        if not rows or not columns or rows < 1 or columns < 1:
            raise InputError(f"{self.source}: Rows x Columns is {rows} x {columns}; the file is damaged")
        return int(rows), int(columns)


def _angles_deg(header: _Header) -> tuple[float, float]:
    primary = header.required("PositionerPrimaryAngle", "PositionerPositionSequence")
    secondary = header.required("PositionerSecondaryAngle", "PositionerPositionSequence")
    if not header.enhanced:
        primary_offset = _offset(header, "PositionerPrimaryAngleIncrement")
        secondary_offset = _offset(header, "PositionerSecondaryAngleIncrement")
        moving = stored_text(header.dataset, "PositionerMotion") == "DYNAMIC"
        if moving and primary_offset is None and secondary_offset is None and header.frame:
            raise header.missing("PositionerPrimaryAngleIncrement", " although Positioner Motion is DYNAMIC")
        primary, secondary = primary + (primary_offset or 0.0), secondary + (secondary_offset or 0.0)
    primary, secondary = _within_turn(primary), _within_turn(secondary)
    for keyword, found, limit in (
        ("PositionerPrimaryAngle", primary, _PRIMARY_LIMIT_DEG),
        ("PositionerSecondaryAngle", secondary, _SECONDARY_LIMIT_DEG),
    ):
        if abs(found) > limit:
            raise header.implausible(keyword, f"{found:g} degrees in frame {header.frame}", f"at most {limit:g}")
    return primary, secondary


def _within_turn(angle_deg: float) -> float:
    """The same direction within -180 to 180 degrees; what lies beyond any C-arm's turns is left as it is."""
    if abs(angle_deg) <= _PRIMARY_LIMIT_DEG or abs(angle_deg) > _TURN_DEG:
        return angle_deg
    return math.remainder(angle_deg, _TURN_DEG)


def _offset(header: _Header, keyword: str) -> float | None:
    """Offset of this frame from the first, from one average step or one offset per frame (PS3.3 C.8.7.5.1.3)."""
    values = header.numbers(keyword)
    if values is None:
        return None
    if len(values) == 1:
        return values[0] * header.frame
    if len(values) != header.frames:
        raise header.implausible(keyword, f"{len(values)} values", f"1 or {header.frames}, one a frame")
    return values[header.frame]


def _distances_mm(header: _Header) -> tuple[float, float]:
    magnification = None if header.enhanced else header.number("EstimatedRadiographicMagnificationFactor")
    to_patient = None if header.enhanced else header.number("DistanceSourceToPatient")
    if magnification and to_patient and header.number("DistanceSourceToDetector") == 0:
        sid = to_patient * magnification  # a distance of 0 stands for "unknown"
    else:
        sid = header.required("DistanceSourceToDetector", "XRayGeometrySequence")
    if not _SID_LIMITS_MM[0] <= sid <= _SID_LIMITS_MM[1]:
        expected = f"{_SID_LIMITS_MM[0]:g} to {_SID_LIMITS_MM[1]:g}"
        raise header.implausible("DistanceSourceToDetector", f"{sid:g} mm", expected)
    if header.enhanced:
        keyword, sod = "DistanceSourceToIsocenter", header.required("DistanceSourceToIsocenter", "XRayGeometrySequence")
    else:
        keyword, sod = "DistanceSourceToPatient", to_patient
        if not sod and magnification:
            keyword, sod = "EstimatedRadiographicMagnificationFactor", sid / magnification
    if sod is None:
        raise header.missing(keyword, " and no Estimated Radiographic Magnification Factor")
    if not _MIN_SOD_MM <= sod < sid:
        expected = f"at least {_MIN_SOD_MM:g} and below the SID of {sid:g} mm"
        raise header.implausible(keyword, f"a source to isocentre distance of {sod:g} mm", expected)
    return sid, sod


def _spacing_mm(header: _Header, shape_px: tuple[int, int]) -> tuple[float, float, str]:
    """(row spacing, column spacing, source attribute); DICOM puts the row value first (PS3.3 10.7.1.3)."""
    pixel_data = header.place("FramePixelDataPropertiesSequence")
    field_of_view = header.place("FieldOfViewSequence")
    dimensions = "FieldOfViewDimensionsInFloat" if header.enhanced else "FieldOfViewDimensions"
    candidates = (
        ("ImagerPixelSpacing", pixel_data, (1, 1), "ImagerPixelSpacing"),
        (dimensions, field_of_view, shape_px, f"{dimensions} / Columns"),
        # The intensifier's largest field, which is right only if the picture is not zoomed.
        ("IntensifierSize", header.dataset, shape_px, "IntensifierSize / Columns"),
    )
    for keyword, place, divisor, spacing_source in candidates:
        values = header.numbers(keyword, place) if place is not None else None
        if not values:
            continue
        spacing = (values[0] / divisor[0], values[-1] / divisor[1])
        low, high = _SPACING_LIMITS_MM
        if len(values) > 2 or not all(low <= value <= high for value in spacing):
            raise header.implausible(keyword, values, f"pixels of {low:g} to {high:g} mm")
        if divisor != (1, 1) and max(spacing) > _MAX_SPACING_RATIO * min(spacing):
            raise header.implausible(keyword, values, f"square pixels over {shape_px[0]} rows x {shape_px[1]} columns")
        return spacing[0], spacing[1], spacing_source
    raise header.missing("ImagerPixelSpacing", ", Field of View Dimension(s) or Intensifier Size")


def _table_mm(header: _Header) -> tuple[float, float, float] | None:
    """(lateral, longitudinal, vertical): longitudinal runs towards LAO, lateral towards CRA (PS3.3 C.8.7.4)."""
    place = header.place("TablePositionSequence")
    axes = ("Lateral", "Longitudinal", "Vertical")
    start = [header.number(f"TableTop{axis}Position", place) if place is not None else None for axis in axes]
    moved: Sequence[float | None] = (None, None, None)
    if not header.enhanced:
        moved = [_offset(header, f"Table{axis}Increment") for axis in axes]
        moving = stored_text(header.dataset, "TableMotion") == "DYNAMIC"
        if moving and header.frame and all(offset is None for offset in moved):
            raise header.missing("TableLongitudinalIncrement", " although Table Motion is DYNAMIC")
    if all(value is None for value in (*start, *moved)):
        return None
    lateral, longitudinal, vertical = ((at or 0.0) + (by or 0.0) for at, by in zip(start, moved, strict=True))
    return lateral, longitudinal, vertical


def _flipped(header: _Header) -> bool:
    place = header.place("FieldOfViewSequence")
    if place is None:
        return False
    rotation = header.number("FieldOfViewRotation", place)
    if rotation:
        raise header.implausible("FieldOfViewRotation", f"{rotation:g} degrees", "0: a turned picture cannot be used")
    return stored_text(place, "FieldOfViewHorizontalFlip").upper() == "YES"


def _checked_against_orientation(geometry: CArmGeometry, header: _Header) -> CArmGeometry:
    """The geometry, after a check that the stated Patient Orientation does not contradict it."""
    place = header.place("PatientOrientationInFrameSequence")
    stated = place.get("PatientOrientation") if place is not None else None
    if not stated or isinstance(stated, str) or len(stated) != 2:
        return geometry
    axes = geometry.camera_from_isocentre().rotation
    expected = (-axes[0] if geometry.mirrored else axes[0], -axes[1])
    for found, direction, name in zip(stated, expected, ("rows", "columns"), strict=True):
        lps = _LPS_OF_LETTER.get(str(found)[:1].upper())
        if lps is not None and float(np.dot(lps, direction)) < -_MIN_ORIENTATION_COSINE:
            raise header.implausible("PatientOrientation", "\\".join(map(str, stated)), f"{name} the other way round")
    return geometry
