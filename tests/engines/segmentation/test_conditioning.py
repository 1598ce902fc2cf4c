import numpy as np
import pytest

from engines.segmentation.conditioning import condition
from engines.segmentation.scenes import SCENES, shows_polarity
from engines.simulation.angiograms.angiogram_synthesis import synthesize

_SIZE = 128


def _vessel_picture(index: int = 2) -> np.ndarray:
    """A quiet picture with clear dark lines."""
    random = np.random.default_rng(index)
    row, column = np.mgrid[:200, :160]
    picture = 140 + 20 * np.sin(column / 60) + random.normal(0, 1.5, (200, 160))
    for offset in (-40, 10, 45):
        across = row - 100 - offset - 15 * np.sin(column / 25 + index)
        picture -= 45 * np.exp(-((across / 3) ** 2))
    return np.clip(picture, 1, 255).astype(np.uint8)


@pytest.mark.parametrize("gain", [0.5, 1.0, 40.0, 250.0])
def test_gain_and_bit_depth_do_not_change_the_input(gain):
    picture = _vessel_picture().astype(np.float64)
    plain, scaled = condition(picture, _SIZE), condition(picture * gain + 3, _SIZE)
    np.testing.assert_allclose(plain.channels, scaled.channels, atol=1e-3)


def test_sixteen_bits_match_eight():
    picture = _vessel_picture()
    deep = condition(picture.astype(np.uint16) * 257, _SIZE)
    np.testing.assert_allclose(deep.channels, condition(picture, _SIZE).channels, atol=1e-3)


def test_bright_vessels_are_turned_dark():
    picture = _vessel_picture()
    dark, bright = condition(picture, _SIZE), condition(255 - picture, _SIZE)
    assert (dark.inverted, bright.inverted) == (False, True)
    # The clip of the scaling is symmetric about the median only up to rounding.
    np.testing.assert_allclose(dark.channels, bright.channels, atol=0.05)


def test_stated_polarity_is_obeyed():
    assert condition(255 - _vessel_picture(), _SIZE, vessels_bright=True).inverted


def test_polarity_is_not_looked_for_where_vessels_are_thick():
    assert not condition(255 - _vessel_picture(), _SIZE, detect_polarity=False).inverted
    assert condition(_vessel_picture(), _SIZE, vessels_bright=True, detect_polarity=False).inverted
    assert [shows_polarity(name) for name in ("aortic-upper", "aortic-lower")] == [False, False]
    assert [shows_polarity(name) for name in ("coronary-sim", "cerebral", "my-own")] == [True, True, True]


def test_noise_alone_is_never_inverted():
    random = np.random.default_rng(0)
    for _ in range(20):
        assert not condition(random.normal(100, 20, (150, 150)), _SIZE).inverted


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (300, 7)])
def test_too_small_shows_nothing(shape):
    assert condition(np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8), _SIZE) is None


@pytest.mark.parametrize("value", [0, 255, 65535])
def test_constant_shows_nothing(value):
    assert condition(np.full((64, 64), value, np.uint16), _SIZE) is None


def test_not_a_number_does_not_spread():
    picture = _vessel_picture().astype(np.float32)
    picture[3, 3] = np.nan
    assert np.isfinite(condition(picture, _SIZE).channels).all()


@pytest.mark.parametrize("name", sorted(SCENES))
def test_training_and_inference_see_the_same_input(name):
    sample = synthesize(SCENES[name], seed=5, index=1, size_px=256)
    seen = condition(sample.picture, 256)
    expected = -seen.channels if seen.inverted else seen.channels
    np.testing.assert_allclose(sample.channels, expected, atol=1e-5)


def test_linear_values_come_out_as_their_logarithm_would():
    """A vessel darkens a linear picture by a share of its surroundings: behind bone by less, in lung by more."""
    attenuation = 2.0 - _vessel_picture().astype(np.float64) / 128
    linear = np.exp(-attenuation) * 4000
    as_log = condition(-attenuation, _SIZE).channels[1]
    taken, ignored = condition(linear, _SIZE, log=True).channels[1], condition(linear, _SIZE).channels[1]
    assert np.abs(taken - as_log).mean() < 0.5 * np.abs(ignored - as_log).mean()


def test_a_constant_linear_picture_shows_nothing():
    assert condition(np.zeros((64, 64), np.uint16), _SIZE, log=True) is None
