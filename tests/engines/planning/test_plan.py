"""A plan is kept in its case as a person of 3D Slicer could read it, whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration.errors import InputError
from engines.anatomy.cases.case import Case, load_case
from engines.anatomy.cases.case_creation import create_case
from engines.anatomy.correcting.case_edits import write_edited
from engines.anatomy.correcting.edits import NameBranch
from engines.anatomy.files.labels import save_labels
from engines.anatomy.files.landmark_file import read_landmarks, read_planes
from engines.planning.annulus import annulus_of
from engines.planning.plan import Mark, Plan, keep_plan, read_plan
from tests.engines.anatomy.shapes import tube_labels

HINGES = {
    "right": np.array([0.0, -12.0, 1.0]),
    "left": np.array([10.0, 6.0, 0.0]),
    "non-coronary": np.array([-10.0, 6.0, -1.0]),
}
MARKS = (
    Mark(name="clot", kind="target", point_mm=np.array([1.0, 2.0, 3.0])),
    Mark(name="LCA", kind="ostium", point_mm=np.array([8.0, 1.0, 14.5])),
    Mark(name="left renal", kind="landmark", point_mm=np.array([-4.0, 0.25, -9.0])),
)
PLAN = Plan(marks=MARKS, hinges=HINGES)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    save_labels(tmp_path / "labels.nii.gz", tube_labels([((0, 0, -22), (0, 0, 22))], 5.0))
    return create_case(tmp_path / "case", "tavi", vessels=tmp_path / "labels.nii.gz", names="1=aorta")


def same(one: Plan, other: Plan) -> bool:
    def key(plan: Plan) -> list[tuple[str, str, tuple[float, ...]]]:
        return sorted((mark.name, mark.kind, tuple(mark.point_mm.tolist())) for mark in plan.marks)

    return key(one) == key(other) and all(np.allclose(one.hinges[cusp], other.hinges[cusp]) for cusp in HINGES)


def test_what_is_kept_comes_back_and_the_live_room_s_readers_see_points_and_the_ring(case: Case) -> None:
    new = keep_plan(case, PLAN)
    assert same(read_plan(new), PLAN)
    assert {one.name for one in read_landmarks(new.files["landmarks"].path)} == {"clot", "LCA", "left renal"}
    plane = read_planes(new.files["planes"].path)[0]
    annulus = annulus_of(np.array(list(HINGES.values())))
    assert plane.name == "Annulus"
    assert plane.centre_lps_mm == pytest.approx(annulus.centre_mm)
    assert plane.radius_mm == pytest.approx(0.5 * annulus.circle_mm)
    assert not read_plan(case).marks


def test_a_plan_that_changes_leaves_no_file_of_before_and_an_empty_one_none(case: Case) -> None:
    first = keep_plan(case, PLAN)
    second = keep_plan(first, read_plan(first).without("clot"))
    assert {mark.name for mark in read_plan(second).marks} == {"LCA", "left renal"}
    assert len(list(case.folder.glob("*.mrk.json"))) == 2
    keep_plan(second, Plan())
    assert not list(case.folder.glob("*.mrk.json"))
    assert not {"landmarks", "planes"} & set(load_case(case.folder).files)


def test_a_full_disk_leaves_the_plan_of_before(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keep_plan(case, PLAN)

    def full(*_: Any, **__: Any) -> None:
        raise InputError(f"no room ({errno.ENOSPC})")

    monkeypatch.setattr("engines.planning.plan.write_case", full)
    with pytest.raises(InputError, match="no room"):
        keep_plan(before, PLAN.without("LCA"))
    assert same(read_plan(load_case(case.folder)), PLAN)


def test_planes_and_points_that_came_with_the_case_stay(case: Case) -> None:
    mine = Plan(others={"landing zone": np.array([[0.0, 0, 0], [10, 0, 0], [0, 10, 0]])})
    kept = keep_plan(case, mine)
    again = keep_plan(kept, Plan(marks=MARKS, hinges=HINGES, others=read_plan(kept).others))
    assert {plane.name for plane in read_planes(again.files["planes"].path)} == {"landing zone", "Annulus"}


def test_a_corrected_case_keeps_its_plan(case: Case, tmp_path: Path) -> None:
    kept = keep_plan(case, PLAN)
    (tmp_path / "new").mkdir()
    write_edited(kept, tmp_path / "new", [NameBranch(at_mm=(0.0, 0.0, 0.0), name="aorta ascendens")])
    assert same(read_plan(load_case(tmp_path / "new")), PLAN)


def test_marks_are_moved_and_there_is_one_target() -> None:
    plan = PLAN.with_mark(Mark(name="other", kind="target", point_mm=np.zeros(3)))
    assert [mark.name for mark in plan.marks if mark.kind == "target"] == ["other"]
    moved = plan.with_mark(Mark(name="LCA", kind="ostium", point_mm=np.ones(3)))
    assert len(moved.marks) == len(plan.marks)
    assert PLAN.without("left").hinges_mm is None
    with pytest.raises(ValueError, match="no cusp"):
        PLAN.with_hinge("mitral", np.zeros(3))


def test_a_bundled_case_is_not_written() -> None:
    with pytest.raises(InputError, match="stays as it is"):
        keep_plan(load_case("tavi"), PLAN)
