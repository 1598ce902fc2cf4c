"""Radii measured by contrast in a CT, on tubes of known radius with a scanner's blur."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from engines.anatomy.centerlines.lumen_radius import with_radii_from_ct
from engines.anatomy.centerlines.skeleton import centerlines_from_labels
from engines.anatomy.vessel_model import Branch, CenterlineTree, CtVolume, LabelVolume
from tests.engines.anatomy.shapes import Segment, distance_mm, to_segment_mm

TISSUE_HU, BLOOD_HU = 36.0, 390.0
THIN: Segment = ((-9.0, -7.0, -8.0), (9.0, -4.0, 8.0))
THICK: Segment = ((-9.0, 6.0, -8.0), (9.0, 7.0, 8.0))
_FINER = 3


def _blurred(tubes: list[tuple[Segment, float]], voxel_mm: float, blur_mm: float, seed: int = 0) -> CtVolume:
    """Tubes painted on a finer grid, blurred by the point spread, averaged to voxels, with noise."""
    fine_mm = voxel_mm / _FINER
    shape = tuple(_FINER * round(size / voxel_mm) for size in (22.0, 26.0, 20.0))
    fine_from_index = np.diag([fine_mm, fine_mm, fine_mm, 1.0])
    fine_from_index[:3, 3] = -0.5 * np.array(shape) * fine_mm + np.array([0.13, -0.21, 0.08])
    share = np.zeros(shape, dtype=np.float32)
    for segment, radius_mm in tubes:
        far = distance_mm(shape, fine_from_index, [segment]).astype(np.float32)
        share = np.maximum(share, np.clip(0.5 - (far - radius_mm) / fine_mm, 0.0, 1.0))
    share = ndimage.gaussian_filter(share, blur_mm / fine_mm, truncate=3.0)
    coarse = share.reshape([n for size in shape for n in (size // _FINER, _FINER)]).mean(axis=(1, 3, 5))
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=coarse.shape), 0.7)
    hu = TISSUE_HU + (BLOOD_HU - TISSUE_HU) * coarse + 11.0 * noise / noise.std()
    lps_from_index = fine_from_index @ np.diag([_FINER, _FINER, _FINER, 1.0])
    lps_from_index[:3, 3] += fine_from_index[:3, :3] @ np.full(3, 0.5 * (_FINER - 1))
    return CtVolume(voxels_hu=hu.astype(np.float32), lps_from_index=lps_from_index)


def _line(segment: Segment, radius_mm: float, voxel_mm: float) -> Branch:
    count = int(np.linalg.norm(np.subtract(*segment)) / voxel_mm)
    points_mm = np.linspace(segment[0], segment[1], count)
    return Branch(points_mm=points_mm, radius_mm=np.full(count, radius_mm))


@pytest.mark.parametrize("radius_mm", [0.4, 0.7, 1.1, 1.6])
@pytest.mark.parametrize(("voxel_mm", "blur_mm"), [(0.6, 0.4), (1.1, 0.5)])
def test_blur_does_not_widen_a_thin_vessel(radius_mm: float, voxel_mm: float, blur_mm: float) -> None:
    ct = _blurred([(THIN, radius_mm), (THICK, 2.6)], voxel_mm, blur_mm)
    stated = CenterlineTree(branches=(_line(THIN, radius_mm + 0.6 * voxel_mm, voxel_mm), _line(THICK, 2.7, voxel_mm)))
    thin, thick = with_radii_from_ct(stated, ct).branches
    assert np.median(thin.radius_mm[3:-3]) == pytest.approx(radius_mm, abs=0.12)
    assert np.median(thick.radius_mm[3:-3]) == pytest.approx(2.6, abs=0.2)


def test_a_neighbour_is_not_counted_and_nothing_becomes_wider() -> None:
    beside: Segment = ((-9.0, -4.0, -8.0), (9.0, -1.0, 8.0))
    ct = _blurred([(THIN, 0.7), (beside, 0.9), (THICK, 2.6)], 0.6, 0.4)
    stated = CenterlineTree(branches=(_line(THIN, 1.2, 0.6), _line(THICK, 2.2, 0.6)))
    thin, thick = with_radii_from_ct(stated, ct).branches
    assert np.median(thin.radius_mm[3:-3]) == pytest.approx(0.7, abs=0.15)
    assert thick.radius_mm.max() <= 2.2


def test_radii_from_labels_are_too_wide_for_thin_vessels_and_the_ct_corrects_them() -> None:
    ct = _blurred([(THIN, 0.9), (THICK, 2.6)], 1.1, 0.5)
    labels = LabelVolume(
        labels=(np.asarray(ct.voxels_hu) > TISSUE_HU + 0.4 * (BLOOD_HU - TISSUE_HU)).astype(np.uint8),
        lps_from_index=ct.lps_from_index,
        names={1: "artery"},
    )
    tree = centerlines_from_labels(labels)

    def middle_mm(found: CenterlineTree, segment: Segment) -> float:
        near = to_segment_mm(found.points_mm(), segment) < 1.0
        return float(np.median(found.radius_mm()[near]))

    mended = with_radii_from_ct(tree, ct)
    assert middle_mm(tree, THIN) > 0.9 + 0.1
    assert middle_mm(mended, THIN) == pytest.approx(0.9, abs=0.15)
    assert middle_mm(mended, THICK) == pytest.approx(2.6, abs=0.25)


def test_a_vessel_of_every_width_at_once_has_a_radius_everywhere() -> None:
    ct = _blurred([(THIN, 0.7), (THICK, 2.6)], 0.6, 0.4)
    branch = _line(THIN, 0.9, 0.6)
    wide = np.where(np.arange(len(branch.points_mm)) < 8, 6.0, branch.radius_mm)
    (found,) = with_radii_from_ct(CenterlineTree(branches=(replace(branch, radius_mm=wide),)), ct).branches
    assert np.isfinite(found.radius_mm).all()
    np.testing.assert_array_equal(found.radius_mm[:8], 6.0)
