import numpy as np
import pytest

from calibration.errors import InputError
from engines.anatomy.centerlines.same_place import check_in_contrast, check_same_place
from engines.anatomy.vessel_model import Branch, CenterlineTree, CtVolume, SurfaceMesh, VesselModel
from tests.engines.anatomy.shapes import tube_surface

TURN = np.array([-1.0, -1.0, 1.0])


def _tree(x_mm: float, y_mm: float) -> CenterlineTree:
    points = np.column_stack([np.full(30, x_mm), np.full(30, y_mm), np.linspace(-18, 18, 30)])
    return CenterlineTree(branches=(Branch(points_mm=points, radius_mm=np.full(30, 3.0)),))


def _ct(x_mm: float = 8.0, y_mm: float = -6.0, vessel_hu: int = 350) -> CtVolume:
    """64 x 64 x 40 mm about the origin, one upright vessel."""
    x, y, _ = np.meshgrid(np.arange(64) - 32, np.arange(64) - 32, np.arange(40) - 20, indexing="ij")
    hu = np.where((x - x_mm) ** 2 + (y - y_mm) ** 2 < 16, vessel_hu, 40).astype(np.int16)
    lps_from_index = np.eye(4)
    lps_from_index[:3, 3] = (-32, -32, -20)
    return CtVolume(voxels_hu=hu, lps_from_index=lps_from_index)


def test_a_model_in_ras_is_refused_by_the_contrast_it_misses() -> None:
    check_in_contrast(_tree(8, -6), _ct(), "case", note=lambda text: pytest.fail(text))
    with pytest.raises(InputError, match=r"only 0 % of the vessels lie .* 100 % do with x and y negated: .*RAS"):
        check_in_contrast(_tree(-8, 6), _ct(), "case")


def test_a_model_elsewhere_and_a_ct_without_contrast_are_said() -> None:
    for tree, ct in ((_tree(8, 10), _ct()), (_tree(8, -6), _ct(vessel_hu=45))):
        notes: list[str] = []
        check_in_contrast(tree, ct, "case", note=notes.append)
        assert len(notes) == 1
        assert "0 % of the vessels lie in contrast (above 100 HU)" in notes[0]


def _surface(x_mm: float, y_mm: float) -> SurfaceMesh:
    tube = tube_surface(4.0, 40.0)
    wide = tube_surface(2.0, 40.0)  # far apart in one mesh, so that both boxes hold both lines
    vertices = np.concatenate(
        [tube.vertices_mm + np.array([x_mm, y_mm, 0]), wide.vertices_mm + np.array([-x_mm, -y_mm - 12, 0])]
    )
    return SurfaceMesh(
        vertices_mm=vertices, triangles=np.concatenate([tube.triangles, wide.triangles + len(tube.vertices_mm)])
    )


def test_centerlines_beside_the_surface_are_refused_though_they_lie_in_its_box() -> None:
    surface = _surface(12, 4)
    check_same_place(
        VesselModel(surface=surface, centerlines=_tree(12, 4)), None, "case", note=lambda text: pytest.fail(text)
    )
    with pytest.raises(InputError, match="only 0 % of the centerlines lie within the surface"):
        check_same_place(VesselModel(surface=surface, centerlines=_tree(0, -6)), None, "case")


def test_centerlines_half_within_the_surface_are_said() -> None:
    first, second = _tree(12, 4).branches[0], _tree(0, -6).branches[0]
    notes: list[str] = []
    tree = CenterlineTree(branches=(first, second))
    check_same_place(VesselModel(surface=_surface(12, 4), centerlines=tree), None, "case", note=notes.append)
    assert len(notes) == 1
    assert "50 % of the centerlines lie within the surface" in notes[0]
