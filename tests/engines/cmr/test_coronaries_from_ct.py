"""A ball for a heart, two tubes for arteries: what is found, named, measured, and what must not be."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import KDTree

from engines.anatomy.vessel_model import CtVolume
from engines.cmr.coronaries.ct_tree import completed, is_assumed, tree_of_ct
from engines.cmr.coronaries.from_ct import coronaries_from_ct
from engines.cmr.coronaries.stenosis import find_stenoses
from engines.cmr.coronaries.tree import coronary_tree
from engines.cmr.heart.ct_heart import CtHeart, heart_on_grid
from engines.cmr.heart.lv_frame import LvFrame
from engines.cmr.reading.coronaries import CoronaryBranch

FRAME = LvFrame(
    apex_mm=np.array([0.0, 0.0, -24.0]), mitral_mm=np.array([0.0, 0.0, 16.0]), right=np.array([1.0, 0.0, 0.0])
)
_SIZE, _OUTER_MM, _BLOOD_HU, _MUSCLE_HU, _FAT_HU = 104, 33.0, 380.0, 100.0, -90.0
_AFFINE = np.diag([1.0, 1.0, 1.0, 1.0])
_AFFINE[:3, 3] = (-44.0, -50.0, -44.0)
_STENOSIS_PERCENT = 75.0


def _on_ball(z: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    around = np.sqrt((_OUTER_MM + 2.2) ** 2 - z**2)
    angle = np.deg2rad(degrees)
    return np.stack([around * np.cos(angle), around * np.sin(angle), z], axis=1)


def _spaced(points: np.ndarray) -> np.ndarray:
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    place = np.arange(0.0, along[-1], 0.5)
    return np.stack([np.interp(place, along, points[:, k]) for k in range(3)], axis=1)


def _drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """LAD and LCx from the aorta's side, and their lumen radii; the LAD has one stenosis at 45 mm."""
    main = np.array([[8.0, 17.0, 27.0], [12.0, 24.0, 20.0]])
    t = np.linspace(0.0, 1.0, 80)
    lad = _spaced(np.concatenate([main, _on_ball(13.0 - 40.0 * t, 64.0 - 6.0 * t)]))
    lcx = _spaced(np.concatenate([main, _on_ball(13.0 - 1.0 * t, 66.0 + 130.0 * t)]))
    place = 0.5 * np.arange(len(lad))
    lad_mm = (1.7 - 0.006 * place) * (1.0 - 0.01 * _STENOSIS_PERCENT * np.exp(-0.5 * ((place - 45.0) / 3.0) ** 2))
    return lad, lad_mm, lcx, np.linspace(1.7, 1.2, len(lcx))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Scan:
    ct: CtVolume
    masks: dict[str, np.ndarray]
    heart: CtHeart


def _scan(*, arteries: bool = True, hidden: np.ndarray | None = None) -> _Scan:
    """Args:
    hidden: (n, 3) places where muscle covers the arteries.
    """
    index = np.stack(np.meshgrid(*[np.arange(_SIZE)] * 3, indexing="ij"), axis=-1)
    points = index + _AFFINE[:3, 3]
    far = np.linalg.norm(points, axis=-1)
    below = points[..., 2] < 16.0
    masks = {"lv_cavity": (far < 24.0) & below, "lv_wall": (far >= 24.0) & (far < _OUTER_MM) & below}
    beside = np.linalg.norm(points - np.array([26.0, 0.0, -4.0]), axis=-1)
    masks["rv"] = (beside < 24.0) & (far >= _OUTER_MM) & below
    masks["aorta"] = (np.hypot(points[..., 0] - 6.0, points[..., 1] - 8.0) < 10.0) & (points[..., 2] >= 16.0)
    hu = np.full(far.shape, _FAT_HU)
    hu[masks["lv_wall"]] = _MUSCLE_HU
    for name in ("lv_cavity", "rv", "aorta"):
        hu[masks[name]] = _BLOOD_HU
    if arteries:
        lad, lad_mm, lcx, lcx_mm = _drawn()
        line, radius = np.concatenate([lad, lcx]), np.concatenate([lad_mm, lcx_mm])
        near, which = KDTree(line).query(points.reshape(-1, 3), distance_upper_bound=4.0)
        known = np.isfinite(near)
        lumen = np.zeros(far.size)
        lumen[known] = np.clip(radius[np.asarray(which)[known]] - near[known] + 0.5, 0.0, 1.0)
        # No ring of tissue about the lumen: the picture that radii are measured with is not the one drawn here.
        share = np.where(hu < 0, lumen.reshape(far.shape), 0.0)
        hu = share * _BLOOD_HU + (1.0 - share) * hu
    if hidden is not None:
        hu[(KDTree(hidden).query(points.reshape(-1, 3))[0] < 4.0).reshape(far.shape)] = _MUSCLE_HU
    hu = ndimage.gaussian_filter(hu, 0.6) + np.random.default_rng(5).normal(0.0, 12.0, hu.shape)
    ct = CtVolume(voxels_hu=hu.astype(np.int16), lps_from_index=_AFFINE)
    return _Scan(ct=ct, masks=masks, heart=heart_on_grid(ct, masks))


