"""The artery in 3-D: coloured by what is asked for, the frame standing in its plane, the CT around it."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import UInt8

from engines.anatomy.vessel_model import CtVolume
from engines.ivus.geometry.straightened import sample_ct
from guidance_app.panels.pictures.grey import windowed
from guidance_app.panels.pictures.scene_view import SceneView
from guidance_app.rooms.ivus.answer.desk import FusionDesk
from guidance_app.rooms.ivus.answer.frame_table import FrameTable

Colouring = Literal["lumen", "burden", "certainty"]
COLOURINGS: tuple[Colouring, ...] = ("lumen", "certainty", "burden")
_LEGENDS = {
    "lumen": "lumen: red \u2264 2 mm\u00b2, blue \u2265 10",
    "burden": "plaque burden: blue \u2264 30 %, red \u2265 70",
    "certainty": "sure within: blue 1 mm, red \u2265 5 mm",
}
_CALM = np.array([[59, 107, 255], [63, 208, 255], [240, 240, 120], [255, 160, 50], [230, 60, 50]], dtype=float)
_FRAME_HALF_MM = 4.5
_CT_MARGIN_MM, _CT_STEP_MM = 6.0, 0.5


def draw_artery(view: SceneView, desk: FusionDesk, table: FrameTable, colouring: Colouring) -> None:
    """The tube of the pullback with the ultrasound's lumen, and the rest of the vessel from the CT, grey."""
    fusion, maps = desk.fusion, desk.fusion.frame_maps
    index = fusion.frame_index
    course = fusion.course
    seen = fusion.course_maps
    view.set_tube("vessel", course.frame.points_mm, seen.size_mm[:, None] * 0.97, course.frame.u, course.frame.v,
                  np.full((len(seen.place_mm), 3), 120, np.uint8), opacity=0.35)  # fmt: skip
    middle = course.frame.at(fusion.place_mm[index]).points_mm
    view.set_tube("pullback", middle, maps.radius_mm * 1.05, fusion.u[index], fusion.v[index],
                  _colours(desk, table, colouring)[index])  # fmt: skip
    view.legend = _LEGENDS[colouring]


def stand_frame(view: SceneView, desk: FusionDesk) -> None:
    """The frame's picture in its plane."""
    fusion, k = desk.fusion, desk.frame
    px, (column, row) = desk.opened.pixel_mm, desk.opened.centre_px
    half = int(_FRAME_HALF_MM / px)
    c, r = round(column), round(row)
    picture = desk.opened.frames[k]
    left, top = max(c - half, 0), max(r - half, 0)
    part = picture[top : r + half + 1, left : c + half + 1]
    corner = fusion.points_mm[k] + (left - 0.5 - column) * px * fusion.u[k] + (top - 0.5 - row) * px * fusion.v[k]
    view.set_picture("frame", part, corner, part.shape[1] * px * fusion.u[k], part.shape[0] * px * fusion.v[k],
                     opacity=0.9)  # fmt: skip


def stand_ct(view: SceneView, desk: FusionDesk, ct: CtVolume, window: tuple[float, float]) -> None:
    """A slice of the CT in the plane that holds most of the vessel, behind it."""
    points = desk.fusion.points_mm
    middle = points.mean(axis=0)
    axes = np.linalg.svd(points - middle, full_matrices=False)[2]
    depth = float(((points - middle) @ axes[2]).max()) + 3.0
    centre = middle + depth * axes[2]
    along, across = (float(np.ptp((points - middle) @ axis)) + 2 * _CT_MARGIN_MM for axis in axes[:2])
    rows, columns = (np.arange(0.0, size, _CT_STEP_MM) - 0.5 * size for size in (across, along))
    hu = sample_ct(ct, centre + rows[:, None, None] * axes[1] + columns[None, :, None] * axes[0])
    corner = centre - 0.5 * (along * axes[0] + across * axes[1])
    view.set_picture("ct", windowed(hu, window), corner, along * axes[0], across * axes[1], opacity=0.75)


def first_look(view: SceneView, desk: FusionDesk) -> None:
    """On the pullback, along the direction that shows most of it, the ostium above."""
    points = desk.fusion.points_mm
    middle = points.mean(axis=0)
    axes = np.linalg.svd(points - middle, full_matrices=False)[2]
    from_ostium = points[desk.fusion.place_mm.argmax()] - points[desk.fusion.place_mm.argmin()]
    up = -axes[0] if from_ostium @ axes[0] > 0 else axes[0]
    view.look_at(middle, along=axes[2], up=up, width_mm=1.25 * float(np.ptp((points - middle) @ axes[0])))
    # Askew, or the frame would be seen from its edge.
    view.turn_camera(18.0, 38.0)


def _colours(desk: FusionDesk, table: FrameTable, colouring: Colouring) -> UInt8[np.ndarray, "f 3"]:
    if colouring == "lumen":
        share = 1.0 - (table.lumen_mm2 - 2.0) / 8.0
    elif colouring == "burden":
        share = (table.burden_percent - 30.0) / 40.0
    elif desk.fusion.certainty is None:
        share = np.full(desk.frames, np.nan)
    else:
        share = (desk.at_frames(desk.fusion.certainty.place_sigma_mm) - 1.0) / 4.0
    known = np.isfinite(share)
    at = np.clip(np.where(known, share, 0.0), 0.0, 1.0) * (len(_CALM) - 1)
    colours = np.column_stack([np.interp(at, np.arange(len(_CALM)), _CALM[:, k]) for k in range(3)])
    return np.where(known[:, None], colours, 130.0).astype(np.uint8)
