"""The heart in CT on a working grid: cropped, about a millimetre, with its masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from engines.anatomy.vessel_model import CtVolume

_GRID_MM = 0.8
_MARGIN_MM = 24.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CtHeart:
    """Masks of the heart on a cropped grid of about a millimetre.

    Args:
        hu: (i, j, k) on the working grid.
        masks: `lv_cavity` and `lv_wall`, and what is known of `rv`, `la`, `ra`, `aorta`.
        lps_from_index: of the working grid.
        touches_border: the left ventricle reaches the end of the CT.
        flags: what may not be trusted.
    """

    hu: Float[np.ndarray, "i j k"]
    masks: Mapping[str, Bool[np.ndarray, "i j k"]]
    lps_from_index: Float[np.ndarray, "4 4"]
    touches_border: bool
    flags: tuple[str, ...] = ()

    @property
    def spacing_mm(self) -> Float[np.ndarray, " 3"]:
        return np.linalg.norm(self.lps_from_index[:3, :3], axis=0)

    @property
    def voxel_ml(self) -> float:
        return abs(float(np.linalg.det(self.lps_from_index[:3, :3]))) / 1000.0

    def points_mm(self, mask: Bool[np.ndarray, "i j k"]) -> Float[np.ndarray, "n 3"]:
        """LPS of the voxels of a mask, in the order of `np.argwhere`."""
        return np.argwhere(mask) @ self.lps_from_index[:3, :3].T + self.lps_from_index[:3, 3]

    def sampled(
        self, volume: np.ndarray, points_mm: Float[np.ndarray, "... 3"], *, order: int = 1
    ) -> Float[np.ndarray, ...]:
        """Values of a volume on the working grid at LPS points; 0 outside."""
        index = (points_mm - self.lps_from_index[:3, 3]) @ np.linalg.inv(self.lps_from_index[:3, :3]).T
        flat = index.reshape(-1, 3).T
        values = ndimage.map_coordinates(volume.astype(np.float32, copy=False), flat, order=order, mode="constant")
        return values.reshape(points_mm.shape[:-1])


def heart_on_grid(ct: CtVolume, masks: Mapping[str, Bool[np.ndarray, "i j k"]], flags: tuple[str, ...] = ()) -> CtHeart:
    """Crop to the left ventricle with a margin and average to about a millimetre."""
    ventricle = masks["lv_cavity"] | masks["lv_wall"]
    spacing = np.array(ct.spacing_mm)
    blocks = np.maximum(1, np.floor(_GRID_MM / spacing + 0.35)).astype(int)
    margin = np.ceil(_MARGIN_MM / spacing).astype(int)
    box = ndimage.find_objects(ventricle.astype(np.uint8))[0]
    touches = any(part.start == 0 or part.stop == size for part, size in zip(box, ventricle.shape, strict=True))
    low = np.maximum([part.start for part in box] - margin, 0)
    high = np.minimum([part.stop for part in box] + margin, ventricle.shape)
    high = low + (high - low) // blocks * blocks
    cut = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    index_from_block = np.diag([*blocks.astype(float), 1.0])
    index_from_block[:3, 3] = low + 0.5 * (blocks - 1)
    return CtHeart(
        hu=block_mean(ct.voxels_hu[cut], blocks),
        masks={name: block_mean(mask[cut], blocks) >= 0.5 for name, mask in masks.items()},
        lps_from_index=ct.lps_from_index @ index_from_block,
        touches_border=touches,
        flags=flags,
    )


def block_mean(values: np.ndarray, blocks: np.ndarray) -> Float[np.ndarray, "i j k"]:
    """Means of whole blocks; the shape must be a multiple of them."""
    if (blocks == 1).all():
        return values.astype(np.float32)
    shape = [int(n) for size, block in zip(values.shape, blocks, strict=True) for n in (size // block, block)]
    return values.reshape(shape).mean(axis=(1, 3, 5), dtype=np.float32)
