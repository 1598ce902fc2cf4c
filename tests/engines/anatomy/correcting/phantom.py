"""A trunk with a branch, in labels and in a CT, where one can be missing in the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engines.anatomy.centerlines.skeleton import centerlines_from_labels
from engines.anatomy.vessel_model import CtVolume, LabelVolume, VesselModel
from tests.engines.anatomy.shapes import Segment, distance_mm, grid

SHAPE = (64, 64, 64)
AFFINE = grid(SHAPE, (1.0, 1.0, 1.0))
TRUNK: Segment = ((-10, 0, -26), (-10, 0, 26))
BRANCH: Segment = ((-10, 0, 0), (20, 0, 8))
BLOOD_HU, TISSUE_HU, BONE_HU = 350.0, 40.0, 900.0


def tube(segments: Sequence[Segment], radius_mm: float) -> np.ndarray:
    return distance_mm(SHAPE, AFFINE, segments) <= radius_mm


def labels_of(*masks: np.ndarray, names: Sequence[str] = ("artery",)) -> LabelVolume:
    voxels = np.zeros(SHAPE, np.uint8)
    for number, mask in enumerate(masks, start=1):
        voxels[mask & (voxels == 0)] = number
    return LabelVolume(labels=voxels, lps_from_index=AFFINE, names=dict(enumerate(names, start=1)))


def model_of(labels: LabelVolume) -> VesselModel:
    return VesselModel(labels=labels, centerlines=centerlines_from_labels(labels))


def ct_of(blood: np.ndarray, bone: np.ndarray | None = None) -> CtVolume:
    hu = TISSUE_HU + np.random.default_rng(3).normal(0.0, 12.0, SHAPE)
    hu[blood] += BLOOD_HU - TISSUE_HU
    if bone is not None:
        hu[bone] = BONE_HU
    return CtVolume(voxels_hu=hu.astype(np.int16), lps_from_index=AFFINE)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2.0 * float((a & b).sum()) / float(a.sum() + b.sum())
