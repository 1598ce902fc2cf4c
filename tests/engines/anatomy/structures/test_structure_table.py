import numpy as np
import pytest

from engines.anatomy.centerlines.skeleton import centerlines_from_labels
from engines.anatomy.structures.structure_table import structures_of
from engines.anatomy.vessel_model import Branch, CenterlineTree, LabelVolume, VesselModel
from tests.engines.anatomy.shapes import distance_mm, grid

SHAPE = (60, 40, 80)


def test_each_label_has_its_class_length_and_volume() -> None:
    lps_from_index = grid(SHAPE, (1.0, 1.0, 1.0))
    labels = np.zeros(SHAPE, np.uint8)
    labels[distance_mm(SHAPE, lps_from_index, [((-15, 0, -30), (-15, 0, 30))]) <= 4.0] = 1
    labels[distance_mm(SHAPE, lps_from_index, [((15, 0, -20), (15, 0, 20))]) <= 3.0] = 2
    volume = LabelVolume(labels=labels, lps_from_index=lps_from_index, names={1: "M1", 2: "vein 2 (guessed)"})
    first, second = structures_of(VesselModel(labels=volume, centerlines=centerlines_from_labels(volume)))
    assert (first.label, first.name, first.structure_class, first.guessed) == (1, "M1", "artery", False)
    assert (second.structure_class, second.guessed, second.lumen) == ("vein", True, "")
    assert first.length_mm == pytest.approx(66, abs=5)
    assert second.length_mm == pytest.approx(45, abs=5)
    assert first.volume_mm3 == (labels == 1).sum()
    assert "2 vein 2 (guessed): vein" in second.line()


def test_two_lumina_are_each_as_long_as_themselves() -> None:
    lps_from_index = grid(SHAPE, (1.0, 1.0, 1.0))
    labels = np.zeros(SHAPE, np.uint8)
    tube = distance_mm(SHAPE, lps_from_index, [((0, 0, -30), (0, 0, 30))]) <= 12.0
    labels[tube] = 1
    labels[tube & (np.arange(60)[:, None, None] > 32)] = 2  # a crescent beside it
    volume = LabelVolume(labels=labels, lps_from_index=lps_from_index, names={1: "aorta", 2: "aorta_false_lumen"})
    true, false = structures_of(VesselModel(labels=volume))
    assert (true.lumen, false.lumen) == ("true", "false")
    assert true.length_mm == pytest.approx(75, abs=15)
    assert false.length_mm == pytest.approx(75, abs=15)
    assert "aorta: aorta, true lumen" in true.line()


def test_branches_without_labels_are_structures_by_name_and_their_volume_is_that_of_tubes() -> None:
    points = np.array([[0.0, 0, 0], [0, 0, 10], [0, 0, 20]])
    tree = CenterlineTree(
        branches=(
            Branch(points_mm=points, radius_mm=np.full(3, 2.0), name="LAD"),
            Branch(points_mm=points + 5, radius_mm=np.full(3, np.nan), vessel_class="vein"),
        )
    )
    lad, vein = structures_of(VesselModel(centerlines=tree))
    assert (lad.name, lad.structure_class, lad.length_mm, lad.branches) == ("LAD", "artery", 20.0, 1)
    assert lad.volume_mm3 == pytest.approx(20 * np.pi * 4, abs=0.1)
    assert (vein.name, vein.structure_class, vein.volume_mm3) == ("vein", "vein", None)
    assert "volume unknown" in vein.line()
