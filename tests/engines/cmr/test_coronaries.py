from pathlib import Path

import numpy as np
import pytest

from engines.anatomy.files.poly_data import PolyData
from engines.anatomy.files.vtk_xml import write_vtp
from engines.cmr.coronaries.stenosis import find_stenoses
from engines.cmr.coronaries.tree import coronary_tree, downstream_points
from engines.cmr.heart.lv_frame import LvFrame
from engines.cmr.reading.coronaries import CoronaryBranch, load_coronaries

FRAME = LvFrame(apex_mm=np.zeros(3), mitral_mm=np.array([0.0, 0.0, 80.0]), right=np.array([1.0, 0.0, 0.0]))
_RADIUS = 36.0


def _line(
    levels: tuple[float, float],
    degrees: tuple[float, float],
    start: float,
    end: float,
    *,
    name: str = "",
    out: float = 0.0,
):
    t = np.linspace(0, 1, 120)
    z, a = 80 * (levels[0] + (levels[1] - levels[0]) * t), np.deg2rad(degrees[0] + (degrees[1] - degrees[0]) * t)
    r = _RADIUS + out
    points = np.stack([r * np.cos(a), r * np.sin(a), z], axis=1)
    return CoronaryBranch(points_mm=points, radius_mm=start + (end - start) * t, name=name)


def _tree(*, named: bool, without_main: bool = False):
    lad = _line((1.0, 0.05), (75, 58), 1.8, 0.7, name="LAD" * named)
    lcx = _line((1.0, 0.98), (75, 230), 1.6, 0.8, name="LCx" * named)
    rca = _line((1.15, 0.97), (40, -62), 1.9, 1.2, name="RCA" * named, out=22.0)
    rca.points_mm[-8:, :2] *= np.linspace(1, _RADIUS / (_RADIUS + 22), 8)[:, None]
    pda = _line((0.97, 0.2), (-62, -58), 1.1, 0.6, name="PDA" * named)
    d1 = _line((0.8, 0.4), (72, 110), 1.0, 0.5, name="D1" * named)
    d1.points_mm[0] = lad.points_mm[25]
    pda.points_mm[0] = rca.points_mm[-1]
    lcx.points_mm[0] = lad.points_mm[0]
    main = CoronaryBranch(
        points_mm=np.linspace([8.0, 20.0, 95.0], lad.points_mm[0], 12), radius_mm=np.full(12, 2.2), name="LM" * named
    )
    branches = (lad, lcx, rca, pda, d1)
    return branches if without_main else (*branches, main)


@pytest.mark.parametrize("without_main", [False, True])
@pytest.mark.parametrize("named", [False, True])
def test_branches_get_their_vessel_by_name_or_by_anatomy(named: bool, without_main: bool) -> None:
    tree = coronary_tree(_tree(named=named, without_main=without_main), FRAME)
    assert [part.vessel for part in tree][:5] == ["LAD", "LCx", "RCA", "RCA", "LAD"]
    assert all(part.labelled is not named for part in tree)


def test_a_posterior_descending_artery_from_the_circumflex_is_the_circumflexs() -> None:
    branches = list(_tree(named=True))
    branches[3].points_mm[0] = branches[1].points_mm[-1]
    assert coronary_tree(branches, FRAME)[3].vessel == "LCx"


def test_what_lies_behind_a_point_includes_side_branches_beyond_it() -> None:
    tree = coronary_tree(_tree(named=True), FRAME)
    near, far = downstream_points(tree, 0, 10), downstream_points(tree, 0, 60)
    assert near[4].all()
    assert not far[4].any()
    assert far[0][60:].all()
    assert not far[0][:60].any()
    assert not near[1].any()


@pytest.mark.parametrize("percent", [45.0, 60.0, 85.0])
@pytest.mark.parametrize("at", [30, 70])
def test_a_dip_gives_its_percentage_and_a_taper_gives_none(percent: float, at: int) -> None:
    branches = list(_tree(named=True))
    lad = branches[0]
    dip = percent / 100 * np.exp(-0.5 * ((lad.along_mm - lad.along_mm[at]) / 2.5) ** 2)
    branches[0] = CoronaryBranch(points_mm=lad.points_mm, radius_mm=lad.radius_mm * (1 - dip), name="LAD")
    found = find_stenoses(coronary_tree(branches, FRAME))
    assert len(found) == 1
    assert found[0].branch == 0
    assert abs(found[0].point - at) <= 2
    assert found[0].percent == pytest.approx(percent, abs=5.0)


def test_a_healthy_tree_and_one_without_radii_have_no_stenoses() -> None:
    assert find_stenoses(coronary_tree(_tree(named=True), FRAME)) == ()
    bare = [CoronaryBranch(points_mm=b.points_mm, radius_mm=np.full(120, np.nan)) for b in _tree(named=False)[:3]]
    assert find_stenoses(coronary_tree(bare, FRAME)) == ()


def test_lines_of_a_file_are_neither_cut_nor_turned(tmp_path: Path) -> None:
    lad, lcx = _tree(named=True)[:2]
    points = np.concatenate([lad.points_mm, lcx.points_mm])
    write_vtp(
        tmp_path / "tree.vtp",
        PolyData(
            points=points,
            lines=(np.arange(120), np.arange(120, 240)),
            point_arrays={"MaximumInscribedSphereRadius": np.concatenate([lad.radius_mm, lcx.radius_mm])},
            line_arrays={"name": ("LAD", "LCx")},
        ),
    )
    found = load_coronaries(tmp_path / "tree.vtp")
    assert [branch.name for branch in found] == ["LAD", "LCx"]
    np.testing.assert_allclose(found[0].points_mm, lad.points_mm)
    np.testing.assert_allclose(found[1].points_mm[0], lcx.points_mm[0])
