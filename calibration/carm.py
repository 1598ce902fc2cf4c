"""The C-arm: positions of source and detector for given angles."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from calibration.pose import RigidPose
from calibration.projection import Projection

ANGLE_TOLERANCE_DEG = 0.05  # CONTRACT: an overlay is valid only for the geometry it was computed for
DISTANCE_TOLERANCE_MM = 1.0
SPACING_TOLERANCE = 1e-3  # relative; a change of field of view (zoom) moves every point of the picture
PRINCIPAL_TOLERANCE_PX = 0.5  # a shifted detector or crop moves every point of the picture too
TILT_TOLERANCE_DEG = 0.1  # of the table; 0.3 mm at the edge of a picture


@dataclass(frozen=True, slots=True, kw_only=True)
class CArmGeometry:
    """One view's geometry as its header states it.

    Args:
        primary_rad: positioner primary angle, + is LAO (DICOM PS3.3 C.8.7.5).
        secondary_rad: positioner secondary angle, + is cranial.
        sid_mm: source to detector.
        sod_mm: source to isocentre (DICOM Distance Source to Patient).
        column_spacing_mm: distance between neighbouring columns, at the detector.
        row_spacing_mm: distance between neighbouring rows, at the detector.
        shape_px: (rows, columns) as stored.
        principal_point_px: (column, row) where the central ray meets the picture.
        spacing_source: DICOM attribute from which the spacing was read, or "calibration".
        table_mm: (lateral, longitudinal, vertical) table position as stated, or None. Only differences have a meaning.
        mirrored: whether the stored picture is mirrored left to right.
        table_tilt_rad: (rotation in its plane, head up, left side up) of the table as stated, or None. Only differences
            have a meaning: the positioner's angles are stated against the patient.
        patient_position: DICOM Patient Position as stated ("HFS"), "" where it is not.
        sides_known: the header says on which side of the picture the patient's left lies: a patient who lies on the
            back, head first, or a stated Patient Orientation that the angles agree with.
    """

    primary_rad: float
    secondary_rad: float
    sid_mm: float
    sod_mm: float
    column_spacing_mm: float
    row_spacing_mm: float
    shape_px: tuple[int, int]
    principal_point_px: tuple[float, float]
    spacing_source: str = "ImagerPixelSpacing"
    table_mm: tuple[float, float, float] | None = None
    mirrored: bool = False
    table_tilt_rad: tuple[float, float, float] | None = None
    patient_position: str = ""
    sides_known: bool = False

    def camera_from_isocentre(self) -> RigidPose:
        """Camera pose relative to the isocentre, whose axes are the patient's LPS axes.

        The detector lies at (sin p cos s, -cos p cos s, sin s) from the isocentre; angles as in PS3.3 C.8.7.5.1.2: zero
        is in front of the patient's chest and +90 degrees at the patient's left, however the patient lies.
        """
        sin_p, cos_p = np.sin(self.primary_rad), np.cos(self.primary_rad)
        sin_s, cos_s = np.sin(self.secondary_rad), np.cos(self.secondary_rad)
        matrix = np.eye(4)
        matrix[0, :3] = (cos_p, sin_p, 0.0)
        matrix[1, :3] = (-sin_p * sin_s, cos_p * sin_s, cos_s)
        matrix[2, :3] = (sin_p * cos_s, -cos_p * cos_s, sin_s)
        matrix[2, 3] = self.sod_mm
        return RigidPose(matrix=matrix, target="camera", source="isocentre")

    def intrinsics_px(self) -> Float[np.ndarray, "3 3"]:
        """3x3 pinhole matrix; rows run against camera y, and columns of a mirrored picture against camera x."""
        column_focal_px = self.sid_mm / self.column_spacing_mm * (-1.0 if self.mirrored else 1.0)
        return np.array(
            [
                [column_focal_px, 0.0, self.principal_point_px[0]],
                [0.0, -self.sid_mm / self.row_spacing_mm, self.principal_point_px[1]],
                [0.0, 0.0, 1.0],
            ]
        )

    def projection(self, isocentre_from_lps: RigidPose) -> Projection:
        return Projection(
            intrinsics_px=self.intrinsics_px(),
            camera_from_lps=self.camera_from_isocentre() @ isocentre_from_lps,
            shape_px=self.shape_px,
        )

    @property
    def isocentre_mm_per_px(self) -> float:
        """Millimetres in the isocentre plane that one pixel covers (mean of both axes)."""
        return 0.5 * (self.column_spacing_mm + self.row_spacing_mm) * self.sod_mm / self.sid_mm

    def same_view(self, other: CArmGeometry) -> bool:
        """Whether an overlay computed for `other` may be shown as valid here.

        What only one of them states of the table has an unknown change, and is no agreement.
        """
        turned_deg = np.rad2deg([self.primary_rad - other.primary_rad, self.secondary_rad - other.secondary_rad])
        moved_mm = [self.sid_mm - other.sid_mm, self.sod_mm - other.sod_mm]
        zoomed = [
            self.column_spacing_mm / other.column_spacing_mm - 1,
            self.row_spacing_mm / other.row_spacing_mm - 1,
        ]
        shifted_px = np.subtract(self.principal_point_px, other.principal_point_px)
        return bool(
            self.shape_px == other.shape_px
            and self.mirrored == other.mirrored
            and self._lies_as_in(other)
            and _within(turned_deg, ANGLE_TOLERANCE_DEG)
            and _within(zoomed, SPACING_TOLERANCE)
            and _within(moved_mm, DISTANCE_TOLERANCE_MM)
            and _within(shifted_px, PRINCIPAL_TOLERANCE_PX)
            and _alike(self.table_mm, other.table_mm, DISTANCE_TOLERANCE_MM)
            and _alike(self.table_tilt_rad, other.table_tilt_rad, np.deg2rad(TILT_TOLERANCE_DEG))
        )

    def _lies_as_in(self, other: CArmGeometry) -> bool:
        stated = self.patient_position, other.patient_position
        return stated[0] == stated[1] or "" in stated

    def continues(self, earlier: CArmGeometry) -> bool:
        """Whether an overlay computed for an `earlier` picture of the run may be shown as valid here.

        As `same_view`, but what is stated of the table for the first time contradicts nothing. A statement that has
        disappeared does: nobody knows whether the table still stands there.
        """
        return self.same_view(earlier.with_table_of(self))

    def with_table_of(self, later: CArmGeometry) -> CArmGeometry:
        """This geometry, with what only a later picture states of the table: later moves are measured from there."""
        if self.table_mm is not None and self.table_tilt_rad is not None:
            return self
        return replace(
            self,
            table_mm=later.table_mm if self.table_mm is None else self.table_mm,
            table_tilt_rad=later.table_tilt_rad if self.table_tilt_rad is None else self.table_tilt_rad,
        )


def _alike(one: tuple[float, float, float] | None, other: tuple[float, float, float] | None, tolerance: float) -> bool:
    if one is None or other is None:
        return one is other
    return _within(np.subtract(one, other), tolerance)


def _within(differences: ArrayLike, tolerance: float) -> bool:
    """Whether all differences are within the tolerance; False if one is NaN, because unknown values are not equal."""
    return bool(np.all(np.abs(differences) <= tolerance))
