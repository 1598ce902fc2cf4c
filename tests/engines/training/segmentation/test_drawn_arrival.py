"""What arrived, for training: it follows the masks, varies, and is unknown in some patches."""

import numpy as np
import pytest
import torch

from engines.inference.model_files import BUNDLED_MODELS
from engines.segmentation.arrival import WITH_ARRIVAL
from engines.segmentation.scenes import SCENES
from engines.simulation.angiograms.angiogram_synthesis import synthesize
from engines.training.segmentation.arrival_variation import varied
from engines.training.segmentation.drawn_arrival import sample_for
from engines.training.segmentation.segmentation_recipe import Recipe, _start_from, load_average, network_of, train

_UPPER = SCENES["aortic-upper"]


@pytest.fixture(scope="module")
def samples():
    return [sample_for(WITH_ARRIVAL, _UPPER, 9, index, 96) for index in range(40)]


def test_the_picture_stays_and_the_same_index_gives_the_same_sample(samples):
    for index in (0, 7):
        np.testing.assert_array_equal(samples[index].channels[:2], synthesize(_UPPER, 9, index, 96).channels)
        again = sample_for(WITH_ARRIVAL, _UPPER, 9, index, 96)
        np.testing.assert_array_equal(samples[index].channels, again.channels)
    assert sample_for(2, _UPPER, 9, 0, 96).channels.shape[0] == 2


def test_some_arrivals_are_unknown_and_where_nothing_came_no_aorta_is_to_be_found(samples):
    known = [sample for sample in samples if sample.channels[2].any()]
    assert 0.35 * len(samples) < len(known) < 0.85 * len(samples)
    emptied = 0
    for index, sample in enumerate(samples):
        aorta = synthesize(_UPPER, 9, index, 96).masks[0]
        assert (sample.masks[0] <= aorta).all()
        emptied += bool(aorta.any() and not sample.masks[0].any())
        if not sample.channels[2].any():
            np.testing.assert_array_equal(sample.masks[0], aorta)
    assert emptied > 0


def test_contrast_lies_where_the_mask_says(samples):
    apart = [
        s.channels[2][s.masks[0] > 0.5].mean() - s.channels[2][(s.masks[0] < 0.5) & (s.channels[0] != 0)].mean()
        for s in samples
        if s.channels[2].any() and 0.02 < s.masks[0].mean() < 0.8
    ]
    assert len(apart) > 5
    assert min(apart) > 0.0
    assert np.median(apart) > 0.5


def test_variation_repeats_itself_and_leaves_contrast_recognisable():
    darkening = np.zeros((96, 96), np.float32)
    darkening[30:60, 40:60] = 0.3
    before = np.random.default_rng(0).normal(-1, 0.2, (96, 96)).astype(np.float32)
    inside = darkening > 0
    for seed in range(20):
        seen, again = (varied(np.random.default_rng(seed), darkening, before) for _ in range(2))
        np.testing.assert_array_equal(seen, again)
        assert seen[inside].mean() > seen[~inside].mean() + 0.02


def test_a_network_begins_as_the_one_of_two_channels_whatever_arrived():
    recipe = Recipe(scene="aortic-upper", cases="-", arrival=True)
    net, shipped = network_of(recipe), network_of(Recipe(scene="aortic-upper"))
    assert (net.channels, shipped.channels) == (3, 2)
    weights = BUNDLED_MODELS / "aortic-lower.safetensors"
    _start_from(net, weights, "aortic-lower")
    _start_from(shipped, weights, "aortic-lower")
    picture = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(net.eval()(picture), shipped.eval()(picture[:, :2]))


def test_training_with_arrivals_gives_a_network_of_three_channels(tmp_path):
    recipe = Recipe(scene="aortic-upper", steps=2, width=4, batch=2, patch_px=64, arrival=True)
    net = train(recipe, tmp_path / "a.pt")
    assert net.channels == WITH_ARRIVAL
    again, told = load_average(tmp_path / "a.pt")
    assert again.channels == WITH_ARRIVAL
    assert told["recipe"]["arrival"]
