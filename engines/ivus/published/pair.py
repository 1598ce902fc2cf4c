"""Both pictures as the published method looks at them: polar stacks, landmark maps, guidewire mask."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from engines.anatomy.centerlines.moving_frame import MovingFrame
from engines.anatomy.vessel_model import CtVolume
from engines.ivus.features.ct_maps import ct_maps
from engines.ivus.features.landmark_maps import ANGLES, LandmarkMaps
from engines.ivus.files.contour_tables import Contours
from engines.ivus.files.pullback import Pullback
from engines.ivus.geometry.vessel_course import VesselCourse, blood_level
from engines.networks.ivus_network import PolarLandmarkNet

RADII, RADIUS_STEP_MM = 64, 0.07  # seed 000, III-A
HU_WINDOW = (-200.0, 900.0)
_SHARE = 0.1  # of the samples, drawn once: a new draw a step would hide the change that ends the descent
_GUIDEWIRE = 0.5
_WALL_MM = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FixedSamples:
    """Grey values of the frames at drawn places outside the guidewire's shadow.

    Args:
        frame: number of the used frame.
        x_mm, y_mm: place in it, from the catheter along u and v.
        grey: 0 to 1.
    """

    frame: Tensor
    x_mm: Float[Tensor, " n"]
    y_mm: Float[Tensor, " n"]
    grey: Float[Tensor, " n"]


def fixed_samples(source: Pullback | Contours, index: np.ndarray, maps: LandmarkMaps, *, seed: int) -> FixedSamples:
    """Draw places in the polar stack of the frames; contours are painted as dark lumen in a bright wall."""
    turn = np.arange(ANGLES) * 2 * np.pi / ANGLES
    radius = (np.arange(RADII) + 0.5) * RADIUS_STEP_MM
    x_mm, y_mm = np.cos(turn)[:, None] * radius, np.sin(turn)[:, None] * radius
    stack = np.stack([_polar(source, maps, k, int(name), x_mm, y_mm) for k, name in enumerate(index)])
    seen: Bool[np.ndarray, "f a r"] = np.broadcast_to((1.0 - maps.valid < _GUIDEWIRE)[:, :, None], stack.shape)
    free = np.flatnonzero(seen.ravel())
    chosen = np.random.default_rng(seed).choice(free, max(1, int(_SHARE * len(free))), replace=False)
    frame, place = np.divmod(np.sort(chosen), ANGLES * RADII)
    return FixedSamples(
        frame=torch.from_numpy(frame), x_mm=torch.from_numpy(x_mm.ravel()[place]),
        y_mm=torch.from_numpy(y_mm.ravel()[place]),
        grey=torch.from_numpy(stack.reshape(len(stack), -1)[frame, place].astype(np.float64)),
    )  # fmt: skip


def _polar(
    source: Pullback | Contours, maps: LandmarkMaps, row: int, frame: int, x_mm: np.ndarray, y_mm: np.ndarray
) -> np.ndarray:
    if isinstance(source, Contours):
        beyond = np.hypot(x_mm, y_mm) - maps.radius_mm[row][:, None]
        return np.where(beyond < 0, 0.0, np.where(beyond < _WALL_MM, 1.0, 0.6))
    columns = (source.centre_px[0] + x_mm / source.pixel_mm).astype(np.float32)
    rows = (source.centre_px[1] + y_mm / source.pixel_mm).astype(np.float32)
    return cv2.remap(source.frames[frame], columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT) / 255.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CtTensor:
    """The CT for differentiable reading."""

    voxels: Float[Tensor, "1 1 i j k"]
    index_from_lps: Float[Tensor, "4 4"]

    @classmethod
    def of(cls, ct: CtVolume) -> CtTensor:
        low, high = HU_WINDOW
        scaled = np.clip((ct.voxels_hu.astype(np.float32) - low) / (high - low), 0.0, 1.0)
        return cls(
            voxels=torch.from_numpy(scaled)[None, None],
            index_from_lps=torch.from_numpy(np.linalg.inv(ct.lps_from_index)),
        )

    def read(self, points_mm: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Windowed grey values 0 to 1, trilinear; 0 outside."""
        index = points_mm @ self.index_from_lps[:3, :3].T + self.index_from_lps[:3, 3]
        size = torch.tensor(self.voxels.shape[2:], dtype=index.dtype)
        normed = (2.0 * index / (size - 1) - 1.0).flip(1).float()  # grid_sample wants the last axis first
        read = torch.nn.functional.grid_sample(self.voxels, normed[None, None, None], align_corners=True)
        return read.reshape(-1).double()


def line_maps(
    ct: CtVolume, frame: MovingFrame, offset_mm: Float[np.ndarray, "n 2"], network: PolarLandmarkNet
) -> Float[Tensor, "2 n a"]:
    """Side branches and calcium along the dense reformat about a shifted centerline.

    Args:
        offset_mm: of the middle from the centerline along u and v.
    """
    moved = replace(frame, points_mm=frame.points_mm + offset_mm[:, :1] * frame.u + offset_mm[:, 1:] * frame.v)
    course = VesselCourse(frame=moved, given_mm=frame.length_mm, blood_hu=blood_level(ct, moved))
    return stacked(ct_maps(ct, course, network=network))


def stacked(maps: LandmarkMaps) -> Float[Tensor, "2 n a"]:
    """Both classes, B and C, as one tensor in 0 to 1."""
    return torch.from_numpy(np.clip(np.stack([maps.branch, maps.calcium]), 0.0, 1.0))
