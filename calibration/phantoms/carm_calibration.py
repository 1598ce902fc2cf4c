"""Calibrate a C-arm's view on the picture of a bead phantom: focal spot, detector, angles and their uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Integer

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from calibration.intensifier.distortion import Distortion
from calibration.phantoms.bead_identity import Identity, identify_beads
from calibration.phantoms.beads import SeenBead, find_beads
from calibration.phantoms.phantom import MIN_BEADS, Phantom, is_coplanar
from calibration.phantoms.resection import Pinhole, Resection, fit_pinhole

MAX_RESIDUAL_PX = 0.6
_MIN_SEEN_SHARE = 0.5  # smallest share of the beads inside the picture that must be found
_OUTLIER_SIGMAS, _LEAST_OUTLIER_PX = 4.0, 0.15  # touching shadows shift each other's centres
_RAYLEIGH_MEDIAN = 1.1774  # median length of a 2-D residual, relative to its sigma per axis


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PhantomPicture:
    """A picture of the phantom.

    Args:
        line_integral: see `beads.attenuation`.
        source: name for messages.
        header: the view as the file's header states it, or None.
        row_over_column: row spacing over column spacing, used without a header.
    """

    line_integral: Float[np.ndarray, "rows columns"]
    source: str
    header: CArmGeometry | None = None
    row_over_column: float = 1.0
    distortion: Distortion | None = None
    mirrored: bool = False

    @property
    def aspect(self) -> float:
        if self.header is None:
            return self.row_over_column
        return self.header.row_spacing_mm / self.header.column_spacing_mm

    @property
    def shape_px(self) -> tuple[int, int]:
        return self.line_integral.shape[0], self.line_integral.shape[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class CArmAngles:
    """Positioner angles of a direction (DICOM PS3.3 C.8.7.5.1.2)."""

    primary_deg: float
    secondary_deg: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CalibratedView:
    """A fitted view.

    Args:
        beads: indices into the phantom's beads, one for each row of `seen_px` and of the fit's residuals.
        dropped: ids of found beads that lie off their predicted place, as overlapping shadows do.
    """

    source: str
    shape_px: tuple[int, int]
    fit: Resection
    beads: Integer[np.ndarray, " n"]
    seen_px: Float[np.ndarray, "n 2"]
    dropped: tuple[str, ...] = field(default=())

    @property
    def pinhole(self) -> Pinhole:
        return self.fit.pinhole

    def beam(self) -> Float[np.ndarray, " 3"]:
        """Unit vector from the focal spot to the middle of the picture, in the phantom frame."""
        return beam_direction(self.pinhole, self.shape_px)

    def beam_angles(self) -> CArmAngles:
        return angles_of(self.beam())

    def normal_angles(self) -> CArmAngles:
        return angles_of(self.pinhole.camera_from_phantom.rotation[2])

    def roll_deg(self) -> float:
        """Rotation of the picture about the beam, relative to a C-arm with only its two angles."""
        angles = self.normal_angles()
        level = np.array([math.cos(math.radians(angles.primary_deg)), math.sin(math.radians(angles.primary_deg)), 0.0])
        rotation = self.pinhole.camera_from_phantom.rotation
        return math.degrees(math.atan2(float(rotation[1] @ level), float(rotation[0] @ level)))

    def angle_sigma_deg(self) -> float:
        """One sigma of the beam's angles; the larger of the two."""

        def both(pinhole: Pinhole) -> Float[np.ndarray, " 2"]:
            found = angles_of(beam_direction(pinhole, self.shape_px))
            return np.array([found.primary_deg, found.secondary_deg])

        return float(self.fit.sigma_of(both).max())


def beam_direction(pinhole: Pinhole, shape_px: tuple[int, int]) -> Float[np.ndarray, " 3"]:
    """Unit vector from the source to the middle of the picture, in the phantom frame.

    One view can hardly tell a turn of the detector from a shift of the principal point; the ray through the middle of
    the picture is the same for both.
    """
    middle = np.array([(shape_px[1] - 1) / 2, (shape_px[0] - 1) / 2, 1.0])
    ray = pinhole.camera_from_phantom.rotation.T @ np.linalg.solve(pinhole.intrinsics_px(), middle)
    return ray / np.linalg.norm(ray)


def angles_of(direction: Float[np.ndarray, " 3"]) -> CArmAngles:
    """The angles for which the detector lies in this direction from the isocentre."""
    return CArmAngles(
        primary_deg=math.degrees(math.atan2(direction[0], -direction[1])),
        secondary_deg=math.degrees(math.asin(np.clip(direction[2], -1, 1))),
    )


