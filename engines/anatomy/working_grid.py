"""The voxel grid on which extraction works: averaged blocks of voxels, and morphology measured in mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from skimage.measure import label

from engines.anatomy.vessel_model import CtVolume


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorkingGrid:
    """A CT averaged to roughly isotropic voxels.

    Args:
        hu: (i, j, k) means of whole blocks.
        lps_from_index: 4x4 affine, index of a block's centre to LPS mm.
        blocks: CT voxels per block along each axis.
    """

    hu: Float[np.ndarray, "i j k"]
    lps_from_index: Float[np.ndarray, "4 4"]
    blocks: tuple[int, int, int]

    @property
    def spacing_mm(self) -> Float[np.ndarray, " 3"]:
        return np.linalg.norm(self.lps_from_index[:3, :3], axis=0)

    @property
    def voxel_mm3(self) -> float:
        return float(np.prod(self.spacing_mm))

    def steps(self, mm: float) -> int:
        """The number of voxels in a length, at least one."""
        return max(1, round(mm / float(self.spacing_mm.min())))


def averaged(ct: CtVolume, grid_mm: float) -> WorkingGrid:
    """Means over whole blocks of about `grid_mm`; a block of one voxel changes nothing."""
    blocks = np.maximum(1, np.floor(grid_mm / np.array(ct.spacing_mm) + 1e-3)).astype(int)
    blocks = np.minimum(blocks, ct.voxels_hu.shape)
    index_from_block = np.diag([*blocks.astype(float), 1.0])
    index_from_block[:3, 3] = 0.5 * (blocks - 1)
    counts = np.array(ct.voxels_hu.shape) // blocks
    cut = ct.voxels_hu[tuple(slice(0, int(n)) for n in counts * blocks)]
    # Slab by slab, because averaging a 512 x 512 x 300 volume at once would hold a second copy of it in float.
    slabs = [_block_means(cut[k * blocks[0] : (k + 1) * blocks[0]], blocks) for k in range(int(counts[0]))]
    a, b, c = blocks.tolist()
    return WorkingGrid(hu=np.concatenate(slabs), lps_from_index=ct.lps_from_index @ index_from_block, blocks=(a, b, c))


def _block_means(slab: np.ndarray, blocks: Int[np.ndarray, " 3"]) -> Float[np.ndarray, "1 j k"]:
    counts = np.array(slab.shape) // blocks
    shape = [int(size) for pair in zip(counts, blocks, strict=True) for size in pair]
    return slab.reshape(shape).mean(axis=(1, 3, 5), dtype=np.float32)


def opened(mask: Bool[np.ndarray, "i j k"], radius: int) -> Bool[np.ndarray, "i j k"]:
    """Morphological opening: what a ball of about `radius` voxels covers wherever it fits into the mask."""
    core = within(~mask, radius, beyond=True)
    return mask & within(core, radius + 0.5)


def closed(
    mask: Bool[np.ndarray, "i j k"], radius_mm: float, spacing_mm: Float[np.ndarray, " 3"]
) -> Bool[np.ndarray, "i j k"]:
    """Morphological closing: the mask with gaps of up to twice the radius filled."""
    margin = (np.ceil(radius_mm / spacing_mm).astype(int) + 1).tolist()
    padded = np.pad(mask, [(size, size) for size in margin])
    grown = within(padded, radius_mm, spacing_mm)
    shrunk = within(~grown, radius_mm, spacing_mm, beyond=True)
    return mask | shrunk[tuple(slice(size, -size) for size in margin)]


def within(
    mask: Bool[np.ndarray, "i j k"],
    distance: float,
    spacing_mm: Float[np.ndarray, " 3"] | None = None,
    *,
    beyond: bool = False,
) -> Bool[np.ndarray, "i j k"]:
    """Voxels at most this far from the mask, or farther with `beyond`; in voxels unless a spacing is given."""
    if not mask.any():
        return np.full(mask.shape, beyond)
    far = np.asarray(ndimage.distance_transform_edt(~mask, sampling=spacing_mm))
    return far > distance if beyond else far <= distance


def largest_part(mask: Bool[np.ndarray, "i j k"]) -> Bool[np.ndarray, "i j k"]:
    """The connected component with most voxels; an empty mask stays empty."""
    parts = np.asarray(label(mask, connectivity=1))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return parts == sizes.argmax() if sizes.any() else np.zeros(mask.shape, dtype=bool)


def parts_touching(mask: Bool[np.ndarray, "i j k"], seeds: Bool[np.ndarray, "i j k"]) -> Bool[np.ndarray, "i j k"]:
    """Components (26 neighbours) of the mask that hold a seed."""
    parts = np.asarray(label(mask, connectivity=3))
    keep = np.zeros(int(parts.max()) + 1, dtype=bool)
    keep[parts[seeds & mask]] = True
    keep[0] = False
    return keep[parts]


def parts_of_at_least(mask: Bool[np.ndarray, "i j k"], voxels: float) -> Bool[np.ndarray, "i j k"]:
    """Components (26 neighbours) of at least this many voxels."""
    parts = np.asarray(label(mask, connectivity=3))
    keep = np.bincount(parts.ravel()) >= voxels
    keep[0] = False
    return keep[parts]


def coarser(mask: Bool[np.ndarray, "i j k"], blocks: tuple[int, int, int]) -> Bool[np.ndarray, "a b c"]:
    """One voxel per block, set if any voxel of the block is set."""
    padded = np.pad(mask, [(0, -size % block) for size, block in zip(mask.shape, blocks, strict=True)])
    shape = [n for size, block in zip(padded.shape, blocks, strict=True) for n in (size // block, block)]
    return np.asarray(padded.reshape(shape).any(axis=(1, 3, 5)))


def finer(coarse: np.ndarray, blocks: tuple[int, int, int], shape: tuple[int, ...]) -> np.ndarray:
    """Each voxel repeated over its block; voxels outside all blocks stay 0."""
    fine = coarse
    for axis, block in enumerate(blocks):
        fine = fine.repeat(block, axis=axis)
    fine = fine[tuple(slice(0, size) for size in shape)]
    return np.pad(fine, [(0, size - have) for size, have in zip(shape, fine.shape, strict=True)])


def along_lps(grid: WorkingGrid, axis: int) -> Float[np.ndarray, "i j k"]:
    """Each voxel's coordinate along x, y or z, up to rounding of oblique grids."""
    i, j, k = np.ogrid[tuple(slice(0, size) for size in grid.hu.shape)]
    row = grid.lps_from_index[axis]
    return (row[0] * i + row[1] * j + row[2] * k + row[3]).astype(np.float32)


def thick_parts(grid: WorkingGrid, mask: Bool[np.ndarray, "i j k"], radius_mm: float) -> Bool[np.ndarray, "i j k"]:
    """What a ball of this radius covers wherever it fits into the mask."""
    boxes = ndimage.find_objects(mask.astype(np.uint8))
    if not boxes:
        return mask.copy()
    result = np.zeros(mask.shape, dtype=bool)
    part = np.pad(mask[boxes[0]], 1)
    core = np.asarray(ndimage.distance_transform_edt(part, sampling=grid.spacing_mm)) > radius_mm
    covered = part & within(core, radius_mm + 0.5 * float(grid.spacing_mm.min()), grid.spacing_mm)
    result[boxes[0]] = covered[1:-1, 1:-1, 1:-1]
    return result


def grown(mask: Bool[np.ndarray, "i j k"], steps: int) -> Bool[np.ndarray, "i j k"]:
    """The mask dilated by this many voxels along the axes."""
    return np.asarray(ndimage.binary_dilation(mask, iterations=steps), dtype=bool)
