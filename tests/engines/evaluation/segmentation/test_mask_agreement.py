import numpy as np
import pytest

from engines.evaluation.segmentation.mask_agreement import score_mask, summarise


def _bar(rows: slice) -> np.ndarray:
    mask = np.zeros((40, 60), bool)
    mask[rows, 5:55] = True
    return mask


def test_a_perfect_mask_scores_one():
    scores = score_mask(_bar(slice(10, 15)), _bar(slice(10, 15)))
    assert (scores.dice, scores.precision, scores.recall, scores.cl_dice) == (1, 1, 1, 1)


def test_figures_of_a_mask_that_covers_half():
    scores = score_mask(_bar(slice(10, 14)), _bar(slice(10, 18)))
    assert scores.precision == 1
    assert scores.recall == pytest.approx(0.5)
    assert scores.dice == pytest.approx(2 / 3)


def test_a_too_wide_mask_keeps_its_centreline():
    scores = score_mask(_bar(slice(8, 17)), _bar(slice(11, 14)))
    assert scores.dice < 0.6
    assert scores.cl_dice > 0.9


def test_missing_and_spurious_masks_score_zero_and_empty_pairs_do_not_count():
    empty = np.zeros((40, 60), bool)
    assert score_mask(empty, _bar(slice(10, 15))).dice == 0
    assert score_mask(_bar(slice(10, 15)), empty).dice == 0
    assert np.isnan(score_mask(empty, empty).dice)
    total = summarise([score_mask(empty, empty), score_mask(_bar(slice(1, 4)), _bar(slice(1, 4)))])
    assert total["dice"].count == 1
    assert total["dice"].median == 1
