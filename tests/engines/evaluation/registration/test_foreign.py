"""Foreign runs are read as their folder says, refused with the file's name where it does not, and tabled honestly."""

import json

import pytest

from calibration.errors import InputError
from engines.evaluation.registration.foreign import foreign_runs, foreign_sources, kind_of_patient
from engines.evaluation.registration.foreign_model import model_source
from engines.evaluation.registration.foreign_table import foreign_markdown, foreign_rows
from engines.evaluation.registration.trial import UNJUDGED, Trial


def _run(folder, name, patient, frame="3"):
    (folder / name).mkdir(parents=True)
    told = {"patient": patient, "frame_argument": frame, "scored_frame": 3, "frames": []}
    (folder / name / "truth.json").write_text(json.dumps(told))
    (folder / patient / "masks").mkdir(parents=True, exist_ok=True)


def test_runs_and_patients_are_found_by_their_truth(tmp_path):
    _run(tmp_path, "evt0_ap", "evt0", frame="minip")
    _run(tmp_path, "evt0_lat", "evt0")
    _run(tmp_path, "evt1_lat", "evt1")
    runs = foreign_runs(tmp_path)
    assert [(run.folder.name, run.patient, run.frame) for run in runs] == [
        ("evt0_ap", "evt0", "minip"),
        ("evt0_lat", "evt0", 3),
        ("evt1_lat", "evt1", 3),
    ]
    assert [name for name, _ in foreign_sources(tmp_path)] == ["evt0", "evt1"]
    with_strangers = [name for name, _ in foreign_sources(tmp_path, wrong_anatomy=True)]
    assert with_strangers[2:] == ["evt0 with the model of evt1", "evt1 with the model of evt0"]


def test_a_lone_patient_has_no_stranger(tmp_path):
    _run(tmp_path, "tavi0_ap", "tavi0")
    _run(tmp_path, "evt0_ap", "evt0")
    assert len(foreign_sources(tmp_path, wrong_anatomy=True)) == 2


def test_what_cannot_be_used_is_named(tmp_path):
    with pytest.raises(InputError, match=r"holds no RUN/truth\.json"):
        foreign_runs(tmp_path)
    _run(tmp_path, "evt0_ap", "evt0", frame="last")
    with pytest.raises(InputError, match=r"evt0_ap/truth\.json"):
        foreign_runs(tmp_path)
    with pytest.raises(InputError, match="begins with"):
        kind_of_patient("patient7")


def test_a_patient_without_masks_is_named(tmp_path):
    _run(tmp_path, "evt0_ap", "evt0")
    (tmp_path / "evt0" / "masks").rmdir()
    with pytest.raises(InputError, match=r"evt0: has no folder masks"):
        foreign_sources(tmp_path)


def _trial(case, error_mm, status, number=0, **more):
    start = "radiological" if number < 0 else "drawn"
    return Trial(
        case=case, run="r", frame=0, start=start, number=number, start_error_mm=10.0, start_mpe_mm=10.0,
        start_mpe_px=20.0, error_mm=error_mm, status=status, confidence=0.5, elapsed_ms=1500.0, **more,
    )  # fmt: skip


def test_rows_count_what_was_right_and_what_was_believed():
    trials = [
        _trial("evt0", 0.5, "accepted"),
        _trial("evt0", 3.0, "rejected"),
        _trial("evt1", 9.0, "accepted"),
        _trial("evt1", None, "error"),
        _trial("evt1", 1.0, "accepted", number=-1),
        _trial("evt1", None, "accepted", model_of="evt0"),
    ]
    rows = {(row.group, row.start): row for row in foreign_rows(trials)}
    drawn = rows["evt", "drawn"]
    assert (drawn.trials, drawn.within_5mm, drawn.within_2mm) == (4, 0.5, 0.25)
    assert (drawn.accepted, drawn.accepted_right, drawn.silent, drawn.false_alarms) == (0.5, 0.25, 0.25, 0.5)
    assert rows["evt", "radiological"].trials == 1
    assert rows["evt0", "drawn"].silent == 0.0
    assert rows["evt1", "drawn"].false_alarms is None


def test_a_method_without_an_opinion_shows_none():
    rows = foreign_rows([_trial("tavi0", 1.0, UNJUDGED, method="stock-diffdrr-ncc")])
    assert rows[0].accepted is None
    assert rows[0].false_alarms is None
    line = foreign_markdown(rows).splitlines()[2]
    assert line == "| stock-diffdrr-ncc | tavi | drawn | 1 | 100 | 100 | 1.00 | - | - | - | - | 1.5 |"


def test_models_are_made_from_what_is_asked_for_and_of_the_patients_named(tmp_path):
    _run(tmp_path, "evt0_ap", "evt0")
    _run(tmp_path, "evt1_ap", "evt1")
    with pytest.raises(InputError, match=r"evt0: has no cta\.nii\.gz"):
        foreign_sources(tmp_path, made_from="cta")
    (tmp_path / "evt1" / "cta.nii.gz").write_bytes(b"")
    assert [name for name, _ in foreign_sources(tmp_path, made_from="cta", only=("evt1",))] == ["evt1, model from cta"]
    with pytest.raises(InputError, match="has no patient evt7; there are evt0, evt1"):
        foreign_sources(tmp_path, only=("evt7",))
    with pytest.raises(InputError, match="--model stl: expected masks, cta, centerlines, surface"):
        model_source("stl")