@pytest.fixture(scope="module")
def scan() -> _Scan:
    return _scan()


@pytest.fixture(scope="module")
def found(scan: _Scan) -> tuple[CoronaryBranch, ...]:
    return coronaries_from_ct(scan.ct, scan.masks, FRAME)


def test_both_arteries_are_found_and_named(found) -> None:
    lad, _, lcx, _ = _drawn()
    by_name = {part.name: part for part in found}
    for name, drawn in (("LAD", lad), ("LCx", lcx)):
        far, _ = KDTree(by_name[name].points_mm).query(drawn[40:-10])
        assert np.mean(far < 1.5) > 0.9


def test_the_edge_of_a_chamber_is_no_artery(found) -> None:
    lad, _, lcx, _ = _drawn()
    far, _ = KDTree(np.concatenate([lad, lcx])).query(np.concatenate([part.points_mm for part in found]))
    assert np.mean(far < 2.0) > 0.95
    assert far.max() < 8.0  # where the path leaves the aorta


def test_branches_hang_together(found) -> None:
    tree = coronary_tree(found, FRAME)
    trunks = [part for part in tree if part.name in ("LAD", "LCx")]
    assert {part.vessel for part in trunks} == {"LAD", "LCx"}
    main = [part for part in tree if part.name == "LM"]
    for part in trunks if main else ():
        assert np.linalg.norm(part.branch.points_mm[0] - main[0].branch.points_mm[-1]) < 0.01


def test_a_stenosis_is_found_where_it_is(found) -> None:
    lad, _, _, _ = _drawn()
    tree = coronary_tree(found, FRAME)
    (one,) = find_stenoses(tree, by_program=True)
    assert tree[one.branch].name == "LAD"
    assert np.linalg.norm(tree[one.branch].branch.points_mm[one.point] - lad[90]) < 4.0
    assert abs(one.percent - _STENOSIS_PERCENT) < 15.0


def test_an_unseen_stretch_has_no_calibre_and_no_stenosis() -> None:
    lad, _, _, _ = _drawn()
    covered = lad[76:112]  # the stenosis and healthy artery on both sides
    scan = _scan(hidden=covered)
    found = coronaries_from_ct(scan.ct, scan.masks, FRAME)
    names = [part.name for part in found]
    assert "LAD" in names
    for part in found:
        far, _ = KDTree(covered[4:-4]).query(part.points_mm)
        assert np.isnan(part.radius_mm[far < 1.5]).all()
    assert find_stenoses(coronary_tree(found, FRAME), by_program=True) == ()


def test_nothing_is_made_of_a_ct_without_visible_arteries() -> None:
    scan = _scan(arteries=False)
    assert tree_of_ct(scan.ct, scan.masks, scan.heart, FRAME) == ()


def test_an_artery_is_assumed_in_a_groove_where_none_is_seen(scan: _Scan, found) -> None:
    full = completed(found, scan.heart, FRAME)
    assert full[: len(found)] == found
    (pda,) = full[len(found) :]
    assert is_assumed(pda.name)
    assert pda.name.startswith("PDA")
    assert np.isnan(pda.radius_mm).all()
    level, _, angle = FRAME.local(pda.points_mm)
    low = (level < 0.8) & (level > 0.35)
    assert low.sum() > 10
    assert np.abs(np.rad2deg(angle[low]) + 60.0).max() < 3.0
    assert coronary_tree(full, FRAME)[-1].vessel == "RCA"
    assert completed(full, scan.heart, FRAME) == full  # what runs there needs no second one


def test_a_circumflex_seen_to_the_crux_feeds_the_inferior_wall(scan: _Scan, found) -> None:
    by_name = {part.name: part for part in found}
    end = by_name["LCx"].points_mm[-1]
    degrees = np.linspace(np.rad2deg(np.arctan2(end[1], end[0])) % 360.0, 300.0, 120)
    points = np.concatenate([end[None], _on_ball(np.full(120, float(end[2])), degrees)[1:]])
    further = CoronaryBranch(points_mm=points, radius_mm=np.full(120, 1.0), name="OM1")
    tree = coronary_tree(completed((*found, further), scan.heart, FRAME), FRAME)
    assert (tree[-1].name, tree[-1].vessel) == ("PDA (assumed)", "LCx")
