"""Marked masks are trimmed to where the synthetic labels end, and lose no branch."""

from __future__ import annotations

import cv2
import numpy as np
from skimage.measure import label
from skimage.morphology import skeletonize

from engines.training.arcade.vessel_width import trimmed

_SIDE = 256


def _tube(half_width_px: float, marked_px: float) -> tuple[np.ndarray, np.ndarray]:
    """A straight vessel with a round profile, and a mask of another half width."""
    across = np.abs(np.arange(_SIDE) - _SIDE / 2)
    depth = np.sqrt(np.clip(1 - (across / half_width_px) ** 2, 0, None))
    picture = np.tile(180 - 80 * depth, (_SIDE, 1)).astype(np.uint8)
    picture[:20] = picture[-20:] = 180
    marked = np.tile(across <= marked_px, (_SIDE, 1))
    marked[:20] = marked[-20:] = False
    return picture, marked


def test_a_mask_that_is_too_wide_is_trimmed_and_its_centerline_stays() -> None:
    picture, marked = _tube(8.0, 11.0)
    found = trimmed(picture, marked)
    width = found.vessel[60:200].sum(axis=1)
    assert (width <= 15).all()  # two thirds of the depth are reached 6 px from the centre
    assert (width >= 9).all()
    assert not (found.vessel & ~marked).any()
    assert found.vessel[skeletonize(marked)].all()


def test_what_is_neither_is_unsure_and_lies_between() -> None:
    picture, marked = _tube(8.0, 11.0)
    found = trimmed(picture, marked)
    assert found.unsure.any()
    assert not (found.unsure & found.vessel).any()
    outer = marked & ~found.vessel & ~found.unsure
    row = 128
    assert picture[row][outer[row]].min() > picture[row][found.unsure[row]].mean()


def test_a_narrow_mask_and_a_flat_picture_keep_all() -> None:
    picture, marked = _tube(12.0, 4.0)
    assert trimmed(picture, marked).vessel[60:200].sum() > 0.9 * marked[60:200].sum()
    flat = np.full((_SIDE, _SIDE), 128, np.uint8)
    assert np.array_equal(trimmed(flat, marked).vessel, marked)
    nothing = np.zeros_like(marked)
    assert not trimmed(flat, nothing).vessel.any()


def test_a_winding_branch_stays_in_one_piece() -> None:
    mask, picture = np.zeros((_SIDE, _SIDE), np.uint8), np.full((_SIDE, _SIDE), 190, np.uint8)
    line = np.array([[20 + 2 * k, 128 + round(60 * np.sin(k / 12))] for k in range(105)], np.int32)[:, None]
    cv2.polylines(mask, [line], False, 255, 9)
    cv2.polylines(picture, [line], False, 110, 5)
    picture = cv2.GaussianBlur(picture, (0, 0), 1.2)
    noisy = np.clip(picture + np.random.default_rng(3).normal(0, 6, picture.shape), 0, 255).astype(np.uint8)
    found = trimmed(noisy, mask > 0)
    pieces = np.bincount(np.asarray(label(found.vessel, connectivity=2)).ravel())[1:]
    assert pieces.max() > 0.97 * found.vessel.sum()
    assert found.vessel.sum() < 0.85 * (mask > 0).sum()
