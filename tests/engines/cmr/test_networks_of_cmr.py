"""The learned arms: shipped networks do what the rules do on a patient that neither learned from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calibration.errors import InputError
from engines.anatomy.files.ct import load_ct
from engines.anatomy.files.nifti import read_nifti
from engines.anatomy.vessel_model import CtVolume
from engines.cmr.arms import DEFAULT, Arms, arms_named
from engines.cmr.heart.ct_heart import heart_on_grid
from engines.cmr.heart.learned_frame import frame_by_network
from engines.cmr.heart.learned_heart import chamber_labels
from engines.cmr.heart.lv_frame import frame_from_masks
from engines.cmr.perfusion.slice_perfusion import measure_slice
from engines.cmr.reading.perfusion import load_perfusion
from engines.cmr.wall.learned_wall import find_wall_in_picture
from engines.networks.cmr_heart_network import CLASSES
from engines.simulation.cmr.ct_picture import ct_picture
from engines.simulation.cmr.patient import draw_patient
from tests.engines.cmr.first_passes import CENTRE, PIXEL_MM, masks


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2.0 * int((a & b).sum()) / int(a.sum() + b.sum())


@pytest.mark.parametrize("wall", ["paths", "network"])
def test_both_arms_find_the_wall_of_a_slice(simulated_case: Path, wall: str) -> None:
    series = load_perfusion(simulated_case / "perfusion")
    for drawn, part in list(zip(series.stress, series.without_masks().stress, strict=True))[:2]:
        found = measure_slice(part, wall=wall).wall
        assert _dice(found.wall, drawn.masks["lv_wall"]) > 0.85
        assert _dice(found.pool, drawn.masks["lv_pool"]) > 0.9
        assert not found.given


def test_a_picture_without_contrast_is_enough_for_the_network() -> None:
    found = masks()
    picture = 0.15 + 0.75 * found["lv_pool"] + 0.7 * found["rv_pool"] + 0.12 * found["lv_wall"]
    wall = find_wall_in_picture(picture, np.full(2, PIXEL_MM), np.array(CENTRE), "a test picture")
    assert _dice(wall.pool, found["lv_pool"]) > 0.9
    assert _dice(wall.wall, found["lv_wall"]) > 0.7


def test_an_empty_picture_has_no_pool() -> None:
    random = np.random.default_rng(0)
    with pytest.raises(InputError, match="sees no LV pool"):
        find_wall_in_picture(random.normal(1.0, 0.01, (60, 60)), np.full(2, 2.0), np.array([30.0, 30.0]), "noise")


def test_chambers_lie_where_the_truth_has_them(simulated_case: Path) -> None:
    labels, grid = chamber_labels(load_ct(simulated_case / "cta.nii.gz"))
    true, affine = read_nifti(simulated_case / "ct_masks" / "lv_cavity.nii.gz")
    mine = np.argwhere(labels == CLASSES.index("lv_cavity")) @ grid[:3, :3].T + grid[:3, 3]
    own = np.argwhere(true > 0) @ affine[:3, :3].T + affine[:3, 3]
    assert np.linalg.norm(mine.mean(axis=0) - own.mean(axis=0)) < 2.0
    volume_ml = len(mine) * 0.027
    assert volume_ml == pytest.approx(len(own) * abs(np.linalg.det(affine[:3, :3])) / 1000.0, rel=0.1)


def test_the_axes_of_an_unseen_heart_come_from_the_ct_itself() -> None:
    """Only the ventricle's place is taken from the masks: turning the frame that they give changes nothing."""
    patient = draw_patient(951)
    picture = ct_picture(patient, np.random.default_rng(4), spacing_mm=1.6)
    ct = CtVolume(voxels_hu=picture.hu.astype(np.int16), lps_from_index=picture.lps_from_index)
    heart = heart_on_grid(ct, picture.masks)
    frame, _ = frame_from_masks(heart)
    told = frame_by_network(heart, frame)
    axis = patient.lps_from_heart[:3, :3] @ patient.ct_heart.mitral_centre()
    cosine = told.axis @ axis / np.linalg.norm(axis)
    assert np.rad2deg(np.arccos(np.clip(cosine, -1, 1))) < 6.0
    assert np.linalg.norm(told.apex_mm - frame.apex_mm) < 10.0
    turned = replace(frame, right=-frame.right, apex_mm=frame.mitral_mm, mitral_mm=frame.apex_mm)
    np.testing.assert_allclose(frame_by_network(heart, turned).axis, told.axis)


def test_arms_have_names() -> None:
    assert arms_named() == DEFAULT
    assert arms_named(wall="network", heart="") == Arms(wall="network", heart=DEFAULT.heart)
    with pytest.raises(InputError, match="--wall magic: choose paths or network"):
        arms_named(wall="magic")
