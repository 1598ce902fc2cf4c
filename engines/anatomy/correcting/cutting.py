"""Part vessels that hang together though they are not one: a bridge to bone or vein, two vessels that touch."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Integer
from scipy import ndimage
from skimage.measure import label
from skimage.segmentation import watershed

from calibration.errors import InputError
from engines.anatomy.correcting.edits import Cut, CutAt
from engines.anatomy.correcting.places import Index, box_about, box_of, labelled_near, part_at, spacing_of
from engines.anatomy.vessel_model import LabelVolume

_MARGIN_MM = 20.0  # about both clicks; the place where two sides join lies between them
_CRUMB_VOXELS = 12
_WIDEST_MM = 10.0  # half of what a bridge may be wide


def cut_between(labels: LabelVolume, edit: Cut) -> Bool[np.ndarray, "i j k"]:
    """What falls off: all that hangs on `lose_mm`, up to where it is joined to `keep_mm` by its widest way.

    Both sides are flooded from their deepest places, so that they meet in the narrowest one between them.

    Raises:
        InputError: a click beside the vessels, twice the same place, not joined at all, or also joined elsewhere.
    """
    keep, lose = labelled_near(labels, edit.keep_mm), labelled_near(labels, edit.lose_mm)
    if keep == lose:
        raise InputError("both clicks met one place; click first on what stays, then on what falls off")
    spacing = spacing_of(labels)
    box = box_about(labels.labels.shape, keep, lose, _MARGIN_MM / spacing)
    inside = labels.labels[box] > 0
    whole = part_at(labels.labels, keep, across=True)
    if not whole[lose]:
        raise InputError("the two places do not hang together; erase the part instead")
    parted = _flooded(inside, _within(keep, box), _within(lose, box), spacing)
    # Beyond the box: what is still reached from the side that falls off, without the side that stays.
    left = whole.copy()
    left[box] &= parted != 1
    fallen = part_at(left.view(np.uint8), lose)
    if fallen[keep] or _meets(fallen, whole & ~fallen, box):
        raise InputError("the two sides are joined elsewhere too; cut there first, or nearer to where they join")
    return fallen


def cut_at(labels: LabelVolume, edit: CutAt) -> Bool[np.ndarray, "i j k"]:
    """What falls off where the model is cut at a thin place: all pieces but the largest.

    Raises:
        InputError: no vessel there, or nothing falls off.
    """
    at = labelled_near(labels, edit.at_mm)
    spacing = spacing_of(labels)
    whole = part_at(labels.labels, at, across=True)
    box = box_of(whole)
    part = whole[box]
    index = np.indices(part.shape, sparse=True)
    away_mm = np.sqrt(sum(((own - centre + side.start) * step) ** 2 for own, centre, side, step in
                          zip(index, at, box, spacing, strict=True)))  # fmt: skip
    for radius_mm in np.arange(0.75 * spacing.min(), _WIDEST_MM, 0.75 * spacing.min()):
        ball = part & (away_mm <= max(float(radius_mm), 0.5 * float(spacing.max())))
        pieces = np.asarray(label(part & ~ball, connectivity=3))
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        least = max(_CRUMB_VOXELS, int(ball.sum()) // 4)  # a wall beside the ball is no side of a bridge
        if int((sizes >= least).sum()) < 2:
            continue
        stays = pieces == int(sizes.argmax())
        falls = (pieces > 0) & ~stays & (sizes >= least)[pieces]
        fallen = np.zeros(whole.shape, dtype=bool)
        fallen[box] = falls | (ball & _nearer(falls, stays, spacing))
        return fallen
    raise InputError("nothing falls off there: no thin place within 10 mm; click on both sides of it instead")


def _flooded(
    inside: Bool[np.ndarray, "i j k"], keep: Index, lose: Index, spacing: np.ndarray
) -> Integer[np.ndarray, "i j k"]:
    """1 where a voxel belongs to what stays, 2 to what falls off, 0 where neither is reached within the box."""
    depth = np.asarray(ndimage.distance_transform_edt(np.pad(inside, 1), sampling=spacing))[1:-1, 1:-1, 1:-1]
    # A click on the wall would be flooded late, when the other side has come through the narrow place already.
    middles = _climbed(depth, keep), _climbed(depth, lose)
    if middles[0] != middles[1]:
        keep, lose = middles
    markers = np.zeros(inside.shape, dtype=np.int32)
    markers[keep], markers[lose] = 1, 2
    return np.asarray(watershed(-depth, markers, connectivity=3, mask=inside))


def _climbed(depth: Float[np.ndarray, "i j k"], at: Index) -> Index:
    """The middle of the lumen about a place: uphill from voxel to voxel."""
    while True:
        low = np.maximum(np.array(at) - 1, 0)
        near = depth[tuple(slice(int(a), b + 2) for a, b in zip(low, at, strict=True))]
        i, j, k = (low + np.unravel_index(int(near.argmax()), near.shape)).tolist()
        if depth[i, j, k] <= depth[at]:
            return at
        at = (i, j, k)


def _within(at: Index, box: tuple[slice, slice, slice]) -> Index:
    return at[0] - box[0].start, at[1] - box[1].start, at[2] - box[2].start


def _meets(fallen: Bool[np.ndarray, "i j k"], kept: Bool[np.ndarray, "i j k"], box: tuple[slice, slice, slice]) -> bool:
    """Whether both sides touch outside of the box, where nothing was cut."""
    rim = np.zeros(fallen.shape, dtype=bool)
    around = box_of(fallen)
    outer = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in around)
    rim[outer] = np.logical_and(ndimage.binary_dilation(fallen[outer], structure=np.ones((3, 3, 3))), kept[outer])
    rim[box] = False
    return bool(rim.any())


def _nearer(
    falls: Bool[np.ndarray, "i j k"], stays: Bool[np.ndarray, "i j k"], spacing: np.ndarray
) -> Bool[np.ndarray, "i j k"]:
    """Voxels nearer to what falls: the wall of the vessel beside a bridge stays with the vessel."""
    to_falls = np.asarray(ndimage.distance_transform_edt(~falls, sampling=spacing))
    to_stays = np.asarray(ndimage.distance_transform_edt(~stays, sampling=spacing))
    return to_falls <= to_stays
