"""What a person corrects: classes, and what is left out; the case is written whole, and as before where it fails."""

from pathlib import Path

import numpy as np
import pytest

from calibration.errors import InputError
from engines.anatomy.cases.by_hand import BY_HAND_FILE
from engines.anatomy.cases.case import Case, load_case
from engines.anatomy.cases.case_correction import LEFT_OUT, corrected
from engines.anatomy.cases.case_creation import create_case
from engines.anatomy.cases.intake_notes import NOTES_FILE, read_notes, write_notes
from engines.anatomy.correcting.case_edits import write_edited
from engines.anatomy.correcting.edits import SayStructure
from engines.anatomy.files.labels import save_labels
from engines.anatomy.structures.structure_table import structures_of
from tests.engines.anatomy.shapes import tube_labels


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """Two tubes side by side, called artery and vein."""
    for name, x in (("artery", -12), ("vein", 12)):
        save_labels(tmp_path / "masks" / f"{name}.nii.gz", tube_labels([((x, 0, -22), (x, 0, 22))], 3.0))
    return create_case(tmp_path / "case", "evt", vessels=tmp_path / "masks")


def classes(case: Case) -> dict[str, str]:
    return {one.name: one.structure_class for one in structures_of(case.vessel_model())}


def test_a_class_is_said_in_labels_and_branches_alike(case: Case, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    write_edited(case, tmp_path / "new", [SayStructure(structure="vein", said="artery")])
    new = load_case(tmp_path / "new")
    assert (new.id, new.kind) == (case.id, "evt")
    assert classes(new) == {"artery": "artery", "vein (artery)": "artery"}
    tree = new.vessel_model().centerlines
    assert tree is not None
    assert {branch.vessel_class for branch in tree.branches} == {"artery"}
    assert classes(case) == {"artery": "artery", "vein": "vein"}


def test_a_structure_that_is_left_out_is_in_no_part_of_the_model(case: Case) -> None:
    model = corrected(case.vessel_model(), {"vein": LEFT_OUT})
    assert model.labels is not None
    assert model.surface is not None
    assert model.centerlines is not None
    assert list(model.labels.names.values()) == ["artery"]
    for points in (model.surface.vertices_mm, model.centerlines.points_mm()):
        assert points[:, 0].max() < 0.0  # the vein lies at the other side
    assert np.unique(model.labels.labels).tolist() == [0, *model.labels.names]


def test_a_branch_whose_parent_is_left_out_begins_a_tree_of_its_own() -> None:
    model = load_case("tavi").vessel_model()
    assert model.centerlines is not None
    trunk = next(b for i, b in enumerate(model.centerlines.branches) if any(
        other.parent == i and other.name != b.name for other in model.centerlines.branches))  # fmt: skip
    left = corrected(model, {trunk.name or trunk.vessel_class: LEFT_OUT}).centerlines
    assert left is not None
    assert 0 < len(left.branches) < len(model.centerlines.branches)
    assert all(-1 <= branch.parent < len(left.branches) for branch in left.branches)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"heart": "vein"}, "no such structure"),
        ({"vein": "purple"}, "is no class"),
        ({"vein": LEFT_OUT, "artery": LEFT_OUT}, "nothing is left"),
    ],
)
def test_what_makes_no_sense_is_one_line(case: Case, said: dict[str, str], why: str) -> None:
    with pytest.raises(InputError, match=why):
        corrected(case.vessel_model(), said)


def test_whatever_else_lies_in_the_case_stays(case: Case, tmp_path: Path) -> None:
    (case.folder / "truth").mkdir()
    (case.folder / "truth" / "mine.json").write_text("{}")
    (tmp_path / "new").mkdir()
    write_edited(case, tmp_path / "new", [SayStructure(structure="vein", said=LEFT_OUT)])
    assert (tmp_path / "new" / "truth" / "mine.json").read_text() == "{}"
    before = {path.relative_to(case.folder) for path in case.folder.rglob("*")}
    after = {path.relative_to(tmp_path / "new") for path in (tmp_path / "new").rglob("*")}
    assert after == before | {Path(BY_HAND_FILE)}


def test_notes_keep_no_path_and_go_with_the_case(case: Case, tmp_path: Path) -> None:
    source = tmp_path / "DOE_JANE" / "cta.nii.gz"
    note = f"{source}: 3 identical copies of slices are left out; {source.name} is large"
    write_notes(case.folder, [note], sources={source: "the CTA", source.parent: "the CTA's folder"})
    assert read_notes(case.folder) == ("the CTA: 3 identical copies of slices are left out; the CTA is large",)
    (tmp_path / "new").mkdir()
    write_edited(case, tmp_path / "new", [SayStructure(structure="vein", said="artery")])
    assert read_notes(tmp_path / "new") == read_notes(case.folder)
    assert read_notes(tmp_path / "nowhere") == ()
    (case.folder / NOTES_FILE).write_text("[broken")
    assert read_notes(case.folder) == ()
