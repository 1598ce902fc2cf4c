"""The lumen's border in the frames: what the network looks at, and the same border about another place."""

import numpy as np
import pytest
import torch

from engines.ivus.features.landmark_maps import border_centroid
from engines.ivus.features.landmark_weights import load_landmark_network
from engines.ivus.features.lumen_border import DEPTHS, about_place, border_profiles, learned_border
from engines.ivus.features.ultrasound_maps import maps_and_profiles
from tests.engines.ivus.small_case import pullback_of, rich_case


def polar_picture(seed=0):
    rng = np.random.default_rng(seed)
    return (20 + 200 * rng.random((6, 96, 110))).astype(np.float32)


def test_a_machine_with_another_grey_scale_changes_nothing():
    """Ranks of 0.08 mm means: any straight change leaves them, a curved one nearly."""
    picture = polar_picture()
    usual = border_profiles(picture, 0.04, 4.4)
    np.testing.assert_allclose(border_profiles(0.3 * picture + 40, 0.04, 4.4), usual, atol=0.01)
    assert np.abs(border_profiles(picture**1.5 / 16, 0.04, 4.4) - usual).mean() < 0.06


def test_the_catheter_and_what_lies_beyond_the_rim_say_nothing():
    profiles = border_profiles(polar_picture(), 0.04, 3.0)
    assert profiles.shape == (6, 48, DEPTHS)
    assert (profiles[:, :, :7] == 0).all()
    assert (profiles[:, :, 38:] == 0).all()
    assert np.abs(profiles[:, :, 8:35]).mean() > 0.3


def test_one_grey_value_everywhere_is_no_error():
    assert np.isfinite(border_profiles(np.full((3, 96, 110), 7.0, np.float32), 0.04, 4.4)).all()


@pytest.mark.parametrize("place", [(0.0, 0.0), (0.5, -0.3)])
def test_a_circle_is_the_same_circle_about_another_place(place):
    turn = np.arange(48) * 2 * np.pi / 48
    radius = about_place(np.full((2, 48), 1.6), np.array([place, place]), angles=96)
    want = np.arange(96) * 2 * np.pi / 96
    x, y = radius * np.cos(want) + place[0], radius * np.sin(want) + place[1]
    np.testing.assert_allclose(np.hypot(x, y), 1.6, atol=0.01)
    back = border_centroid(radius)
    np.testing.assert_allclose(back, -np.array([place, place]), atol=0.02)
    assert len(turn) == 48


def test_the_shipped_network_finds_the_lumen_of_a_simulated_pullback():
    case = rich_case()
    index = np.arange(0, len(case.frames), 2)
    torch.set_num_threads(1)
    maps, _ = maps_and_profiles(pullback_of(case), index, border=load_landmark_network(of="border"))
    true = np.sqrt((case.shapes.main_mm < 0).sum(axis=(2)).astype(float) ** 2).mean(axis=1) * 0.05
    apart = np.abs(maps.radius_mm.mean(axis=1) + 0.0 - true[index])
    assert np.median(apart) < 0.15


def test_a_border_is_told_with_its_doubt():
    mean, spread = learned_border(load_landmark_network(of="border"), np.zeros((4, 48, DEPTHS), np.float32))
    assert mean.shape == spread.shape == (4, 48)
    assert (spread > 0).all()
