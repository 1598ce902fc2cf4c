"""The aortic annulus from the lowest points of the three cusps: its plane, its size, the views that show it edge-on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage
from skimage.measure import find_contours, label

from calibration.errors import InputError
from engines.anatomy.vessel_model import LabelVolume
from engines.planning.angles import GantryLimits, ViewAngles, angles_along, beam_lps

CUSPS = ("right", "left", "non-coronary")
_LEAST_SIDE_MM, _MOST_SIDE_MM = 8.0, 45.0
_LEAST_ANGLE_DEG = 15.0  # of the triangle; below, a millimetre turns the plane by a lot
_STEP_MM = 0.25
_REACH_MM = 32.0
_OFF_CENTRE_MM = 8.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Annulus:
    """The plane through three hinge points.

    Args:
        hinges_mm: (3, 3) LPS, of the right, left and non-coronary cusp.
        centre_mm: of the circle through them.
        normal: unit vector; towards the head where the cusps are named as they lie.
        doubt: what speaks against the points; "" where nothing does.
    """

    hinges_mm: Float[np.ndarray, "3 3"]
    centre_mm: Float[np.ndarray, " 3"]
    normal: Float[np.ndarray, " 3"]
    circle_mm: float
    doubt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnulusSize:
    """The lumen where the plane cuts it: diameters of circles of its area and of its perimeter, and its extremes."""

    area_mm2: float
    perimeter_mm: float
    area_diameter_mm: float
    perimeter_diameter_mm: float
    least_mm: float
    greatest_mm: float


def annulus_of(hinges_mm: Float[np.ndarray, "3 3"]) -> Annulus:
    """The plane and circle through the hinge points of the right, left and non-coronary cusp, in this order.

    Raises:
        InputError: the points lie on one line, or too near to or too far from each other for an annulus.
    """
    right, left, non = hinges = np.asarray(hinges_mm, dtype=np.float64)
    sides = np.linalg.norm([left - right, non - left, right - non], axis=1)
    if sides.min() < _LEAST_SIDE_MM or sides.max() > _MOST_SIDE_MM:
        raise InputError(
            f"the hinge points are {sides.min():.0f} to {sides.max():.0f} mm apart, expected "
            f"{_LEAST_SIDE_MM:g} to {_MOST_SIDE_MM:g} mm; set them at the lowest point of each cusp"
        )
    normal = np.cross(left - right, non - right)
    twice_area = float(np.linalg.norm(normal))
    if np.rad2deg(np.arcsin(twice_area / np.prod(np.sort(sides)[1:]))) < _LEAST_ANGLE_DEG:
        raise InputError("the hinge points lie nearly on one line; set one at each cusp")
    one, other = left - right, non - right
    centre = right + (
        np.cross(normal, one) * float(other @ other) + np.cross(other, normal) * float(one @ one)
    ) / (2.0 * twice_area**2)  # fmt: skip
    unit = normal / twice_area
    doubt = (
        "" if unit[2] > 0.0 else "seen from the head the cusps run the wrong way round: are left and right exchanged?"
    )
    return Annulus(
        hinges_mm=hinges,
        centre_mm=centre,
        normal=unit if unit[2] > 0.0 else -unit,
        circle_mm=2.0 * float(np.linalg.norm(centre - right)),
        doubt=doubt,
    )


def annulus_size(annulus: Annulus, labels: LabelVolume, names: tuple[str, ...]) -> AnnulusSize | None:
    """The size of the lumen of these structures in the annulus' plane; None where none lies about its centre."""
    mask = np.isin(labels.labels, [number for number, name in labels.names.items() if name in names])
    u = np.cross(annulus.normal, np.eye(3)[int(np.abs(annulus.normal).argmin())])
    u /= np.linalg.norm(u)
    v = np.cross(annulus.normal, u)
    side = np.arange(-_REACH_MM, _REACH_MM + 0.5 * _STEP_MM, _STEP_MM)
    places = annulus.centre_mm + side[:, None, None] * u + side[None, :, None] * v
    index_from_lps = np.linalg.inv(labels.lps_from_index)
    index = places @ index_from_lps[:3, :3].T + index_from_lps[:3, 3]
    inside = ndimage.map_coordinates(mask.astype(np.float32), np.moveaxis(index, -1, 0), order=1, mode="constant")
    part = _about_middle(inside > 0.5)
    if part is None or part[0].any() or part[-1].any() or part[:, 0].any() or part[:, -1].any():
        return None  # no lumen, or one that goes on beyond any annulus: an open view of ventricle or aneurysm
    # Fine steps of voxels are no part of the wall's length.
    smooth = ndimage.gaussian_filter(np.where(part, inside, 0.0), 0.5 * float(_spacing(labels)) / _STEP_MM)
    contours = find_contours(smooth, 0.5)
    if not contours:
        return None
    line = max(contours, key=len) * _STEP_MM
    area = 0.5 * abs(float(np.sum(line[:-1, 0] * line[1:, 1] - line[1:, 0] * line[:-1, 1])))
    perimeter = _length_mm(line)
    widths = [float(np.ptp(line @ np.array([np.cos(turn), np.sin(turn)]))) for turn in np.deg2rad(np.arange(0, 180, 2))]
    return AnnulusSize(
        area_mm2=area,
        perimeter_mm=perimeter,
        area_diameter_mm=float(2.0 * np.sqrt(area / np.pi)),
        perimeter_diameter_mm=perimeter / np.pi,
        least_mm=min(widths),
        greatest_mm=max(widths),
    )


