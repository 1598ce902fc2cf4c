"""The heart's frame by the Reorientation STN, read from the CT about the left ventricle.

The spatial transformer turns the CT by what the network saw and lets it look again: what is left gets small.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float

from engines.cmr.heart.ct_heart import CtHeart
from engines.cmr.heart.learned_heart import SPACING_MM, scaled
from engines.cmr.heart.lv_frame import LvFrame
from engines.cmr.networks import load_cmr_network
from engines.networks.cmr_reorientation_network import ReorientationNet, rotation_of

NAME = "cmr-stn"
SIDE = 36  # the ventricle of a large heart, its base and a little of what lies around it
USUAL_LENGTH_MM = 85.0
_PASSES = 3  # each looks again with the heart in the middle, turned as the one before saw it


def usual_pose() -> Float[np.ndarray, "3 3"]:
    """Columns septum, ahead, axis of a heart in a patient on the back, LPS."""
    axis = np.array([-0.62, 0.60, 0.50])
    axis /= np.linalg.norm(axis)
    right = np.array([-0.64, -0.76, 0.10])
    right -= (right @ axis) * axis
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(axis, right), axis], axis=1)


def frame_by_network(heart: CtHeart, geometric: LvFrame) -> LvFrame:
    """Apex, mitral centre and septum as the network sees them; the insertions' angle stays that of the masks.

    Args:
        geometric: of the masks; only the place of the ventricle is taken from it, for the first look.
    """
    middle = heart.points_mm(heart.masks["lv_wall"] | heart.masks["lv_cavity"]).mean(axis=0)
    usual = usual_pose()
    rotation, length = usual, USUAL_LENGTH_MM
    for _ in range(_PASSES):
        turn = rotation @ usual.T  # brings what was seen so far into the usual pose
        with torch.inference_mode():
            told = _network()(torch.from_numpy(_cube(heart, middle, turn))[None, None])
        found = rotation_of(told[:, :6], torch.from_numpy(usual).float())[0].numpy().astype(np.float64)
        rotation = turn @ found
        middle = middle + turn @ (10.0 * told[0, 6:9].numpy())
        length = USUAL_LENGTH_MM * float(torch.exp(told[0, 9]))
    half = 0.5 * length * rotation[:, 2]
    return replace(geometric, apex_mm=middle - half, mitral_mm=middle + half, right=rotation[:, 0])


def _cube(heart: CtHeart, middle: np.ndarray, turn: np.ndarray) -> np.ndarray:
    side = (np.arange(SIDE) - 0.5 * (SIDE - 1)) * SPACING_MM
    points = np.stack(np.meshgrid(side, side, side, indexing="ij"), axis=-1) @ turn.T + middle
    return scaled(heart.sampled(heart.hu + 1024.0, points) - 1024.0)


@lru_cache(maxsize=1)
def _network() -> ReorientationNet:
    return load_cmr_network(NAME, lambda design: ReorientationNet(width=design["width"]))
