"""Landmarks against truth, methods against each other, beats against a simulated heart."""

import numpy as np
import pytest

from engines.evaluation.ivus.gating_study import gating_record
from engines.evaluation.ivus.landmark_scores import KINDS, LandmarkRecord, LumenErrors, _counts, landmark_table
from engines.evaluation.ivus.truth import angles_about, landmark_cells, lumen_radii, wire_cells
from tests.engines.ivus.small_case import rich_case


def test_hits_are_counted_by_angle_and_by_frame():
    truth = np.zeros((10, 48))
    truth[2:5, 10:14] = 1.0
    told = np.zeros((10, 48))
    told[3:6, 10:14] = 0.9
    counts = _counts(told, truth)
    assert counts.angles == (8, 4, 4)
    assert counts.frames == (2, 1, 1)
    nothing = LumenErrors(median_abs_mm=0.0, bias_mm=0.0, correlation=1.0)
    record = LandmarkRecord(classes=dict.fromkeys(KINDS, counts), lumen={"ivus": nothing, "ct": nothing})
    table = landmark_table([record, record])["ct/bifurcation"]
    assert table.f1_micro == pytest.approx(8 / 12)
    assert table.recall_macro == pytest.approx(2 / 3)


def test_a_network_that_says_how_sure_it_is_has_no_calibration_error():
    rng = np.random.default_rng(0)
    chance = rng.random((400, 48))
    truth = (rng.random(chance.shape) < chance).astype(float)
    nothing = LumenErrors(median_abs_mm=0.0, bias_mm=0.0, correlation=1.0)

    def error(stated):
        record = LandmarkRecord(classes=dict.fromkeys(KINDS, _counts(stated, truth)), lumen={"ivus": nothing})
        return landmark_table([record])["ivus/guidewire"].calibration_error

    assert error(chance) < 0.02
    assert error(np.clip(chance + 0.3, 0, 1)) > 0.2


def test_what_is_never_there_and_never_told_has_no_figure():
    nothing = np.zeros((5, 48))
    counts = _counts(nothing, nothing)
    lumen = {"ivus": LumenErrors(median_abs_mm=0.0, bias_mm=0.0, correlation=1.0)}
    table = landmark_table([LandmarkRecord(classes=dict.fromkeys(KINDS, counts), lumen=lumen)])
    assert table["ivus/bifurcation"].f1_micro is None
    assert table["ivus/bifurcation"].calibration_error == 0.0


def test_truth_turns_with_the_place_it_is_seen_from():
    cells = np.zeros((1, 96, 92), dtype=bool)
    cells[0, [95, 0, 1], 40:46] = True  # 2 to 2.3 mm along u
    assert set(angles_about(cells, np.zeros((1, 2)))[0].nonzero()[0]) <= {47, 0, 1}
    below = angles_about(cells, np.array([[2.15, -1.0]]))[0].nonzero()[0]
    assert 12 in below
    assert set(below) <= set(range(9, 16))


def test_truth_of_a_simulated_case_is_consistent():
    case = rich_case()
    assert landmark_cells(case.shapes)[0].any()
    radii = lumen_radii(case.shapes)
    assert 0.4 < radii.min() < radii.max() < 4.6
    shadows = wire_cells(case).any(axis=(1, 2))
    assert shadows.all() == bool(np.isfinite(case.wires_rad).all())


@pytest.mark.slow
def test_beats_of_a_simulated_run_are_found():
    record = gating_record("validation", 3)
    assert not record.doubtful
    assert record.rate_error < 0.03
    assert record.missed <= 2
