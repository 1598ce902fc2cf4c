"""The access vessels of a TAVI patient: a separate kind of case, with its own network."""

import json
from pathlib import Path

import numpy as np
import pytest

from calibration.errors import InputError
from engines.anatomy.cases.case import load_case
from engines.segmentation.scenes import model_for_kind
from engines.simulation.anatomies.anatomy import Patient
from engines.simulation.simulated_case import draw_case, simulate_case


@pytest.fixture(scope="module")
def small_case(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cases") / "tavi-lower-7"
    return simulate_case("tavi", 7, folder, field_of_view="lower", frames=4)


@pytest.fixture(scope="module")
def patient() -> Patient:
    return draw_case("tavi", 8, 4, field_of_view="lower")[0]


def test_the_case_says_that_it_shows_the_access_and_gets_its_network(small_case):
    case = load_case(small_case)
    assert (case.id, case.kind, case.field_of_view) == ("tavi-lower-7", "tavi", "lower")
    assert model_for_kind(case.kind, case.field_of_view) == "aortic-lower"
    assert load_case("tavi").field_of_view == "upper"


def test_projected_centerlines_lie_in_the_masks(small_case):
    tree = load_case(small_case).vessel_model().centerlines
    assert tree is not None
    aorta = np.concatenate([b.points_mm for b in tree.branches if b.name == "aorta"])
    with np.load(small_case / "truth" / "run1_labels.npz") as archive:
        labels = archive["labels"]
    frame = int((labels > 0).sum(axis=(1, 2)).argmax())
    view = json.loads((small_case / "truth" / "run1.json").read_text())["views"][frame]
    seen = np.column_stack([aorta, np.ones(len(aorta))]) @ np.array(view["projection_px_from_lps_mm"]).T
    column, row = np.rint(seen[:, :2] / seen[:, 2:]).astype(int).T
    inside = (column >= 20) & (row >= 20) & (column < 492) & (row < 492)
    assert inside.sum() > 50
    assert (labels[frame][row[inside], column[inside]] > 0).mean() > 0.9


def test_every_artery_hangs_together_from_the_aorta_to_both_groins(patient):
    tree = patient.tree
    assert [b.name for b in tree.branches if b.parent < 0] == ["aorta"]
    names = {b.name for b in tree.branches}
    assert {f"common-femoral-{side}" for side in ("left", "right")} <= names
    for branch in tree.branches:
        if branch.parent >= 0:
            gap_mm = np.linalg.norm(tree.branches[branch.parent].points_mm - branch.points_mm[0], axis=1).min()
            assert gap_mm < 1.0
    left = np.concatenate([b.points_mm for b in tree.branches if b.name.endswith("femoral-left")])
    assert left[:, 0].mean() > patient.offset_mm[0], "the patient's left is +x in LPS"


def test_only_a_tavi_patient_has_an_access(tmp_path):
    with pytest.raises(InputError, match="lower field of view"):
        simulate_case("evt", 7, tmp_path / "case", field_of_view="lower")
    assert not (tmp_path / "case").exists()
