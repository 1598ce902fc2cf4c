"""Defects change a model and leave the original alone; spoilt contrast stays a picture of the same view."""

from dataclasses import replace

import numpy as np
import pytest

from engines.anatomy.vessel_model import LabelVolume, VesselModel
from engines.evaluation.confidence.model_defects import DEFECTS, spoilt_contrast, with_unfilled_lumen
from tests.engines.registration.vessel_bed import bed


def _model() -> VesselModel:
    labels = np.zeros((40, 40, 60), np.uint8)
    labels[15:25, 15:25, 5:55] = 1
    labels[18:22, 18:22, 55:60] = 2
    volume = LabelVolume(labels=labels, lps_from_index=np.diag([1.5, 1.5, 1.5, 1.0]), names={1: "aorta", 2: "branch"})
    return VesselModel(centerlines=bed(0).model.centerlines, labels=volume)


@pytest.mark.parametrize("name", sorted(DEFECTS))
def test_a_defect_changes_the_model_and_not_the_original(name):
    model = _model()
    before = model.labels.labels.copy()
    changed = DEFECTS[name](model, np.random.default_rng(3))
    np.testing.assert_array_equal(model.labels.labels, before)
    assert changed.labels is None or not np.array_equal(changed.labels.labels, before)
    assert changed.centerlines is model.centerlines


def test_a_second_lumen_lies_beside_the_first_and_takes_nothing_from_it():
    model = _model()
    changed = with_unfilled_lumen(model, np.random.default_rng(1))
    extra = [value for value, name in changed.labels.names.items() if name == "aorta_false_lumen"]
    assert len(extra) == 1
    assert (changed.labels.labels == extra[0]).sum() > 100
    for value in (1, 2):
        np.testing.assert_array_equal(changed.labels.labels == value, model.labels.labels == value)


def test_spoilt_contrast_is_another_picture_of_the_same_view():
    view = replace(bed(0).view, contrast=bed(0).view.vessel.astype(np.float32))
    changed = 0
    for seed in range(12):
        spoilt = spoilt_contrast(view, np.random.default_rng(seed))
        assert spoilt.contrast.shape == view.contrast.shape
        assert np.isfinite(spoilt.contrast).all()
        changed += not np.array_equal(spoilt.contrast, view.contrast) or spoilt.field_of_view is not None
    assert changed >= 6