def edge_on(normal: Float[np.ndarray, " 3"], primary_deg: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The S-curve: for each LAO/RAO angle the cranial or caudal one at which a plane is seen as a line.

    The beam (sin a cos b, -cos a cos b, sin b) lies in the plane where its product with the normal is zero.
    """
    primary = np.deg2rad(np.asarray(primary_deg, dtype=np.float64))
    x, y, z = normal
    sign = 1.0 if z >= 0.0 else -1.0
    # Of a plane that stands upright the curve is a vertical line, which is reached as a limit.
    return np.rad2deg(np.arctan2(sign * (y * np.cos(primary) - x * np.sin(primary)), abs(z)))


def off_edge_deg(normal: Float[np.ndarray, " 3"], angles: ViewAngles) -> float:
    """How far a view is from seeing a plane edge-on: the angle between beam and plane."""
    sine = float(abs(beam_lps(angles.primary_deg, angles.secondary_deg) @ normal))
    return float(np.rad2deg(np.arcsin(min(sine, 1.0))))


def cusp_overlap(annulus: Annulus) -> ViewAngles:
    """Right and left cusp lie over each other, the non-coronary one apart; on the S-curve.

    The beam runs along the line through both hinge points.
    """
    right, left, _ = annulus.hinges_mm
    return angles_along(left - right)


def three_cusps(annulus: Annulus) -> ViewAngles:
    """The right cusp stands midway between the two others; on the S-curve."""
    right, left, non = annulus.hinges_mm
    return angles_along(right - 0.5 * (left + non))


def reached_edge_on(normal: Float[np.ndarray, " 3"], limits: GantryLimits) -> tuple[ViewAngles, ...]:
    """The S-curve as far as the gantry reaches, every degree of LAO and RAO."""
    primary = np.arange(-limits.rao_deg, limits.lao_deg + 0.5, 1.0)
    found = [
        ViewAngles(primary_deg=float(p), secondary_deg=float(s))
        for p, s in zip(primary, edge_on(normal, primary), strict=True)
    ]
    return tuple(angles for angles in found if limits.reach(angles))


def _length_mm(line_mm: Float[np.ndarray, "n 2"]) -> float:
    """Of a closed contour as a hand would draw it: smoothed over a millimetre, for voxels have steps."""
    steps = np.linalg.norm(np.diff(line_mm, axis=0), axis=1)
    arc = np.concatenate([[0.0], np.cumsum(steps)])
    even = np.arange(0.0, arc[-1], _STEP_MM)
    points = np.column_stack([np.interp(even, arc, line_mm[:, axis]) for axis in range(2)])
    smooth = ndimage.gaussian_filter1d(points, 1.0 / _STEP_MM, axis=0, mode="wrap")
    return float(np.linalg.norm(np.diff(np.vstack([smooth, smooth[:1]]), axis=0), axis=1).sum())


def _about_middle(mask: Bool[np.ndarray, "n n"]) -> Bool[np.ndarray, "n n"] | None:
    """The part under the middle of a plane, else the one next to it."""
    parts = np.asarray(label(mask))
    if not mask.any():
        return None
    filled = np.argwhere(mask)
    away = np.linalg.norm((filled - 0.5 * (np.array(mask.shape) - 1)) * _STEP_MM, axis=1)
    if away.min() > _OFF_CENTRE_MM:
        return None
    number = parts[tuple(filled[int(away.argmin())])]
    return np.asarray(ndimage.binary_fill_holes(parts == number), dtype=bool)


def _spacing(labels: LabelVolume) -> float:
    return float(np.linalg.norm(labels.lps_from_index[:3, :3], axis=0).min())
