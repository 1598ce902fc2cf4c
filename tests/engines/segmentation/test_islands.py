import numpy as np

from engines.segmentation.islands import without_islands


def test_specks_fall_below_the_threshold_and_connected_vessels_stay_as_they_are():
    probabilities = np.full((2, 64, 64), 0.1, np.float32)
    probabilities[0, 10:13, 5:60] = 0.9  # a vessel of 165 px
    probabilities[0, 40:44, 40:44] = 0.95
    probabilities[1, 20:22, 20:22] = 0.8
    cleaned = without_islands(probabilities, 0.6, 50, ("artery", "vein"))
    with_device = without_islands(probabilities, 0.6, 50, ("vessel", "device"))
    assert np.array_equal(cleaned[0] >= 0.6, (probabilities[0] >= 0.6) & (np.arange(64) < 20)[:, None])
    assert not (cleaned[1] >= 0.6).any()
    assert np.array_equal(with_device[1], probabilities[1]), "of a wire often only a piece is seen"
    assert np.array_equal(cleaned[0, :20], probabilities[0, :20])
    assert (probabilities[0, 40:44, 40:44] == np.float32(0.95)).all(), "the input is not touched"


def test_nothing_is_removed_where_nothing_was_asked_for():
    probabilities = np.random.default_rng(0).random((1, 32, 32), np.float32)
    assert without_islands(probabilities, 0.5, 0, ("vessel",)) is probabilities


def test_an_empty_picture_stays_empty():
    assert not without_islands(np.zeros((2, 16, 16), np.float32), 0.5, 100, ("vessel", "device")).any()
