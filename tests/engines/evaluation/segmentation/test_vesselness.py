import numpy as np
import pytest
from skimage.filters import frangi, sato

from engines.evaluation.segmentation.vesselness import FILTERS, FilterSetting, filter_mask, tune, vesselness


def _tube(side: int = 128, half_width: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """A dark curve on a noisy background, and its mask."""
    row, column = np.mgrid[:side, :side] * 128 / side
    across = np.abs(row - 64 - 15 * np.sin(column / 20)) / np.hypot(1, 15 / 20)
    picture = 150 - 50 * np.exp(-((across / half_width) ** 2)) + np.random.default_rng(0).normal(0, 2, row.shape)
    return picture.astype(np.float32), across < half_width


def test_responses_order_pixels_as_the_reference_implementations_do():
    picture, _ = _tube()
    inner = slice(16, -16)  # treatment of the border differs
    for ours, reference in (
        (vesselness("frangi", picture, (2.0, 3.0)), frangi(picture, (2.0, 3.0), black_ridges=True)),
        (vesselness("sato", picture, (2.0, 3.0)), sato(picture, (2.0, 3.0), black_ridges=True)),
    ):
        agreement = np.corrcoef(ours[inner, inner].ravel(), reference[inner, inner].ravel())[0, 1]
        assert agreement > 0.95


@pytest.mark.parametrize("method", FILTERS)
def test_a_tuned_filter_finds_a_clear_tube(method):
    picture, mask = _tube()
    tuning = tune(method, [(picture, mask)])
    found = filter_mask(tuning.best(), picture)
    assert 2 * (found & mask).sum() / (found.sum() + mask.sum()) == pytest.approx(tuning.dice.max())
    assert tuning.dice.max() > 0.8


def test_one_setting_serves_every_size():
    setting = FilterSetting(
        method="sato", sigmas_px=(4.0,), contrast_share=0.0, threshold="level", value=0.5, smallest_px=50
    )
    for side in (128, 384):
        picture, mask = _tube(side)
        found = filter_mask(setting, picture)
        assert 2 * (found & mask).sum() / (found.sum() + mask.sum()) > 0.7


def test_tuning_by_some_pictures_ignores_the_others():
    picture, mask = _tube()
    tuning = tune("sato", [(picture, mask), (picture, ~mask)])
    assert tuning.best([0]) == tune("sato", [(picture, mask)]).best()


def test_a_flat_picture_has_no_vessels():
    setting = tune("frangi", [_tube()]).best()
    assert not filter_mask(setting, np.full((64, 64), 7.0, np.float32)).any()
