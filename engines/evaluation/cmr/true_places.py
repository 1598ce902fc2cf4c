"""Where points of a simulated wall truly lie, and how round sections across an axis are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from engines.cmr.fusion.elastic import SliceLink
from engines.cmr.fusion_result import Fusion
from engines.cmr.heart.ct_heart import CtHeart
from engines.cmr.heart.lv_frame import LvFrame
from engines.simulation.cmr.patient import Patient

_LEVELS = np.linspace(0.25, 0.75, 11)  # the middle half
_HALF_MM, _STEP_MM = 60.0, 1.0
_FEWEST = 40  # pixels of a section


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """How far carried points of the wall lie from where their tissue is, medians over the wall's pixels.

    Args:
        level_mm: along the axis.
        around_mm: along the circumference.
        depth_share: across the wall.
        true_warp_dice: wall Dice that the true warp reaches with the same CMR masks.
    """

    level_mm: float
    around_mm: float
    depth_share: float
    true_warp_dice: float


def transport_of(fusion: Fusion, patient: Patient, moved_px: list[Float[np.ndarray, "2 time"]]) -> Transport:
    """Args:
    moved_px: true motion of each slice, from the place where it was planned.
    """
    levels, around, depths, dice = [], [], [], []
    ct_heart, cmr_heart = patient.ct_heart, patient.cmr_heart
    heart_from_cmr, heart_from_lps = (np.linalg.inv(m) for m in (patient.cmr_from_heart, patient.lps_from_heart))
    for part, link, motion in zip(fusion.slices, fusion.links, moved_px, strict=True):
        shape = part.interior.shape
        index = np.stack(np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij"), axis=-1).reshape(-1, 2)
        planned = index - motion[:, part.reference]
        whole = np.concatenate([planned, np.zeros((len(planned), 1))], axis=1)
        lps = whole @ part.part.lps_from_index[:3, :3].T + part.part.lps_from_index[:3, 3]
        own = lps @ heart_from_cmr[:3, :3].T + heart_from_cmr[:3, 3]
        true_wall = (cmr_heart.in_epicardium(own) & ~cmr_heart.in_cavity(own)).reshape(shape)
        dice.append(2 * (true_wall & part.wall.wall).sum() / max(int(true_wall.sum() + part.wall.wall.sum()), 1))
        inside = (part.interior & true_wall).ravel()
        found = _carried(fusion, link, part.part.points_mm().reshape(-1, 3)[inside])
        there = found @ heart_from_lps[:3, :3].T + heart_from_lps[:3, 3]
        radius, theta, z = ct_heart.polar(there)
        _, true_theta, true_z = cmr_heart.polar(own[inside])
        levels.append((z / ct_heart.length_mm - true_z / cmr_heart.length_mm) * ct_heart.length_mm)
        around.append(np.angle(np.exp(1j * (theta - true_theta))) * radius)
        depths.append(ct_heart.depth(there) - cmr_heart.depth(own[inside]))
    level, turn, depth = (float(np.median(np.abs(np.concatenate(part)))) for part in (levels, around, depths))
    return Transport(level_mm=level, around_mm=turn, depth_share=depth, true_warp_dice=float(np.mean(dice)))


def _carried(fusion: Fusion, link: SliceLink, cmr_mm: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """Where the fusion puts points of the CMR in the CT."""
    ct_from_cmr = np.linalg.inv(link.cmr_from_ct)
    level, radius, angle = fusion.model.frame.local(cmr_mm @ ct_from_cmr[:3, :3].T + ct_from_cmr[:3, 3])
    return fusion.model.frame.point(level, link.elastic_forth(radius, angle), angle)


def roundness(heart: CtHeart, frame: LvFrame) -> float:
    """Minor over major axis of the filled epicardial sections across an axis, by second moments, mean of the middle."""
    whole = heart.masks["lv_cavity"] | heart.masks["lv_wall"]
    side = np.arange(-_HALF_MM, _HALF_MM + _STEP_MM, _STEP_MM)
    x, y = np.meshgrid(side, side, indexing="ij")
    found = []
    for level in _LEVELS:
        points = (
            frame.apex_mm + level * frame.length_mm * frame.axis + x[..., None] * frame.right
            + y[..., None] * frame.anterior
        )  # fmt: skip
        inside = heart.sampled(whole, points) >= 0.5
        if inside.sum() >= _FEWEST:
            spread = np.linalg.eigvalsh(np.cov(np.stack([x[inside], y[inside]])))
            found.append(float(np.sqrt(spread[0] / spread[1])))
    return float(np.mean(found)) if found else float("nan")
