"""Combine calibrated views: angle offsets and their spread, the isocentre, and the content of the file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from calibration.calibration_file import BeadResidual, CArmView
from calibration.carm import CArmGeometry
from calibration.errors import InputError
from calibration.phantoms.carm_calibration import CalibratedView
from calibration.phantoms.phantom import Phantom

MAX_OFFSET_DEG = 15.0  # a larger offset means that the phantom was turned, not that the C-arm is off
_MIN_BETWEEN_DEG = 15.0
_SID_LIMITS_MM = (300.0, 2500.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownScale:
    """The known scale of a view: the pixel's row spacing at the detector, or the distance; both may be absent."""

    row_spacing_mm: float | None = None
    sid_mm: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Isocentre:
    """The point nearest to all beams, in the phantom frame, and the beams' distance from it."""

    point_mm: Float[np.ndarray, " 3"]
    rms_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AngleOffsets:
    """Mean of fitted minus stated angles; `spread_deg` is the largest deviation of one view from it."""

    primary_deg: float
    secondary_deg: float
    spread_deg: float


def view_content(
    view: CalibratedView,
    phantom: Phantom,
    header: CArmGeometry | None,
    scale: KnownScale,
    *,
    isocentre: Isocentre | None,
    sop_instance_uid: str = "",
    frame: int = 0,
) -> CArmView:
    """One view as the calibration file stores it.

    Raises:
        InputError: pixel size and focal length imply a distance that no C-arm has.
    """
    pinhole, fit = view.pinhole, view.fit
    spacing = scale.row_spacing_mm
    if spacing is None and scale.sid_mm is not None:
        spacing = scale.sid_mm / pinhole.focal_px
    sid_mm = pinhole.focal_px * spacing if spacing is not None else None
    if sid_mm is not None and not _SID_LIMITS_MM[0] <= sid_mm <= _SID_LIMITS_MM[1]:
        raise InputError(
            f"{view.source}: with pixels of {spacing:.4g} mm the detector would be {sid_mm:.0f} mm from the source, "
            f"expected {_SID_LIMITS_MM[0]:g} to {_SID_LIMITS_MM[1]:g}; check the pixel size and the phantom's size"
        )
    beam, normal = view.beam_angles(), view.normal_angles()
    source_mm = pinhole.source_mm()
    focal_sigma = float(fit.sigma_of(lambda p: np.array([p.focal_px]))[0])
    principal_sigma = fit.sigma_of(lambda p: np.array(p.principal_point_px))
    offset_primary, offset_secondary = _offsets(view, header)
    length = np.linalg.norm(fit.residual_px, axis=1)
    return CArmView(
        file=view.source,
        sop_instance_uid=sop_instance_uid,
        frame=frame,
        shape_px=list(view.shape_px),
        mirrored=pinhole.mirrored,
        projection_px_from_phantom_mm=pinhole.matrix().tolist(),
        focal_spot_mm=source_mm.tolist(),
        focal_spot_sigma_mm=fit.sigma_of(lambda p: p.source_mm()).tolist(),
        focal_length_px=pinhole.focal_px,
        focal_length_sigma_px=focal_sigma,
        principal_point_px=list(pinhole.principal_point_px),
        principal_point_sigma_px=principal_sigma.tolist(),
        pixel_spacing_mm=None if spacing is None else [spacing, spacing / pinhole.aspect],
        sid_mm=sid_mm,
        sid_sigma_mm=None if sid_mm is None else focal_sigma / pinhole.focal_px * sid_mm,
        sod_mm=None if isocentre is None else float(np.linalg.norm(isocentre.point_mm - source_mm)),
        detector_centre_mm=None if sid_mm is None else _detector_centre(view, sid_mm).tolist(),
        primary_deg=beam.primary_deg,
        secondary_deg=beam.secondary_deg,
        angle_sigma_deg=view.angle_sigma_deg(),
        normal_primary_deg=normal.primary_deg,
        normal_secondary_deg=normal.secondary_deg,
        roll_deg=view.roll_deg(),
        header_primary_deg=None if header is None else math.degrees(header.primary_rad),
        header_secondary_deg=None if header is None else math.degrees(header.secondary_rad),
        header_sid_mm=None if header is None else header.sid_mm,
        offset_primary_deg=offset_primary,
        offset_secondary_deg=offset_secondary,
        beads_found=len(view.beads),
        residual_rms_px=fit.rms_px,
        residual_max_px=float(length.max()),
        beads=[
            BeadResidual(bead=phantom.beads[bead].id, seen_px=seen.tolist(), residual_px=rest.tolist())
            for bead, seen, rest in zip(view.beads, view.seen_px, fit.residual_px, strict=True)
        ],
    )


