"""The elastic step of one slice by a network: a smooth field that has an inverse, from pictures and walls of both."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from scipy import ndimage

from engines.cmr.fusion.elastic import SliceLink
from engines.cmr.heart.ct_heart import CtHeart
from engines.cmr.heart.learned_heart import scaled
from engines.cmr.heart.radial_model import ANGLES, RadialModel
from engines.cmr.networks import load_cmr_network
from engines.cmr.perfusion.slice_perfusion import SlicePerfusion
from engines.networks.cmr_deformation_network import DeformationNet, displacement

NAME = "cmr-sdn"
SIDE, STEP_MM = 64, 1.6
_DEEPEST_MM = 12.0
_THINNEST_MM = 2.5


def distance_picture(wall: Bool[np.ndarray, "c r"]) -> Float32[np.ndarray, "c r"]:
    """Signed distance from a wall's border, positive inside, a unit for twelve millimetres."""
    inside, outside = (np.asarray(ndimage.distance_transform_edt(part)) for part in (wall, ~wall))
    return np.clip((inside - outside) * STEP_MM / _DEEPEST_MM, -1.0, 1.0).astype(np.float32)


def cmr_picture(picture: Float[np.ndarray, "c r"]) -> Float32[np.ndarray, "c r"]:
    low, high = np.percentile(picture, (5, 97))
    return (2.0 * np.clip((picture - low) / max(float(high - low), 1e-9), 0.0, 1.5) - 1.0).astype(np.float32)


def link_by_network(heart: CtHeart, model: RadialModel, link: SliceLink, measured: SlicePerfusion) -> SliceLink:
    """The same link, with borders moved by the network's field.

    The field lives in the slice's own plane about the long axis, septum along the first axis.
    """
    frame = model.frame
    ct_from_cmr = np.linalg.inv(link.cmr_from_ct)
    normal = ct_from_cmr[:3, :3] @ link.part.normal
    right = frame.right - (frame.right @ normal) * normal
    right /= np.linalg.norm(right)
    ahead = np.cross(normal * np.sign(normal @ frame.axis), right)
    middle = ct_from_cmr[:3, :3] @ _middle(link) + ct_from_cmr[:3, 3]
    on_axis = frame.apex_mm + (((middle - frame.apex_mm) @ normal) / (frame.axis @ normal)) * frame.axis
    side = (np.arange(SIDE) - 0.5 * (SIDE - 1)) * STEP_MM
    plane = on_axis + side[:, None, None] * right + side[None, :, None] * ahead
    index = link.pixel(plane @ link.cmr_from_ct[:3, :3].T + link.cmr_from_ct[:3, 3])[..., :2]
    wall = ndimage.map_coordinates(link.wall.wall.astype(np.float32), np.moveaxis(index, -1, 0), order=1) > 0.5
    frame_no = min(measured.reference, measured.aligned.shape[2] - 1)
    seen = ndimage.map_coordinates(measured.aligned[..., frame_no], np.moveaxis(index, -1, 0), order=1, mode="nearest")
    inputs = np.stack([
        scaled(heart.sampled(heart.hu + 1024.0, plane) - 1024.0),
        distance_picture(heart.sampled(heart.masks["lv_wall"], plane) > 0.5),
        cmr_picture(seen), distance_picture(wall),
    ])  # fmt: skip
    with torch.inference_mode():
        velocity = _network()(torch.from_numpy(inputs)[None])
        forth = displacement(-velocity)[0].numpy() * STEP_MM
    moved = [_moved(radius, forth) for radius in (link.inner_mm, link.outer_mm)]
    inner = np.maximum(moved[0], 0.5)
    return replace(link, inner_moved_mm=inner, outer_moved_mm=np.maximum(moved[1], inner + _THINNEST_MM))


def _middle(link: SliceLink) -> np.ndarray:
    m = link.part.lps_from_index
    return link.wall.centre_px[0] * m[:3, 0] + link.wall.centre_px[1] * m[:3, 1] + m[:3, 3]


def _moved(radius_mm: Float[np.ndarray, " 72"], forth_mm: Float[np.ndarray, "2 c r"]) -> Float[np.ndarray, " 72"]:
    """Radii by angle of a border after the field."""
    angle = 2 * np.pi * np.arange(ANGLES) / ANGLES
    x, y = radius_mm * np.cos(angle), radius_mm * np.sin(angle)
    place = [value / STEP_MM + 0.5 * (SIDE - 1) for value in (x, y)]
    x, y = (
        value + ndimage.map_coordinates(field, place, order=1, mode="nearest")
        for value, field in zip((x, y), forth_mm, strict=True)
    )
    turned = np.unwrap(np.arctan2(y, x))
    order = np.argsort(turned % (2 * np.pi))
    return np.interp(angle, (turned % (2 * np.pi))[order], np.hypot(x, y)[order], period=2 * np.pi)


@lru_cache(maxsize=1)
def _network() -> DeformationNet:
    return load_cmr_network(NAME, lambda design: DeformationNet(width=design["width"]))
