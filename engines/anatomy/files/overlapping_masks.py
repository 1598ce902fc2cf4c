"""Masks that may overlap, one a structure, made into one label volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from calibration.errors import InputError
from engines.anatomy.vessel_model import LabelVolume


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NamedMask:
    name: str
    mask: Bool[np.ndarray, "i j k"]


def labels_of_masks(masks: Sequence[NamedMask], lps_from_index: Float[np.ndarray, "4 4"], where: str) -> LabelVolume:
    """Numbered in the given order; where masks overlap, the smaller structure keeps the voxel (an ostium is part of
    its branch). Empty masks, and those that lie wholly within smaller ones, take a number and no voxel.

    Raises:
        InputError: no voxel in any of them, or one name for two masks.
    """
    numbers: dict[str, int] = {}
    for number, item in enumerate(masks, start=1):
        if item.name in numbers:
            raise InputError(f"{where}: two masks are named {item.name!r}; give each structure a name of its own")
        numbers[item.name] = number
    filled = [item for item in masks if item.mask.any()]
    if not filled:
        raise InputError(f"{where}: all {len(masks)} masks are empty; choose another segmentation")
    labels = np.zeros(filled[0].mask.shape, dtype=np.uint8 if len(masks) < 256 else np.uint16)
    for item in sorted(filled, key=lambda item: -int(item.mask.sum())):
        labels[item.mask] = numbers[item.name]
    present = set(np.unique(labels).tolist())
    return LabelVolume(
        labels=labels,
        lps_from_index=lps_from_index,
        names={number: name for name, number in numbers.items() if number in present},
    )
