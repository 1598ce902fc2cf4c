"""The chambers of a contrast CT by a network at three millimetres, and the rough ventricle that borders start from."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Float32
from scipy import ndimage

from calibration.errors import InputError
from engines.anatomy.vessel_model import CtVolume
from engines.anatomy.working_grid import averaged
from engines.cmr.heart.ventricle_search import RoughVentricle
from engines.cmr.networks import load_cmr_network
from engines.networks.cmr_heart_network import CLASSES, STRIDE, HeartNet

NAME = "cmr-heart"
SPACING_MM = 3.0
_WINDOW_HU = (-200.0, 600.0)
_LEAST_ML = 15.0
_BASE_SHARE, _TIP_SHARE = 0.10, 0.03  # of the cavity's voxels that make its base, and its tip
_USUAL_AXIS = np.array([-0.62, 0.60, 0.50])


def scaled(hu: np.ndarray) -> Float32[np.ndarray, ...]:
    """HU as the network takes them."""
    low, high = _WINDOW_HU
    return (2.0 * (np.clip(hu, low, high) - low) / (high - low) - 1.0).astype(np.float32)


def chamber_labels(ct: CtVolume) -> tuple[np.ndarray, Float[np.ndarray, "4 4"]]:
    """Class of every voxel of a grid of three millimetres along LPS, and that grid's affine."""
    coarse = averaged(ct, SPACING_MM)
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in coarse.hu.shape])).reshape(3, -1).T
    ends = corners @ coarse.lps_from_index[:3, :3].T + coarse.lps_from_index[:3, 3]
    low, high = ends.min(axis=0), ends.max(axis=0)
    shape = [int(-(-int((b - a) / SPACING_MM + 1) // STRIDE) * STRIDE) for a, b in zip(low, high, strict=True)]
    grid = np.diag([SPACING_MM] * 3 + [1.0])
    grid[:3, 3] = low
    across = np.linalg.inv(coarse.lps_from_index) @ grid
    turn, offset = across[:3, :3], across[:3, 3]
    hu = ndimage.affine_transform(coarse.hu.astype(np.float32), turn, offset, shape, order=1, mode="nearest")  # pyright: ignore[reportArgumentType]
    with torch.inference_mode():
        logits = _network()(torch.from_numpy(scaled(np.asarray(hu)))[None, None])
    return logits.argmax(dim=1)[0].numpy(), grid


@lru_cache(maxsize=1)
def _network() -> HeartNet:
    return load_cmr_network(NAME, lambda design: HeartNet(width=design["width"]))


def ventricle_by_network(ct: CtVolume) -> RoughVentricle:
    """Apex, axis and size of the largest piece of LV cavity.

    Raises:
        InputError: the network sees none.
    """
    labels, grid = chamber_labels(ct)
    parts, count = ndimage.label(labels == CLASSES.index("lv_cavity"))  # pyright: ignore[reportGeneralTypeIssues]
    sizes = np.bincount(parts.ravel(), minlength=2)
    sizes[0] = 0
    if not count or sizes.max() * SPACING_MM**3 / 1000.0 < _LEAST_ML:
        raise InputError("the network sees no left ventricle in the CT; is the heart in it, with contrast?")
    points = np.argwhere(parts == sizes.argmax()) @ grid[:3, :3].T + grid[:3, 3]
    above = np.isin(labels, [CLASSES.index("la"), CLASSES.index("aorta")])
    axis = _USUAL_AXIS / np.linalg.norm(_USUAL_AXIS)
    if above.any():
        away = np.asarray(ndimage.distance_transform_edt(~above, sampling=SPACING_MM))[parts == sizes.argmax()]
        base = points[away <= np.quantile(away, _BASE_SHARE)].mean(axis=0)
    else:
        base = points[points @ axis >= np.quantile(points @ axis, 1 - _BASE_SHARE)].mean(axis=0)
    for _ in range(3):  # the tip lies farthest along the axis, and the axis runs to the tip
        along = (points - base) @ axis
        tip = points[along <= np.quantile(along, _TIP_SHARE)].mean(axis=0)
        axis = (base - tip) / np.linalg.norm(base - tip)
    along = (points - base) @ axis
    apex = base + along.min() * axis
    length = float(along.max() - along.min())
    off = points - base - along[:, None] * axis
    inside = (along > 0.45 * along.min()) & (along < 0.15 * along.min())
    # Of a disc the mean square of the distance is half of the radius's.
    radius = float(np.sqrt(2.0 * ((off[inside] - off[inside].mean(axis=0)) ** 2).sum(axis=1).mean()))
    return RoughVentricle(apex_mm=apex, axis=axis, length_mm=length, radius_mm=radius, score=2.0)
