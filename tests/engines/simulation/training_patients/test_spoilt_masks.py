"""Masks with the faults of a segmentation: still masks, changed, and the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from engines.simulation.training_patients.spoilt_masks import spoilt_drawing, spoilt_segmentation

_VESSEL = np.zeros((96, 96), bool)
_VESSEL[40:50] = True


@pytest.mark.parametrize(
    ("spoil", "mask"), [(spoilt_drawing, _VESSEL.astype(np.float32)), (spoilt_segmentation, _VESSEL)]
)
def test_a_spoilt_mask_stays_a_mask_changes_and_repeats(spoil, mask):
    rng, again = np.random.default_rng(0), np.random.default_rng(0)
    for _ in range(20):
        found = spoil(mask, rng)
        assert found.shape == mask.shape
        assert 0.0 <= found.min() <= found.max() <= 1.0
        assert not np.array_equal(found, mask)
        assert np.array_equal(found, spoil(mask, again))
