from itertools import pairwise

import numpy as np
import pytest

from engines.anatomy.cases.case import load_case
from engines.anatomy.structures.guessed_classes import guessed_classes
from engines.anatomy.vessel_model import CtVolume, LabelVolume
from tests.engines.anatomy.shapes import Segment, distance_mm, grid
from tests.real_data import real_data

SHAPE = (90, 90, 90)


def _labels(*parts: tuple[list[Segment], float]) -> LabelVolume:
    """Tubes of a radius, numbered in order; 2 mm voxels about the origin."""
    lps_from_index = grid(SHAPE, (2.0, 2.0, 2.0))
    labels = np.zeros(SHAPE, np.uint8)
    for number, (segments, radius_mm) in enumerate(parts, start=1):
        labels[(distance_mm(SHAPE, lps_from_index, segments) <= radius_mm) & (labels == 0)] = number
    return LabelVolume(labels=labels, lps_from_index=lps_from_index)


def _head() -> list[tuple[list[Segment], float]]:
    """Right and left carotid with middle cerebral arteries, sagittal sinus, a transverse sinus."""
    sides: list[tuple[list[Segment], float]] = [
        ([((s * 15, -5, -80), (s * 15, -5, -20)), ((s * 15, -5, -20), (s * 55, -10, -10))], 2.5) for s in (-1, 1)
    ]
    arch = np.linspace(0.15 * np.pi, np.pi, 12)
    curve = [(0.0, float(-75 * np.cos(a)), float(80 * np.sin(a)) - 10) for a in arch]
    sinus: list[Segment] = list(pairwise(curve))
    transverse: list[Segment] = [((0, 75, -10), (60, 40, -20))]
    return [*sides, (sinus, 4.0), (transverse, 4.0)]


def test_sinuses_are_veins_and_deep_trunks_arteries_in_any_numbering() -> None:
    parts = _head()
    assert guessed_classes(_labels(*parts), "evt") == {1: "artery", 2: "artery", 3: "vein", 4: "vein"}
    assert guessed_classes(_labels(*parts[::-1]), "evt") == {1: "vein", 2: "vein", 3: "artery", 4: "artery"}


def test_one_structure_of_a_head_is_an_artery() -> None:
    assert guessed_classes(_labels(_head()[2]), "evt") == {1: "artery"}


AORTA: list[Segment] = [((0, -40, -20), (0, -40, 40)), ((0, -40, 40), (0, 20, 50)), ((0, 20, 50), (0, 20, -80))]
BESIDE: list[Segment] = [((18, 20, 45), (18, 20, -80))]
BRANCH: list[Segment] = [((0, -10, 48), (-10, -10, 80))]
CAVA: list[Segment] = [((-60, 10, 60), (-60, 10, -80))]


def test_a_lumen_along_the_aorta_is_false_a_branch_an_artery_and_a_large_vessel_apart_a_vein() -> None:
    labels = _labels((BRANCH, 4.0), (BESIDE, 8.0), (AORTA, 11.0), (CAVA, 10.0))
    assert guessed_classes(labels, "tavi") == {1: "artery", 2: "false lumen", 3: "aorta", 4: "vein"}


def test_the_brighter_of_two_lumina_is_true() -> None:
    labels = _labels((AORTA, 9.0), (BESIDE, 9.0))
    hu = np.where(labels.labels == 2, 450, np.where(labels.labels == 1, 200, 0)).astype(np.int16)
    ct = CtVolume(voxels_hu=hu, lps_from_index=labels.lps_from_index)
    assert guessed_classes(labels, "tavi", ct) == {1: "false lumen", 2: "aorta"}


@pytest.mark.parametrize("kind", ["evt", "tavi"])
def test_bundled_cases_are_guessed_as_they_are_named(kind: str) -> None:
    labels = load_case(kind).vessel_model().labels
    assert labels is not None
    assert guessed_classes(labels, kind) == labels.names


@pytest.mark.parametrize("name", ["tavi0", "evt0"])
def test_real_anatomy_is_guessed_right(name: str) -> None:
    from engines.anatomy.files.labels import load_labels
    from engines.anatomy.structure_names import structure_class_of

    labels = load_labels(real_data("foreign_runs") / name / "masks")
    expected = {number: structure_class_of(said) for number, said in labels.names.items()}
    assert guessed_classes(labels, "evt" if name.startswith("evt") else "tavi") == expected
