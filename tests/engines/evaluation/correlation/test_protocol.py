"""The correlation protocol's figures, and that an interrupted run goes on."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from calibration.errors import InputError
from engines.evaluation.correlation import protocol_trials
from engines.evaluation.correlation.protocol_figures import best_share, compared, row_figures
from engines.evaluation.correlation.protocol_report import protocol_report, protocol_table
from engines.evaluation.correlation.protocol_rows import protocol_rows
from engines.evaluation.correlation.protocol_trials import (
    Descents,
    ProtocolLog,
    ProtocolTrial,
    Row,
    drawn,
    protocol_case,
    run_protocol,
)
from engines.registration.correlation.descent import DescentOptions
from engines.registration.correlation.learned_similarity import measured_similarity
from engines.registration.methods.cma_es import CmaEsOptions
from engines.registration.methods.correlation_driven import Course
from engines.registration.methods.method import MethodResult


def _trials(row: str, errors: list[float]) -> list[ProtocolTrial]:
    return [
        ProtocolTrial(row=row, case=k, patient="p", mtre_mm=e, mpd_mm=0.5 * e, seconds=1.0, score=0.0)
        for k, e in enumerate(errors)
    ]


def test_the_best_share_is_a_mean_of_cases_and_no_percentile():
    errors = np.array([1.0, 2.0, 3.0, 94.0])
    half = best_share(errors, 0.5)
    assert (half.mean, half.sd) == (pytest.approx(1.5), pytest.approx(0.5))
    assert best_share(errors, 0.75).mean == pytest.approx(2.0)
    assert best_share(np.array([7.0]), 0.5).mean == pytest.approx(7.0)


def test_figures_count_what_is_below_the_limit():
    found = row_figures(_trials("a", [1.0, 6.0, 9.0, 50.0]))
    assert found.within_10mm.value == pytest.approx(0.75)
    assert found.within_5mm.value == pytest.approx(0.25)
    assert found.mtre_mm.value == pytest.approx(7.5)
    assert found.mpd_mm.value == pytest.approx(3.75)


def test_gains_are_paired_and_one_lost_case_cannot_decide():
    ours, theirs = _trials("a", [1.0, 1.0, 1.0, 5000.0]), _trials("b", [20.0, 20.0, 1.0, 90.0])
    gain = compared(ours, theirs)
    assert gain.cases == 4
    assert gain.success_points.value == pytest.approx(50.0)
    assert gain.mtre_mm.value == pytest.approx((19 + 19 + 0 - 10) / 4)
    assert compared(ours, []).mtre_mm.value is None


def test_rows_are_compared_with_the_row_that_was_asked_for():
    trials = [*_trials("a", [1.0, 20.0]), *_trials("b", [20.0, 20.0]), *_trials("initial", [50.0, 50.0])]
    report = protocol_report(trials, variant="P1", seed=0, settings="{}", reference="b")
    assert (report.reference, set(report.against_reference)) == ("b", {"a", "initial"})
    assert report.against_reference["a"].success_points.value == pytest.approx(50.0)
    assert report.rows["a"].within_10mm_over_patients.n == 1
    table = protocol_table(report).splitlines()
    assert [line.count("|") for line in table] == [14] * 5
    assert table[2].startswith("| a | 2 | ")
    assert table[2].endswith("| +50 (+0 to +100) |")
    assert table[3].endswith("| - |")
    assert protocol_report(trials, variant="P1", seed=0, settings="{}").against_reference == {}


def test_a_log_goes_on_and_refuses_other_settings(tmp_path):
    report = tmp_path / "report.json"
    log = ProtocolLog(report, "settings")
    for trial in _trials("a", [1.0, 2.0]):
        log.add(trial)
    with (tmp_path / "report.json.trials.jsonl").open("a") as file:
        file.write('{"row": "a", "ca')
    again = ProtocolLog(report, "settings")
    assert again.finished(Row(name="a", course=None), 1) is not None
    assert again.finished(Row(name="a", course=None), 2) is None
    assert again.finished(Row(name="a", course=None, weights="others"), 1) is None
    with pytest.raises(InputError, match="other settings"):
        ProtocolLog(report, "others")


def test_unknown_rows_are_refused(tmp_path):
    with pytest.raises(InputError, match="cannot read the list"):
        protocol_rows(["correlation"], folder=tmp_path, descent=DescentOptions(), evolution=CmaEsOptions())
    with pytest.raises(InputError, match="no rows"):
        protocol_rows([], folder=None, descent=DescentOptions(), evolution=CmaEsOptions())


def test_evolution_continues_from_a_stored_descent(monkeypatch):
    asked = []

    def counted(course, _scene, start):
        asked.append((course.descent is not None, course.evolution is not None, start))
        return MethodResult(isocentre_from_lps=f"after {start}", score=0.0, seconds=2.0)

    monkeypatch.setattr(protocol_trials, "follow", counted)
    case, descents = SimpleNamespace(scene=None, start="start"), Descents()
    alone = Course(similarity=measured_similarity("ncc"))
    both = replace(alone, evolution=CmaEsOptions())
    assert descents.follow(alone, case).seconds == 2.0
    found = descents.follow(both, case)
    assert (found.isocentre_from_lps, found.seconds) == ("after after start", 4.0)
    assert asked == [(True, False, "start"), (False, True, "after start")]
    descents.follow(Course(descent=None, evolution=CmaEsOptions()), case)
    assert asked[2:] == [(False, True, "start")]


@pytest.mark.slow
def test_cases_repeat_themselves_and_a_descent_is_measured():
    one, two = protocol_case("P2", 0, 7), protocol_case("P2", 0, 7)
    np.testing.assert_array_equal(one.scene.at(64)[0].picture.numpy(), two.scene.at(64)[0].picture.numpy())
    np.testing.assert_array_equal(one.start.matrix, two.start.matrix)
    rows = protocol_rows(
        ["initial", "gradient-ncc"], folder=None, descent=DescentOptions(steps=2), evolution=CmaEsOptions()
    )
    trials = run_protocol(rows, variant="P2", cases=1, seed=7, log=ProtocolLog(None, ""))
    assert [trial.row for trial in trials] == ["initial", "gradient-ncc"]
    assert trials[0].mtre_mm > 0.0
    assert run_protocol([Row(name="initial", course=None)], variant="P2", cases=1, seed=7, log=ProtocolLog(None, ""))


@pytest.mark.slow
def test_starts_have_the_protocols_spread():
    shown = protocol_case("P1", 0, 7).target
    rng = np.random.default_rng(0)
    centre = shown.centre_lps_mm[None]
    poses = [drawn(shown, "P1", rng) for _ in range(400)]
    moves = np.array([(p.apply(centre) - shown.nominal.apply(centre))[0] for p in poses])
    camera = moves @ shown.geometry.camera_from_isocentre().rotation.T
    np.testing.assert_allclose(camera.std(axis=0), (30.0, 30.0, 60.0), rtol=0.12)
    far = [drawn(shown, "P3", rng).apply(centre)[0] for _ in range(200)]
    assert np.std(far, axis=0).max() > 90.0
