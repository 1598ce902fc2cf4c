"""The pictures with which a rendered vessel volume is compared, and the pixels that take part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch.nn.functional import adaptive_avg_pool2d, interpolate, max_pool2d

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.rendering.rays import pixel_centres
from engines.rendering.renderer import Renderer

DrrTargetKind = Literal["probability", "intensity"]

_BAND_LONG_SIDE_PX = 96
_SEEN_MM = 0.05  # thickness from which a ray counts as passing a vessel


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DrrTarget:
    """One view to fit.

    Args:
        picture: (rows, columns) float32: vessel probability 0..1, or subtracted intensity of any scale and polarity.
        mask: True where the picture counts (inside the collimator); None if all of it counts.
        shift_mm: table movement added for this view, in the isocentre frame.
    """

    geometry: CArmGeometry
    picture: Float[np.ndarray, "rows columns"]
    mask: Bool[np.ndarray, "rows columns"] | None = None
    kind: DrrTargetKind = "probability"
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        shapes = {"picture": self.picture.shape} | ({} if self.mask is None else {"mask": self.mask.shape})
        for name, shape in shapes.items():
            if shape != self.geometry.shape_px:
                raise ValueError(f"{name} is {shape} pixels, its geometry says {self.geometry.shape_px}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PixelTarget:
    """The pixels of a view at one picture size, ready for `Renderer.render_rays`."""

    kind: DrrTargetKind
    camera_from_isocentre: Float[torch.Tensor, "4 4"]
    intrinsics_px: Float[torch.Tensor, "3 3"]
    pixels_px: Float[torch.Tensor, "rays 2"]
    values: Float[torch.Tensor, "1 rays"]


def at_level(
    view: DrrTarget,
    long_side_px: int,
    renderer: Renderer,
    *,
    near: RigidPose | None = None,
    reach_mm: float = 0.0,
    max_rays: int | None = None,
) -> PixelTarget:
    """Average the picture down and keep the pixels of the mask, or of a band around the vessels at pose `near`."""
    device = renderer.device
    shape = level_shape(view.geometry.shape_px, long_side_px)
    camera = view.geometry.camera_from_isocentre().matrix.copy()
    camera[:3, 3] += camera[:3, :3] @ np.array(view.shift_mm)
    unmoved = RigidPose.identity(target="isocentre", source="lps")
    intrinsics = torch.tensor(view.geometry.projection(unmoved).resized(shape).intrinsics_px, device=device)
    picture, keep = averaged(view, shape, device)
    camera_from_isocentre = torch.tensor(camera, device=device)
    if near is not None:
        pose = (camera_from_isocentre @ torch.tensor(near.matrix, device=device))[None]
        reach_px = reach_mm / (view.geometry.isocentre_mm_per_px * max(view.geometry.shape_px) / max(shape))
        keep = keep & _band(renderer, pose, intrinsics, shape, reach_px)
    chosen = keep.flatten().nonzero()[:, 0]
    if max_rays is not None and len(chosen) > max_rays:
        order = torch.randperm(len(chosen), generator=torch.Generator().manual_seed(0))[:max_rays]
        chosen = chosen[order.to(device)]
    return PixelTarget(
        kind=view.kind,
        camera_from_isocentre=camera_from_isocentre,
        intrinsics_px=intrinsics,
        pixels_px=pixel_centres(shape, device=device)[chosen],
        values=picture.flatten()[chosen][None],
    )


def level_shape(shape_px: tuple[int, int], long_side_px: int) -> tuple[int, int]:
    scale = min(1.0, long_side_px / max(shape_px))
    return max(1, round(shape_px[0] * scale)), max(1, round(shape_px[1] * scale))


def averaged(view: DrrTarget, shape: tuple[int, int], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean over each large pixel of the pixels inside the mask, and which large pixels have any."""
    picture = torch.tensor(np.asarray(view.picture, dtype=np.float32), device=device)[None, None]
    mask = torch.ones_like(picture) if view.mask is None else torch.tensor(view.mask, device=device)[None, None].float()
    seen = adaptive_avg_pool2d(mask, shape)
    mean = adaptive_avg_pool2d(torch.nan_to_num(picture) * mask, shape) / seen.clamp_min(1e-6)
    return mean[0, 0], seen[0, 0] > 0.5


def _band(
    renderer: Renderer,
    camera_from_lps: Float[torch.Tensor, "1 4 4"],
    intrinsics_px: Float[torch.Tensor, "3 3"],
    shape: tuple[int, int],
    reach_px: float,
) -> Bool[torch.Tensor, "rows columns"]:
    # A coarse picture is enough to find the vessels, because the band is wider than its pixels.
    coarse = level_shape(shape, _BAND_LONG_SIDE_PX)
    scale = torch.tensor([coarse[1] / shape[1], coarse[0] / shape[0]], device=intrinsics_px.device).double()
    resample = torch.eye(3, dtype=torch.float64, device=intrinsics_px.device)
    resample[0, 0], resample[1, 1] = scale
    resample[:2, 2] = 0.5 * scale - 0.5
    with torch.no_grad():
        seen = (renderer.render(camera_from_lps, resample @ intrinsics_px, coarse) > _SEEN_MM).float()
    reach = max(1, round(reach_px * coarse[1] / shape[1]))
    near = max_pool2d(seen, 2 * reach + 1, stride=1, padding=reach)
    return interpolate(near, size=shape, mode="nearest-exact")[0, 0] > 0
