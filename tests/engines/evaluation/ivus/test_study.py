"""Methods beside each other on the same simulated cases."""

import pytest
from typer.testing import CliRunner

from calibration.errors import InputError
from engines.evaluation.ivus.study import IvusRecord, IvusTask, compare, evaluate_ivus
from engines.ivus.methods import ABLATIONS, EVERY_METHOD, METHODS, check_method
from guidance_app.cli.main import build_app


def record(seed, method, *, right):
    return IvusRecord(
        split="test", seed=seed, arm="frames", method=method, right=right, direction_right=True, handedness_right=True,
        f1=1.0, cos_u=0.99, cos_v=0.99, longitudinal_mm=0.3, longitudinal_p95_mm=0.8, rotation_deg=5.0,
        distance_mm=0.3, confidence=0.9, flags=[], signs={}, branches=3, calcium=1, centerline_flaws=[], seconds=2.0,
    )  # fmt: skip


def test_two_methods_are_compared_on_the_cases_that_both_have_done():
    ours = [record(seed, "ours", right=seed != 1) for seed in range(12)]
    paper = [record(seed, "paper", right=seed not in (2, 3, 4)) for seed in range(10)]
    found = compare(ours, paper)
    assert (found.cases, found.only_first_right, found.only_second_right) == (10, 3, 1)
    assert found.difference.value == pytest.approx(0.2)
    assert found.difference.low < 0.2 < found.difference.high


def test_methods_without_a_common_case_have_no_difference():
    found = compare([record(0, "ours", right=True)], [record(5, "paper", right=True)])
    assert found.cases == 0
    assert found.difference.value is None


def test_people_choose_among_two_methods_and_studies_among_all():
    for name in METHODS:
        check_method(name)
    for name in ABLATIONS:
        check_method(name, among=EVERY_METHOD)
        with pytest.raises(InputError, match="choose among ours, paper"):
            check_method(name)


def test_a_comparison_is_refused_unless_it_is_a_method_and_two_numbers():
    for text in ("paper", "paper=3", "paper=a,b"):
        outcome = CliRunner().invoke(build_app(), ["evaluate", "ivus", "--compare", text])
        assert isinstance(outcome.exception, InputError)
        assert "METHOD=TEST,SHIFT" in str(outcome.exception)


@pytest.mark.slow
def test_a_case_is_drawn_once_for_all_methods_and_finished_runs_are_kept(tmp_path, monkeypatch):
    from engines.evaluation.ivus import study
    from tests.engines.ivus.small_case import rich_case

    drawn = []
    monkeypatch.setattr(study, "draw_case", lambda split, seed: drawn.append((split, seed)) or rich_case())
    report = tmp_path / "report.json"
    runs = (("frames", "ours"), ("contours", "ours"))
    first = evaluate_ivus([IvusTask(split="validation", seed=9, runs=runs[:1])], report=report)
    both = evaluate_ivus([IvusTask(split="validation", seed=9, runs=runs)], report=report)
    assert drawn == [("validation", 9)] * 2
    assert first.cases == [r for r in both.cases if r.arm == "frames"]
    assert both.landmarks["validation"].table["ivus/bifurcation"].f1_micro > 0.3
    assert both.landmarks["validation"].lumen_median_abs_mm["ivus"].value < 0.15
    assert all(case.right for case in both.cases)
