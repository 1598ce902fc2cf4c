"""Every step is taken back exactly and done again; names go along a vessel; a case keeps what was done, whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calibration.errors import InputError
from engines.anatomy.cases.by_hand import BY_HAND_FILE, read_by_hand
from engines.anatomy.cases.case import Case, load_case
from engines.anatomy.cases.case_creation import create_case
from engines.anatomy.cases.case_summary import summarise, summary_lines
from engines.anatomy.correcting.case_edits import write_edited
from engines.anatomy.correcting.edits import Brush, Cut, Edit, ErasePart, NameBranch, SayPart, SayStructure
from engines.anatomy.correcting.history import History
from engines.anatomy.files.labels import save_labels
from engines.anatomy.vessel_model import VesselModel
from tests.engines.anatomy.correcting.phantom import BRANCH, TRUNK, labels_of, model_of, tube

OTHER = ((14, 0, -24), (14, 0, -10))
LABELS = labels_of(tube([TRUNK], 4.0) | tube([BRANCH], 2.0), tube([OTHER], 3.0), names=["artery", "vein"])
EDITS: tuple[Edit, ...] = (
    NameBranch(at_mm=(10.0, 0.0, 5.3), name="LAD"),
    SayPart(at_mm=(14.0, 0.0, -17.0), said="artery"),
    Brush(centres_mm=((20.0, 0.0, 8.0),), radius_mm=4.0),
    SayStructure(structure="artery", said="aorta"),
    ErasePart(at_mm=(14.0, 0.0, -17.0)),
)


def same(one: VesselModel, other: VesselModel) -> bool:
    assert one.labels is not None
    assert other.labels is not None
    assert one.centerlines is not None
    assert other.centerlines is not None
    lines = zip(one.centerlines.branches, other.centerlines.branches, strict=True)
    return (
        np.array_equal(one.labels.labels, other.labels.labels)
        and one.labels.names == other.labels.names
        and all(
            (a.name, a.vessel_class, a.parent) == (b.name, b.vessel_class, b.parent)
            and np.array_equal(a.points_mm, b.points_mm)
            for a, b in lines
        )
    )


def test_each_step_is_taken_back_exactly_and_done_again() -> None:
    histories = [History(model=model_of(LABELS))]
    for edit in EDITS:
        histories.append(histories[-1].did(edit, lambda: None))
        assert not same(histories[-1].model, histories[-2].model)
    back = histories[-1]
    for before in histories[-2::-1]:
        back = back.undo()
        assert same(back.model, before.model)
        assert back.edits == before.edits
    with pytest.raises(InputError, match="nothing to take back"):
        back.undo()
    for later in histories[1:]:
        back = back.redo()
        assert same(back.model, later.model)
    with pytest.raises(InputError, match="nothing to do again"):
        back.redo()


def test_a_new_step_after_undo_leaves_nothing_to_redo() -> None:
    history = History(model=model_of(LABELS)).did(EDITS[0], lambda: None).undo().did(EDITS[1], lambda: None)
    assert history.edits == (EDITS[1],)
    with pytest.raises(InputError, match="nothing to do again"):
        history.redo()


def test_a_refused_edit_leaves_the_history_as_it_was() -> None:
    history = History(model=model_of(LABELS)).did(EDITS[0], lambda: None)
    with pytest.raises(InputError):
        history.did(Cut(keep_mm=(-10.0, 0.0, 0.0), lose_mm=(14.0, 0.0, -17.0)), lambda: None)
    assert history.edits == EDITS[:1]


def test_a_name_goes_onward_along_the_main_line_and_not_into_side_branches() -> None:
    model = model_of(LABELS)
    assert model.centerlines is not None
    first = next(
        branch for branch in model.centerlines.branches if branch.parent < 0 and branch.vessel_class == "artery"
    )
    begin = (float(first.points_mm[3, 0]), float(first.points_mm[3, 1]), float(first.points_mm[3, 2]))
    history = History(model=model)
    named = history.did(NameBranch(at_mm=begin, name="RCA"), lambda: None).model.centerlines
    one = history.did(NameBranch(at_mm=begin, name="RCA", onward=False), lambda: None).model.centerlines
    assert named is not None
    assert one is not None
    trunk = [branch for branch in named.branches if branch.name == "RCA"]
    assert len(trunk) == 2
    assert all(np.ptp(branch.points_mm[:, 0]) < 4.0 for branch in trunk)
    assert np.ptp(np.concatenate([branch.points_mm for branch in trunk])[:, 2]) > 45.0
    assert [branch.name for branch in one.branches].count("RCA") == 1


def test_a_name_that_says_a_class_decides_it_and_one_of_no_vessel_is_refused() -> None:
    history = History(model=model_of(LABELS))
    tree = history.did(NameBranch(at_mm=(10.0, 0.0, 5.3), name="coronary sinus"), lambda: None).model.centerlines
    assert tree is not None
    assert {branch.vessel_class for branch in tree.branches if branch.name == "coronary sinus"} == {"vein"}
    mine = history.did(NameBranch(at_mm=(14.0, 0.0, -17.0), name="blob"), lambda: None).model.centerlines
    assert mine is not None
    assert [b.vessel_class for b in mine.branches if b.name == "blob (vein)"] == ["vein"]
    for name, why in (("femur", "no vessel"), ("   ", "needs a name")):
        with pytest.raises(InputError, match=why):
            history.did(NameBranch(at_mm=(10.0, 0.0, 5.3), name=name), lambda: None)
    with pytest.raises(InputError, match="no centerline runs there"):
        history.did(NameBranch(at_mm=(10.0, 25.0, 5.3), name="LAD"), lambda: None)


def test_a_named_branch_keeps_its_name_when_its_part_is_of_another_class() -> None:
    history = History(model=model_of(LABELS)).did(NameBranch(at_mm=(14.0, 0.0, -17.0), name="V1"), lambda: None)
    tree = history.did(SayPart(at_mm=(14.0, 0.0, -17.0), said="artery"), lambda: None).model.centerlines
    assert tree is not None
    assert "V1" in {branch.name for branch in tree.branches if branch.vessel_class == "artery"}


def test_a_model_of_lines_alone_is_named_and_erased_by_branches_and_says_what_it_cannot() -> None:
    model = VesselModel(centerlines=model_of(LABELS).centerlines)
    history = History(model=model)
    tree = history.did(ErasePart(at_mm=(10.0, 0.0, 5.3)), lambda: None).model.centerlines
    assert tree is not None
    assert model.centerlines is not None
    assert len(tree.branches) == len(model.centerlines.branches) - 1
    assert history.did(NameBranch(at_mm=(10.0, 0.0, 5.3), name="D1"), lambda: None).edits
    with pytest.raises(InputError, match="no label volume"):
        history.did(Brush(centres_mm=((0.0, 0.0, 0.0),), radius_mm=2.0), lambda: None)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    save_labels(tmp_path / "labels.nii.gz", LABELS)
    return create_case(tmp_path / "case", "coronary", vessels=tmp_path / "labels.nii.gz", names="1=artery,2=vein")


def test_a_corrected_case_has_the_new_model_in_all_its_files(case: Case, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    write_edited(case, tmp_path / "new", EDITS)
    new, history = load_case(tmp_path / "new"), History(model=replace(case.vessel_model(), surface=None))
    for edit in EDITS:
        history = history.did(edit, lambda: None)
    model = new.vessel_model()
    assert same(model, history.model)
    assert model.surface is not None
    assert model.surface.vertices_mm[:, 0].max() < 19.0  # the tip of the branch was brushed away, the vein erased
    assert {new.files[role].sha256 for role in new.files}.isdisjoint({case.files[role].sha256 for role in case.files})
    before = case.vessel_model().surface
    assert before is not None
    assert before.vertices_mm[:, 0].max() > 20.0


def test_what_was_done_by_hand_is_listed_and_told(case: Case, tmp_path: Path) -> None:
    for number, edits in enumerate((EDITS[:2], EDITS[2:])):
        (tmp_path / f"new{number}").mkdir()
        write_edited(case if number == 0 else load_case(tmp_path / "new0"), tmp_path / f"new{number}", edits)
    entries = read_by_hand(tmp_path / "new1")
    assert [entry.edit for entry in entries] == list(EDITS)
    assert {entry.by for entry in entries} == {"hand"}
    summary = summarise(load_case(tmp_path / "new1"), load_case(tmp_path / "new1").vessel_model(), None)
    lines = [line for line in summary_lines(summary) if line.startswith("by hand")]
    assert len(lines) == len(EDITS)
    assert "named LAD" in lines[0]
    assert [entry["edit"]["kind"] for entry in summary.as_json()["by_hand"]] == [edit.kind for edit in EDITS]
    assert summarise(case, case.vessel_model(), None).as_json()["by_hand"] == []


def test_an_edit_that_cannot_be_done_is_one_line_and_the_case_stays(case: Case, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with pytest.raises(InputError, match="no vessel of the model lies there"):
        write_edited(case, tmp_path / "new", [*EDITS, ErasePart(at_mm=(0.0, 25.0, 25.0))])
    assert not list((tmp_path / "new").iterdir())
    assert load_case(case.folder).files == case.files


def test_a_damaged_list_is_named(case: Case) -> None:
    (case.folder / BY_HAND_FILE).write_text('{"schema": "guidance-app/case-by-hand/1", "entries": [{"when": 3}]}')
    with pytest.raises(InputError, match=BY_HAND_FILE):
        read_by_hand(case.folder)
