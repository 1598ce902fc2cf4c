import math

import cv2
import numpy as np
import pytest

from engines.angiography.anatomy_anchor import NOWHERE, anchor_of
from engines.angiography.frame import Frame

_MIDDLE = 255.5


def _bones(seed: int = 0, side: int = 640) -> np.ndarray:
    """A larger picture of bars and blobs, log attenuation, from which frames are cut."""
    random = np.random.default_rng(seed)
    picture = cv2.GaussianBlur(random.normal(size=(side, side)).astype(np.float32), (0, 0), 25) * 8
    for _ in range(24):
        ends = random.uniform(0, side, (2, 2)).astype(int)
        cv2.line(picture, tuple(map(int, ends[0])), tuple(map(int, ends[1])), 0.4, int(random.integers(8, 26)))
    return cv2.GaussianBlur(picture, (0, 0), 2.5)


def _frame(bones: np.ndarray, *, shift=(0.0, 0.0), turn_deg=0.0, seed=1, noise=0.02, gain=1.0, vessel=False) -> Frame:
    """The anatomy moved by `shift` (columns, rows) and turned about the middle of a 512 picture."""
    matrix = cv2.getRotationMatrix2D((_MIDDLE, _MIDDLE), -turn_deg, 1.0)
    matrix[:, 2] += np.array(shift) - matrix[:, :2] @ (64.0, 64.0)
    logs = cv2.warpAffine(bones, matrix, (512, 512), flags=cv2.INTER_CUBIC)
    if vessel:
        cv2.polylines(logs, [np.array([[100, 500], [220, 330], [300, 120]], np.int32)], False, 0.9, 14)
    logs = logs + np.random.default_rng(seed).normal(0, noise, logs.shape)
    return Frame(pixels=np.clip(gain * 140 * np.exp(-0.5 * logs), 0, 255).astype(np.uint8), kind="fluoro")


@pytest.mark.parametrize(
    ("shift", "turn_deg"), [((0, 0), 0), ((6.3, -2.8), 0), ((-31, 18), 0), ((4, 5), 3.0), ((60, -40), 0)]
)
def test_a_move_in_the_plane_is_found(shift, turn_deg):
    bones = _bones()
    anchor = anchor_of(_frame(bones))
    assert anchor is not None
    move = anchor.compare(_frame(bones, shift=shift, turn_deg=turn_deg, seed=2))
    assert move.shift_px == pytest.approx(shift, abs=0.8)
    assert math.degrees(move.turn_rad) == pytest.approx(turn_deg, abs=0.3)
    assert move.agreement > 0.95


def test_contrast_exposure_and_a_wire_do_not_move_the_anatomy():
    bones = _bones(3)
    filled = _frame(bones, vessel=True)
    vessel = np.zeros((512, 512), np.uint8)
    cv2.polylines(vessel, [np.array([[100, 500], [220, 330], [300, 120]], np.int32)], False, 1, 14)
    anchor = anchor_of(filled, vessel=vessel > 0)
    assert anchor is not None
    later = _frame(bones, seed=5, gain=0.8)
    cv2.line(later.pixels, (20, 490), (480, 60), 30, 3)
    move = anchor.compare(later)
    assert move.length_px < 0.5
    assert move.agreement > 0.95


def test_another_anatomy_does_not_agree():
    anchor = anchor_of(_frame(_bones(0)))
    assert anchor is not None
    assert anchor.compare(_frame(_bones(1))).agreement < 0.7


def test_what_shows_no_bone_holds_nothing():
    flat = Frame(pixels=np.full((512, 512), 120, np.uint8), kind="fluoro")
    assert anchor_of(flat) is None
    anchor = anchor_of(_frame(_bones()))
    assert anchor is not None
    assert anchor.compare(flat) == NOWHERE
    subtracted = Frame(pixels=_frame(_bones()).pixels, kind="dsa")
    assert anchor.compare(subtracted) == NOWHERE
    assert anchor_of(subtracted) is None
    other_size = Frame(pixels=_frame(_bones()).pixels[:400], kind="fluoro")
    assert anchor.compare(other_size) == NOWHERE


@pytest.mark.parametrize(("vessel_share", "told"), [(0.0, False), (0.3, False), (0.65, True), (1.0, True)])
def test_what_is_taken_for_vessel_shows_contrast_only_if_about_half_of_it_has_become_darker(vessel_share, told):
    """Among bones a network may take as many for vessels as there are vessels; they were as dark on the anchor."""
    bones = _bones(3)
    anchor = anchor_of(_frame(bones, noise=0.005))
    assert anchor is not None
    filled = _frame(bones, seed=2, noise=0.005, vessel=True)
    vessel, elsewhere = np.zeros((512, 512), np.uint8), np.zeros((512, 512), np.uint8)
    cv2.polylines(vessel, [np.array([[100, 500], [220, 330], [300, 120]], np.int32)], False, 1, 14)
    cv2.polylines(elsewhere, [np.array([[400, 500], [440, 330], [360, 60]], np.int32)], False, 1, 14)
    rows = np.arange(512)[:, None]
    from_row = 120 + 380 * (1.0 - vessel_share)
    taken = ((vessel > 0) & (rows >= from_row)) | ((elsewhere > 0) & (rows < 60 + 440 * (1.0 - vessel_share)))
    assert anchor.shows_new_contrast(filled, taken) is None, "not compared yet"
    anchor.compare(filled)
    assert anchor.shows_new_contrast(filled, taken) is told
