"""Scores of a model made from a CTA alone; whole runs are tried by `evaluate zero-touch`."""

from dataclasses import replace
from pathlib import Path

import pytest

from calibration.errors import InputError
from engines.anatomy.cases.case import load_case
from engines.anatomy.centerlines.skeleton import centerlines_from_labels
from engines.anatomy.vessel_model import VesselModel
from engines.evaluation.zero_touch import CaseScore, RunScore, _summary, evaluate_zero_touch, model_score
from tests.engines.anatomy.shapes import tube_labels


def _model(radius_mm: float = 3.0, name: str = "aorta") -> VesselModel:
    labels = tube_labels([((-18.0, 0.0, -15.0), (15.0, 2.0, 16.0))], radius_mm, name=name)
    return VesselModel(labels=labels, centerlines=centerlines_from_labels(labels))


def _run(status: str, error_mm: float | None) -> RunScore:
    return RunScore(run="run1", status=status, confidence=0.5, error_mm=error_mm, seconds=1.0, reasons=())


def test_the_true_model_scores_one() -> None:
    score = model_score(_model(), _model(), 2.0)
    assert score.dice == 1.0
    assert score.dice_by_class == {"aorta": 1.0}
    assert score.cl_dice > 0.95  # the line ends on the wall


def test_a_model_beside_the_truth_scores_nothing_and_a_thin_one_keeps_its_centerline() -> None:
    truth, thin = _model(), _model(1.5)
    assert truth.labels is not None
    moved = truth.labels.lps_from_index.copy()
    moved[:3, 3] += 200.0
    elsewhere = replace(truth, labels=replace(truth.labels, lps_from_index=moved))
    assert model_score(elsewhere, truth, 0.0).dice == 0.0
    score = model_score(thin, truth, 0.0)
    assert score.dice < 0.5
    assert score.cl_dice > 0.95


def test_accepted_right_and_accepted_wrong_are_counted_apart() -> None:
    runs = (_run("accepted", 1.0), _run("accepted", 4.0), _run("accepted", 9.0), _run("rejected", 0.5),
            _run("error", None))  # fmt: skip
    summary = _summary([CaseScore(case="a", kind="tavi", model=None, runs=runs)])
    assert summary.accepted_and_within_5mm.value == pytest.approx(0.4)
    assert summary.accepted_and_within_2mm.value == pytest.approx(0.2)
    assert summary.accepted_and_wrong.value == pytest.approx(0.2)
    assert summary.within_5mm.value == pytest.approx(0.6)
    assert summary.error_mm.n == 4


def test_a_case_without_truth_is_one_clear_line(tmp_path: Path) -> None:
    bundled = load_case("tavi")
    for file in ("case.json", *(f.name for f in bundled.folder.iterdir() if f.is_file() and f.name != "case.json")):
        (tmp_path / file).write_bytes((bundled.folder / file).read_bytes())
    (tmp_path / "xa").mkdir()
    for file in (bundled.folder / "xa").iterdir():
        (tmp_path / "xa" / file.name).write_bytes(file.read_bytes())
    with pytest.raises(InputError, match=r"zero touch needs cta.nii.gz and runs with truth"):
        evaluate_zero_touch([str(tmp_path)])
