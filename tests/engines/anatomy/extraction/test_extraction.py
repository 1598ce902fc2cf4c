"""Extraction on synthetic chests and heads with known vessels; real CTAs are harder."""

import numpy as np
import pytest
from scipy import ndimage

from calibration.errors import InputError
from engines.anatomy.extraction.extraction import extract_vessels
from engines.anatomy.vessel_model import CtVolume, LabelVolume
from tests.engines.anatomy.shapes import Segment, distance_mm, grid

SHAPE = (70, 60, 60)
SPACING_MM = (1.0, 1.0, 1.0)
AORTA: Segment = ((-8.0, 0.0, -40.0), (-8.0, 0.0, 40.0))
SPINE: Segment = ((14.0, 4.0, -40.0), (14.0, 4.0, 40.0))


def _chest(blood_hu: float, seed: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Soft tissue with noise, a contrast-filled aorta and a spine (dense shell, textured marrow) beside it."""
    rng = np.random.default_rng(seed)
    lps_from_index = grid(SHAPE, SPACING_MM)
    hu = np.full(SHAPE, 50.0)
    spine_mm, aorta_mm = distance_mm(SHAPE, lps_from_index, [SPINE]), distance_mm(SHAPE, lps_from_index, [AORTA])
    marrow = ndimage.gaussian_filter(rng.normal(0, 1, SHAPE), 1.0)
    hu = np.where(spine_mm <= 10, 280 + 120 * marrow / marrow.std(), hu)
    hu = np.where((spine_mm <= 10) & (spine_mm > 8), 900.0, hu)
    hu = np.where(aorta_mm <= 10, blood_hu, hu)
    return hu + rng.normal(0, 15, SHAPE), lps_from_index, aorta_mm


def _ct(hu: np.ndarray, lps_from_index: np.ndarray) -> CtVolume:
    return CtVolume(voxels_hu=hu.astype(np.int16), lps_from_index=lps_from_index)


def _dice(found: LabelVolume, truth: np.ndarray) -> float:
    labelled = found.labels > 0
    return float(2 * (labelled & truth).sum() / (labelled.sum() + truth.sum()))


@pytest.mark.parametrize("blood_hu", [250.0, 350.0, 500.0])
def test_the_threshold_follows_the_contrast_and_bone_is_removed(blood_hu: float) -> None:
    hu, lps_from_index, aorta_mm = _chest(blood_hu)
    found = extract_vessels(_ct(hu, lps_from_index), "tavi")
    assert found.names == {1: "aorta"}
    assert _dice(found, aorta_mm <= 10) > 0.95
    assert found.labels[distance_mm(SHAPE, lps_from_index, [SPINE]) < 7].mean() < 0.01


def test_a_heart_chamber_is_not_part_of_the_aorta() -> None:
    hu, lps_from_index, aorta_mm = _chest(350.0)
    shape = np.array(SHAPE)
    wide = np.full((130, 130, 60), 50.0)
    wide[: shape[0], : shape[1]] = hu
    place = np.indices(wide.shape).reshape(3, -1).T @ lps_from_index[:3, :3].T + lps_from_index[:3, 3]
    chamber_mm = np.linalg.norm((place - (30.0, 70.0, 0.0)) * (1, 1, 1), axis=1).reshape(wide.shape)
    neck: Segment = ((-8.0, 0.0, 0.0), (30.0, 70.0, 0.0))
    wide[(distance_mm(wide.shape, lps_from_index, [neck]) < 8) | (chamber_mm < 26)] = 350.0
    found = extract_vessels(_ct(wide, lps_from_index), "tavi").labels > 0
    assert found[chamber_mm < 20].mean() < 0.05
    assert found[: shape[0], : shape[1]][aorta_mm <= 9].mean() > 0.95


def test_coronaries_come_without_the_aorta_they_spring_from() -> None:
    lps_from_index = grid((70, 80, 60), (0.8, 0.8, 0.8))
    rng = np.random.default_rng(1)
    course: list[Segment] = [((-14.0, 0.0, 0.0), (4.0, 12.0, 4.0)), ((4.0, 12.0, 4.0), (20.0, 14.0, -12.0))]
    coronary_mm = distance_mm((70, 80, 60), lps_from_index, course)
    aorta_mm = distance_mm((70, 80, 60), lps_from_index, [((-14.0, 0.0, -40.0), (-14.0, 0.0, 40.0))])
    hu = np.where((coronary_mm <= 1.8) | (aorta_mm <= 9), 400.0, 40.0) + rng.normal(0, 15, (70, 80, 60))
    found = extract_vessels(_ct(hu, lps_from_index), "coronary")
    assert found.names == {1: "coronary arteries"}
    free = (coronary_mm <= 1.8) & (aorta_mm > 12)
    assert (found.labels > 0)[free].mean() > 0.9
    assert (found.labels > 0)[aorta_mm < 8].mean() < 0.02


def test_cerebral_arteries_survive_the_removal_of_the_skull() -> None:
    shape = (80, 80, 70)
    lps_from_index = grid(shape, (1.6, 1.6, 1.6))
    rng = np.random.default_rng(2)
    from_centre_mm = distance_mm(shape, lps_from_index, [((0.0, 0.0, 0.0), (0.0, 0.0, 0.1))])
    course: list[Segment] = [((0.0, 0.0, -30.0), (0.0, 0.0, 0.0)), ((0.0, 0.0, 0.0), (26.0, 0.0, 16.0)),
                             ((0.0, 0.0, 0.0), (-26.0, 0.0, 16.0))]  # fmt: skip
    artery_mm = distance_mm(shape, lps_from_index, course)
    hu = np.where((from_centre_mm > 49) & (from_centre_mm < 55), 1100.0, 40.0)
    hu = np.where(artery_mm <= 3.0, 400.0, hu) + rng.normal(0, 12, shape)
    found = extract_vessels(_ct(hu, lps_from_index), "evt")
    assert _dice(found, artery_mm <= 3.0) > 0.85
    assert not (found.labels > 0)[from_centre_mm > 47].any()


def test_fine_volumes_are_processed_on_a_coarser_grid_and_stay_in_place() -> None:
    hu, lps_from_index, _ = _chest(400.0)
    fine = np.repeat(np.repeat(np.repeat(hu[:, :, :30], 2, 0), 2, 1), 2, 2)
    fine_from_index = lps_from_index @ np.diag([0.5, 0.5, 0.5, 1.0])
    fine_from_index[:3, 3] -= 0.25
    found = extract_vessels(_ct(fine, fine_from_index), "tavi")
    assert found.labels.shape == (46, 40, 20)
    truth = distance_mm((46, 40, 20), found.lps_from_index, [AORTA]) <= 10
    assert _dice(found, truth) > 0.93


@pytest.mark.parametrize("kind", ["tavi", "coronary", "evt"])
def test_a_ct_without_contrast_is_one_clear_line(kind: str) -> None:
    hu, lps_from_index, _ = _chest(45.0)
    hu = np.minimum(hu, 150)
    with pytest.raises(InputError, match=r"no contrast|no large|nothing is left|no brain case|no round"):
        extract_vessels(_ct(hu, lps_from_index), kind)


def test_both_lumina_of_a_dissected_aorta_are_taken() -> None:
    """The flap is two voxels wide; the false lumen fills late and is half as bright."""
    hu, lps_from_index, aorta_mm = _chest(400.0)
    place = np.indices(SHAPE).reshape(3, -1).T @ lps_from_index[:3, :3].T + lps_from_index[:3, 3]
    false_mm = distance_mm(SHAPE, lps_from_index, [((-8.0, -16.0, -40.0), (-8.0, -16.0, 40.0))])
    gap = np.abs(place[:, 1] + 9.5).reshape(SHAPE) < 1.0
    lung = (false_mm > 11) & (aorta_mm > 11) & (place[:, 0].reshape(SHAPE) < 0)
    rng = np.random.default_rng(1)
    hu = np.where(lung, -800.0, hu)
    hu = np.where((false_mm <= 9) & (aorta_mm > 10) & ~gap, 200.0 + rng.normal(0, 15, SHAPE), hu)
    found = extract_vessels(_ct(hu, lps_from_index), "tavi")
    assert set(found.names.values()) == {"aorta", "aorta false lumen"}
    assert (found.labels > 0)[aorta_mm < 9].mean() > 0.95
    assert (found.labels > 0)[(false_mm < 7) & (aorta_mm > 12)].mean() > 0.8


@pytest.mark.parametrize(("artery_hu", "vein_hu"), [(400.0, 200.0), (220.0, 400.0)])
def test_sinuses_become_veins_and_deep_trunks_arteries_early_and_late(artery_hu: float, vein_hu: float) -> None:
    """In a late CTA the veins are the brighter ones."""
    shape = (80, 80, 80)
    lps_from_index = grid(shape, (1.6, 1.6, 1.6))
    rng = np.random.default_rng(2)
    from_centre_mm = distance_mm(shape, lps_from_index, [((0.0, 0.0, 0.0), (0.0, 0.0, 0.1))])
    trunks: list[Segment] = [((0.0, -4.0, -36.0), (0.0, -4.0, 0.0)), ((0.0, -4.0, 0.0), (26.0, -4.0, 12.0))]
    bridge: list[Segment] = [((26.0, -4.0, 12.0), (0.0, 0.0, 44.0))]
    sinus: list[Segment] = [((0.0, 30.0, 32.0), (0.0, 0.0, 44.0)), ((0.0, 0.0, 44.0), (0.0, -30.0, 32.0))]
    artery_mm = distance_mm(shape, lps_from_index, trunks)
    vein_mm = distance_mm(shape, lps_from_index, sinus)
    hu = np.where((from_centre_mm > 49) & (from_centre_mm < 55), 1100.0, 40.0)
    bridge_mm = distance_mm(shape, lps_from_index, bridge)
    hu = np.where((bridge_mm <= 2.4) & (from_centre_mm < 47), vein_hu, hu)
    hu = np.where(artery_mm <= 3.0, artery_hu, np.where((vein_mm <= 4.0) & (from_centre_mm < 49), vein_hu, hu))
    found = extract_vessels(_ct(hu + rng.normal(0, 12, shape), lps_from_index), "evt")
    assert found.names == {1: "cerebral arteries", 2: "cerebral veins"}
    assert (found.labels == 1)[artery_mm < 2.0].mean() > 0.9
    assert (found.labels == 2)[(vein_mm < 2.5) & (from_centre_mm < 46)].mean() > 0.95
    assert (found.labels == 2)[(bridge_mm < 1.5) & (artery_mm > 12.0) & (from_centre_mm < 46)].mean() > 0.9


def test_a_chest_given_as_a_head_is_one_clear_line() -> None:
    hu, lps_from_index, _ = _chest(350.0)
    with pytest.raises(InputError, match=r"no brain case in this CT.*give a head CTA"):
        extract_vessels(_ct(hu, lps_from_index), "evt")


@pytest.mark.parametrize(("kind", "step_mm"), [("evt", 3.0), ("coronary", 2.0), ("tavi", 6.0)])
def test_voxels_too_coarse_for_the_vessels_are_one_clear_line(kind: str, step_mm: float) -> None:
    hu, lps_from_index, _ = _chest(350.0)
    coarse = lps_from_index @ np.diag([1.0, 1.0, step_mm, 1.0])
    with pytest.raises(InputError, match=f"voxels of {step_mm:.1f} mm are too coarse"):
        extract_vessels(_ct(hu, coarse), kind)
