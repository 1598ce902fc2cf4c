"""Plain pictures of a CT and of a vessel model, drawn without a display."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from calibration.store import write_atomically
from engines.anatomy.vessel_model import CenterlineTree, CtVolume, SurfaceMesh, VesselModel

# Per view: LPS axis and sign to the right, LPS axis and sign downwards, and the LPS axis along which one looks. The
# front view shows the patient's left on the right; the left view is seen from the patient's left side.
_VIEWS = {"front": (0, 1.0, 2, -1.0, 1), "left": (1, 1.0, 2, -1.0, 0)}
_SIZE_PX = 800
_MARGIN_PX = 40
_MIP_WINDOW_HU = (-100.0, 900.0)
# BGR; people with any colour vision can tell them apart (Okabe-Ito palette).
_BRANCH_COLOURS = ((86, 180, 233), (230, 159, 0), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
                   (204, 121, 167))  # fmt: skip
_SURFACE_COLOUR = np.array([150.0, 150.0, 190.0])


def mip_picture(ct: CtVolume, view: str) -> UInt8[np.ndarray, "h w 3"]:
    """Maximum intensity projection along the voxel axis nearest to the viewing axis; isotropic, head on top."""
    right, right_sign, down, down_sign, along = _VIEWS[view]
    # The patient axis along which each voxel axis runs; its sign is used below.
    nearest = [int(np.argmax(np.abs(ct.lps_from_index[axis, :3]))) for axis in range(3)]
    if sorted(nearest) != [0, 1, 2]:
        nearest = [0, 1, 2]  # an oblique volume is shown along its own axes
    picture = ct.voxels_hu.max(axis=nearest[along]).astype(np.float32)
    rest = [axis for axis in range(3) if axis != nearest[along]]
    if rest.index(nearest[down]) == 1:
        picture = picture.T
    for axis, sign, flipped in ((down, down_sign, 0), (right, right_sign, 1)):
        if ct.lps_from_index[axis, nearest[axis]] * sign < 0:
            picture = np.flip(picture, flipped)
    low, high = _MIP_WINDOW_HU
    grey = (np.clip((picture - low) / (high - low), 0.0, 1.0) * 255.0).astype(np.uint8)
    height_mm = grey.shape[0] * ct.spacing_mm[nearest[down]]
    width_mm = grey.shape[1] * ct.spacing_mm[nearest[right]]
    scale = _SIZE_PX / max(height_mm, width_mm)
    size = (max(1, round(width_mm * scale)), max(1, round(height_mm * scale)))
    return cv2.cvtColor(cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR), cv2.COLOR_GRAY2BGR)


def model_picture(model: VesselModel, view: str) -> UInt8[np.ndarray, "h w 3"]:
    """Parallel projection of the surface in grey and the coloured branches at their widths, with a 10 mm scale bar."""
    right, right_sign, down, down_sign, along = _VIEWS[view]
    clouds = []
    if model.surface is not None:
        clouds.append(model.surface.vertices_mm)
    if model.centerlines is not None:
        clouds.append(model.centerlines.points_mm())
    points_mm = np.concatenate(clouds)
    flat = np.column_stack([points_mm[:, right] * right_sign, points_mm[:, down] * down_sign])
    low, extent_mm = flat.min(axis=0), float(max(np.ptp(flat, axis=0).max(), 1e-6))
    px_per_mm = (_SIZE_PX - 2 * _MARGIN_PX) / extent_mm
    centring = 0.5 * (_SIZE_PX - px_per_mm * np.ptp(flat, axis=0))

    def to_px(mm: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 2"]:
        plane = np.column_stack([mm[:, right] * right_sign, mm[:, down] * down_sign])
        return (plane - low) * px_per_mm + centring

    canvas = np.full((_SIZE_PX, _SIZE_PX, 3), 18, dtype=np.uint8)
    if model.surface is not None:
        _draw_surface(canvas, model.surface, to_px(model.surface.vertices_mm), along)
    if model.centerlines is not None:
        _draw_branches(canvas, model.centerlines, to_px(model.centerlines.points_mm()), px_per_mm)
    _draw_scale(canvas, px_per_mm, view)
    return canvas


def save_pictures(folder: Path, model: VesselModel, ct: CtVolume | None) -> list[Path]:
    """Write `model-VIEW.png`, and `mip-VIEW.png` if there is a CT; returns their paths."""
    pictures = {f"model-{view}.png": model_picture(model, view) for view in _VIEWS}
    if ct is not None:
        pictures |= {f"mip-{view}.png": mip_picture(ct, view) for view in _VIEWS}
    for name, picture in pictures.items():
        encoded = cv2.imencode(".png", picture)[1].tobytes()

        def write(beside: Path, content: bytes = encoded) -> None:
            beside.write_bytes(content)

        write_atomically(folder / name, write)
    return [folder / name for name in pictures]


def _draw_surface(
    canvas: UInt8[np.ndarray, "h w 3"], surface: SurfaceMesh, points_px: Float[np.ndarray, "v 2"], along: int
) -> None:
    corners = surface.vertices_mm[surface.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1)
    shade = np.abs(normals[:, along]) / np.maximum(length, 1e-12)
    depth_mm = corners[:, :, along].mean(axis=1)
    # Far triangles first; the front view looks along +y, the left view along -x.
    order = np.argsort(-depth_mm if along == 1 else depth_mm)
    fixed = np.rint(points_px * 16).astype(np.int32)
    for index in order.tolist():
        colour = (_SURFACE_COLOUR * (0.25 + 0.5 * shade[index])).tolist()
        cv2.fillConvexPoly(canvas, fixed[surface.triangles[index]], colour, lineType=cv2.LINE_8, shift=4)


def _draw_branches(
    canvas: UInt8[np.ndarray, "h w 3"],
    tree: CenterlineTree,
    points_px: Float[np.ndarray, "n 2"],
    px_per_mm: float,
) -> None:
    ends = np.cumsum([len(branch.points_mm) for branch in tree.branches])
    for index, (branch, part) in enumerate(zip(tree.branches, np.split(points_px, ends[:-1]), strict=True)):
        colour = _BRANCH_COLOURS[index % len(_BRANCH_COLOURS)][::-1]
        fixed = np.rint(part * 16).astype(np.int32)
        cv2.polylines(canvas, [fixed], False, colour, 2, cv2.LINE_AA, shift=4)
        for centre, radius_mm in zip(fixed[::5], branch.radius_mm[::5], strict=True):
            if np.isfinite(radius_mm):
                radius = round(float(radius_mm) * px_per_mm * 16)
                cv2.circle(canvas, tuple(centre.tolist()), radius, colour, 1, cv2.LINE_AA, shift=4)


def _draw_scale(canvas: UInt8[np.ndarray, "h w 3"], px_per_mm: float, view: str) -> None:
    end = _MARGIN_PX // 2 + round(10 * px_per_mm)
    y = _SIZE_PX - _MARGIN_PX // 2
    cv2.line(canvas, (_MARGIN_PX // 2, y), (end, y), (230, 230, 230), 2)
    text = f"10 mm, from the {view}"
    cv2.putText(canvas, text, (_MARGIN_PX // 2, y - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (230, 230, 230), 1, cv2.LINE_AA)