def calibrate_view(
    picture: PhantomPicture, phantom: Phantom, *, max_residual_px: float = MAX_RESIDUAL_PX
) -> CalibratedView:
    """Find the beads, match them to the phantom, and fit the view.

    Raises:
        InputError: there are too few beads, they lie in one plane, the residual is too high, or the picture is
            mirrored; the message says which.
    """
    seen = find_beads(picture.line_integral)
    if len(seen) < MIN_BEADS:
        raise InputError(
            f"{picture.source}: {len(seen)} beads were found, at least {MIN_BEADS} are needed; check that the whole "
            "phantom is in the picture, dark on bright, and neither over- nor underexposed"
        )
    if picture.distortion is not None:
        seen = _undistorted(seen, picture.distortion)
    mirrored = picture.header.mirrored if picture.header is not None else picture.mirrored
    found = _view(picture, phantom, seen, mirrored=mirrored)
    if found is None or found.fit.rms_px > max_residual_px:
        other = _view(picture, phantom, seen, mirrored=not mirrored)
        if other is not None and other.fit.rms_px <= max_residual_px:
            stated = "mirrored, but is not" if mirrored else "not mirrored, but is"
            raise InputError(
                f"{picture.source}: the picture is taken as {stated} (the other way the beads fit to "
                f"{other.fit.rms_px:.2f} px); export it as the detector sees it, or say --mirrored"
            )
    if found is None:
        raise InputError(
            f"{picture.source}: {len(seen)} spots were found, but they are not the beads of {phantom.name}; check the "
            "phantom file, and that the code beads are in the picture"
        )
    if found.fit.rms_px > max_residual_px:
        raise InputError(
            f"{picture.source}: the beads are off by {found.fit.rms_px:.2f} px (root mean square), accepted are "
            f"{max_residual_px:g}; check the phantom file, or calibrate the distortion first (--distortion)"
        )
    return found


def _view(picture: PhantomPicture, phantom: Phantom, seen: list[SeenBead], *, mirrored: bool) -> CalibratedView | None:
    identity = identify_beads(phantom, seen, picture.shape_px, aspect=picture.aspect, mirrored=mirrored)
    if identity is None:
        return None
    space = phantom.positions_mm()
    spots = np.array([[bead.column_px, bead.row_px] for bead in seen])[identity.spots]
    kept = _consistent(identity, space, spots)
    in_picture = _in_picture(identity.pinhole.project(space), picture.shape_px)
    if kept.sum() < max(MIN_BEADS, _MIN_SEEN_SHARE * in_picture.sum()):
        return None
    beads = identity.beads[kept]
    if is_coplanar(space[beads]):
        raise InputError(
            f"{picture.source}: the {len(beads)} beads in the picture lie in one plane of the phantom; move it so that "
            "beads of its whole depth are seen"
        )
    fit = fit_pinhole(identity.pinhole, space[beads], spots[kept])
    dropped = tuple(phantom.beads[bead].id for bead in identity.beads[~kept])
    return CalibratedView(
        source=picture.source, shape_px=picture.shape_px, fit=fit, beads=beads, seen_px=spots[kept], dropped=dropped
    )


def _consistent(
    identity: Identity, space: Float[np.ndarray, "n 3"], spots: Float[np.ndarray, "k 2"]
) -> Bool[np.ndarray, " k"]:
    kept, pinhole = np.ones(len(spots), bool), identity.pinhole
    for _ in range(3):
        pinhole = fit_pinhole(pinhole, space[identity.beads[kept]], spots[kept], robust=True).pinhole
        length = np.linalg.norm(spots - pinhole.project(space[identity.beads]), axis=1)
        sigma = np.median(length) / _RAYLEIGH_MEDIAN
        kept = length <= max(_OUTLIER_SIGMAS * sigma, _LEAST_OUTLIER_PX)
        if kept.sum() < MIN_BEADS:
            break
    return kept


def _in_picture(points_px: Float[np.ndarray, "n 2"], shape_px: tuple[int, int]) -> Bool[np.ndarray, " n"]:
    with np.errstate(invalid="ignore"):
        return np.all((points_px > 4) & (points_px < np.array([shape_px[1] - 5, shape_px[0] - 5])), axis=1)


def _undistorted(seen: list[SeenBead], distortion: Distortion) -> list[SeenBead]:
    points = distortion.undistort(np.array([[bead.column_px, bead.row_px] for bead in seen]))
    inside = np.all(np.isfinite(points), axis=1)
    return [
        SeenBead(column_px=float(x), row_px=float(y), sigma_px=bead.sigma_px, strength=bead.strength)
        for bead, (x, y), keep in zip(seen, points, inside, strict=True)
        if keep
    ]