def angle_offsets(views: Sequence[CArmView]) -> AngleOffsets | None:
    """The angle offsets over all views with a header; None if no view has one."""
    pairs = [
        (view.offset_primary_deg, view.offset_secondary_deg)
        for view in views
        if view.offset_primary_deg is not None and view.offset_secondary_deg is not None
    ]
    if not pairs:
        return None
    offsets = np.array(pairs)
    mean = offsets.mean(axis=0)
    return AngleOffsets(
        primary_deg=float(mean[0]), secondary_deg=float(mean[1]), spread_deg=float(np.abs(offsets - mean).max())
    )


def find_isocentre(views: Sequence[CalibratedView]) -> Isocentre | None:
    """The isocentre by least squares over the beams; None for fewer than two beams or nearly parallel ones."""
    beams = np.array([view.beam() for view in views])
    if len(beams) < 2 or np.min(np.abs(beams @ beams.T)) > math.cos(math.radians(_MIN_BETWEEN_DEG)):
        return None
    sources = np.array([view.pinhole.source_mm() for view in views])
    across = np.eye(3) - beams[:, :, None] * beams[:, None, :]
    point = np.linalg.solve(across.sum(axis=0), (across @ sources[:, :, None]).sum(axis=0)[:, 0])
    misses = np.linalg.norm((across @ (point - sources)[:, :, None])[:, :, 0], axis=1)
    return Isocentre(point_mm=point, rms_mm=float(np.sqrt((misses**2).mean())))


def warnings_of(views: Sequence[CArmView], phantom: Phantom) -> list[str]:
    """Warnings that a person should read before using these views."""
    found = []
    for view in views:
        if view.header_primary_deg is not None and view.offset_primary_deg is None:
            found.append(
                f"{view.file}: the view is {view.primary_deg:.1f}/{view.secondary_deg:.1f} degrees in the phantom's "
                f"axes, the header says {view.header_primary_deg:.1f}/{view.header_secondary_deg:.1f}: the phantom is "
                "turned or the picture is; no angle offset was taken"
            )
        if view.beads_found < 0.7 * len(phantom.beads):
            found.append(f"{view.file}: only {view.beads_found} of {len(phantom.beads)} beads were used")
        if view.header_sid_mm and view.sid_mm and abs(view.sid_mm / view.header_sid_mm - 1) > 0.02:
            found.append(f"{view.file}: SID is {view.sid_mm:.0f} mm, the header says {view.header_sid_mm:.0f}")
    return found


def _offsets(view: CalibratedView, header: CArmGeometry | None) -> tuple[float | None, float | None]:
    if header is None:
        return None, None
    beam = view.beam_angles()
    primary = (beam.primary_deg - math.degrees(header.primary_rad) + 180) % 360 - 180
    secondary = beam.secondary_deg - math.degrees(header.secondary_rad)
    if max(abs(primary), abs(secondary)) > MAX_OFFSET_DEG:
        return None, None
    return primary, secondary


def _detector_centre(view: CalibratedView, sid_mm: float) -> Float[np.ndarray, " 3"]:
    """The point where the beam meets the detector's plane, in the phantom frame."""
    beam = view.beam()
    normal = view.pinhole.camera_from_phantom.rotation[2]
    return view.pinhole.source_mm() + beam * sid_mm / float(beam @ normal)
