"""A model over a picture as lines, and as the shadow that a C-arm would cast of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from calibration.projection import Projection
from engines.anatomy.vessel_model import Branch
from engines.planning.segment_views import Segment
from guidance_app.panels.pictures.grey import colour_image, grey_image
from guidance_app.panels.pictures.picture_view import Outline, PictureView

_WALLS_FROM_MM = 1.2  # thinner vessels are drawn as one line
_SHADOW_PX = 1040  # fills a view that is half as wide again as high
_SHADOW_MM = 0.3  # of the isocentre plane a pixel
_DARKER_PER_MM = 0.22  # for the eye: 3 mm of vessel halve the light
_LIT = (63, 208, 255)


def show_grey(view: PictureView, grey: UInt8[np.ndarray, "r c"], geometry: CArmGeometry) -> None:
    """Show a frame in millimetres of the isocentre plane, its middle in the middle."""
    rows, columns = grey.shape
    size = geometry.isocentre_mm_per_px
    view.show_picture(grey_image(grey), pixel_mm=(size, size), origin_px=((columns - 1) / 2, (rows - 1) / 2))


def model_outlines(
    branches: Sequence[Branch], projection: Projection, geometry: CArmGeometry, *, colour: str, name: str,
    dashed: bool = False,
) -> tuple[Outline, ...]:  # fmt: skip
    """Both walls of wide branches, the middle line of thin ones."""
    lines: list[Outline] = []
    for branch in branches:
        points_px, depth_mm = projection.project(branch.points_mm)
        plane_mm = plane_of(points_px, geometry)
        if not np.isfinite(plane_mm).all():
            continue
        radius_mm = np.nan_to_num(branch.radius_mm) * geometry.sod_mm / depth_mm
        sides = walls(plane_mm, radius_mm) if np.median(radius_mm) >= _WALLS_FROM_MM else (plane_mm,)
        lines += [Outline(points_mm=side, colour=colour, width_px=1.4, dashed=dashed) for side in sides]
    if lines:
        first = lines[0]
        lines[0] = Outline(points_mm=first.points_mm, colour=colour, name=name, width_px=1.4, dashed=dashed)
    return tuple(lines)


def plane_of(points_px: Float[np.ndarray, "n 2"], geometry: CArmGeometry) -> Float[np.ndarray, "n 2"]:
    """Pixels to what `show_grey` shows."""
    rows, columns = geometry.shape_px
    return (points_px - [(columns - 1) / 2, (rows - 1) / 2]) * geometry.isocentre_mm_per_px


def walls(
    plane_mm: Float[np.ndarray, "n 2"], radius_mm: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n 2"]]:
    along = np.gradient(plane_mm, axis=0)
    length = np.linalg.norm(along, axis=1)
    across = np.column_stack([-along[:, 1], along[:, 0]]) / np.where(length > 1e-6, length, np.inf)[:, None]
    return plane_mm + radius_mm[:, None] * across, plane_mm - radius_mm[:, None] * across


def shadow_geometry(primary_deg: float, secondary_deg: float) -> CArmGeometry:
    """An ordinary C-arm at these angles."""
    sid_mm, sod_mm = 1100.0, 765.0
    pixel_mm = _SHADOW_MM * sid_mm / sod_mm
    return CArmGeometry(
        primary_rad=float(np.deg2rad(primary_deg)),
        secondary_rad=float(np.deg2rad(secondary_deg)),
        sid_mm=sid_mm,
        sod_mm=sod_mm,
        column_spacing_mm=pixel_mm,
        row_spacing_mm=pixel_mm,
        shape_px=(_SHADOW_PX, _SHADOW_PX),
        principal_point_px=((_SHADOW_PX - 1) / 2, (_SHADOW_PX - 1) / 2),
    )


def show_shadow(view: PictureView, segment: Segment, primary_deg: float, secondary_deg: float, *, lit: bool) -> None:
    """What the C-arm would see with the segment's middle in the isocentre; `lit` colours the segment."""
    geometry = shadow_geometry(primary_deg, secondary_deg)
    to_middle = RigidPose.from_rotation_vector(np.zeros(3), -segment.middle_mm, target="isocentre", source="lps")
    projection = geometry.projection(to_middle)
    whole = np.zeros(geometry.shape_px, np.float32)
    own = np.zeros(geometry.shape_px, np.float32)
    for pieces, is_own in _vessels(segment):
        thickness = np.max([_thickness_mm(piece, projection) for piece in pieces], axis=0)
        whole += thickness
        if is_own:
            own = np.maximum(own, thickness)
    light = np.exp(-_DARKER_PER_MM * whole)
    rgb = np.repeat((22.0 + 120.0 * light)[:, :, None], 3, axis=2)
    if lit:
        share = np.clip(own / 0.6, 0.0, 1.0)[:, :, None] * 0.8
        rgb = (1 - share) * rgb + share * np.array(_LIT) * (0.35 + 0.65 * light[:, :, None])
    middle = (_SHADOW_PX - 1) / 2
    view.show_picture(colour_image(rgb.astype(np.uint8)), pixel_mm=(_SHADOW_MM, _SHADOW_MM), origin_px=(middle, middle))


def _vessels(segment: Segment) -> list[tuple[list[Branch], bool]]:
    """Branches by vessel: what carries a name on is one tube; a daughter begins where it leaves its mother's lumen."""
    vessels: dict[str, tuple[list[Branch], bool]] = {}
    for number, (branch, is_own) in enumerate(zip(segment.branches, segment.own, strict=True)):
        name = branch.name or str(number)
        if name in vessels:
            vessels[name][0].append(branch)
            continue
        away_mm = np.linalg.norm(branch.points_mm - branch.points_mm[0], axis=1)
        outside = np.flatnonzero(away_mm > _mother_radius_mm(segment.branches, branch))
        first = min(int(outside[0]) if len(outside) else 0, len(branch.points_mm) - 2)
        piece = replace(branch, points_mm=branch.points_mm[first:], radius_mm=branch.radius_mm[first:])
        vessels[name] = [piece], is_own
    return list(vessels.values())


def _mother_radius_mm(branches: Sequence[Branch], branch: Branch) -> float:
    """Of the branch that holds this one's first point; 0 for a root."""
    for other in branches:
        if other is branch:
            continue
        apart_mm = np.linalg.norm(other.points_mm - branch.points_mm[0], axis=1)
        if apart_mm.min() < 0.1 and int(apart_mm.argmin()) > 0:
            return float(np.nan_to_num(other.radius_mm[int(apart_mm.argmin())]))
    return 0.0


def _thickness_mm(branch: Branch, projection: Projection) -> Float[np.ndarray, "r c"]:
    """How thick contrast is in each pixel: a round tube, so thickest in its middle."""
    picture = np.zeros(projection.shape_px, np.float32)
    points_px, depth_mm = projection.project(branch.points_mm)
    radius_mm = np.nan_to_num(branch.radius_mm, nan=0.5)
    radius_px = radius_mm * abs(projection.intrinsics_px[0, 0]) / depth_mm
    ends = np.rint(points_px * 16.0).astype(np.int32)
    for share in (1.0, 0.8, 0.55, 0.25):  # from the rim inwards, each thicker than the one before
        chord_mm = 2.0 * radius_mm * np.sqrt(max(1.0 - (share - 0.12) ** 2, 0.0))
        for number in range(len(ends) - 1):
            width = max(round(2.0 * share * float(radius_px[number])), 1)
            first, last = tuple(map(int, ends[number])), tuple(map(int, ends[number + 1]))
            cv2.line(picture, first, last, float(chord_mm[number]), width, cv2.LINE_AA, 4)
    return picture
