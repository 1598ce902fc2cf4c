"""Blood flow against curves that an independent model of the wall made: differential equations, not a convolution."""

from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from engines.cmr.perfusion.blood_flow import NATIVE_T1_S, SegmentFlow, contrast, flow_model, model_of_input
from engines.cmr.perfusion.slice_perfusion import SlicePerfusion, measure_slices
from engines.cmr.perfusion_files import perfusion_files
from engines.cmr.reading.perfusion import load_perfusion
from tests.engines.cmr.first_passes import write_folder

SATURATION_S = 0.1
TIME_S = np.cumsum(np.full(50, 0.72)) + 0.03 * np.sin(np.arange(50))
BEFORE, LAST = 10, 36


def _bolus(t: np.ndarray | float) -> np.ndarray:
    """R1 of contrast in blood, 1/s: a bolus and what comes round again."""
    first = np.clip(np.asarray(t) - 8.0, 0, None)
    again = np.clip(np.asarray(t) - 20.0, 0, None)
    return 11.0 * (first / 3.0) ** 2 * np.exp(2 - 2 * first / 3.0) + 2.0 * (1 - np.exp(-again / 3.0))


def _two_compartments(flow: float, *, exchange: float = 1.5) -> np.ndarray:
    """Whole-tissue contrast of capillaries that the blood flows through and a space behind their wall (ml/min/g)."""
    f, ps, capillary, behind = flow * 1.05 / 60, exchange * 1.05 / 60, 0.08, 0.25

    def change(t: float, c: np.ndarray) -> list[float]:
        return [
            (f * (float(_bolus(t - 0.7)) - c[0]) - ps * (c[0] - c[1])) / capillary,
            ps * (c[0] - c[1]) / behind,
        ]

    found = solve_ivp(change, (0.0, TIME_S[-1]), [0.0, 0.0], t_eval=TIME_S, rtol=1e-8, atol=1e-9)
    return capillary * found.y[0] + behind * found.y[1]


def _flow(wall: np.ndarray) -> SegmentFlow:
    model = model_of_input(TIME_S, _bolus(TIME_S), BEFORE, SATURATION_S)
    return model.fit_contrast(TIME_S[:LAST], wall[:LAST])


def test_contrast_is_the_inverse_of_the_sequence() -> None:
    r1 = np.linspace(0.0, 14.0, 30)
    native = 1.0 / NATIVE_T1_S["blood"]
    signal = 1.0 - np.exp(-SATURATION_S * (native + r1))
    np.testing.assert_allclose(contrast(signal / signal[0], SATURATION_S, "blood"), r1, atol=1e-9)


@pytest.mark.parametrize("flow", [0.7, 1.0, 2.0, 3.5])
def test_flow_of_a_wall_that_takes_all_contrast_up_comes_back(flow: float) -> None:
    found = _flow(_two_compartments(flow, exchange=30.0))
    assert found.ml_min_g == pytest.approx(flow, rel=0.1)
    assert found.residual < 0.02


@pytest.mark.parametrize("flow", [0.7, 1.0, 2.0, 3.5])
def test_flow_lies_between_what_crosses_the_capillary_and_what_runs_through_it(flow: float) -> None:
    """What leaves again within a beat is hardly seen at one picture a beat: high flow is told too low."""
    exchange = 1.5
    found = _flow(_two_compartments(flow, exchange=exchange))
    assert found.ml_min_g is not None
    assert flow * exchange / (flow + exchange) < found.ml_min_g < 1.1 * flow
    assert found.residual < 0.04


def test_starved_wall_keeps_its_rank_under_noise() -> None:
    random = np.random.default_rng(3)
    told = []
    for flow in (0.8, 1.6, 2.4, 3.2):
        wall = _two_compartments(flow, exchange=3.0)
        found = [_flow(wall + random.normal(0, 0.04 * wall.max(), len(wall))) for _ in range(5)]
        assert all(one.residual == pytest.approx(0.04, abs=0.025) for one in found)
        told.append(float(np.median([one.ml_min_g or 0.0 for one in found])))
    assert np.all(np.diff(told) > 0.3)


def test_a_curve_that_no_input_explains_has_no_flow_but_a_residual() -> None:
    random = np.random.default_rng(1)
    found = _flow(random.normal(0.3, 0.3, len(TIME_S)))
    assert found.ml_min_g is None
    assert found.residual > 0.15


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> tuple[SlicePerfusion, ...]:
    series = load_perfusion(write_folder(tmp_path_factory.mktemp("first") / "p"))
    return measure_slices(series.stress, lambda _: None)[0]


def test_without_a_saturation_time_there_is_no_flow(slices: tuple[SlicePerfusion, ...]) -> None:
    assert flow_model(slices, slices[0], None) == "the saturation time is not known"


def test_a_pool_near_its_full_signal_has_no_contrast_to_tell(slices: tuple[SlicePerfusion, ...]) -> None:
    said = flow_model(slices, slices[0], 400.0)
    assert isinstance(said, str)
    assert "of its full signal" in said


def test_a_study_says_why_it_has_no_flow(tmp_path: Path) -> None:
    result = perfusion_files(write_folder(tmp_path / "p"), tmp_path / "out")
    assert result["segments"]["1"]["stress_mbf"] is None
    assert result["no_blood_flow"]["stress"] == "the saturation time is not known"
