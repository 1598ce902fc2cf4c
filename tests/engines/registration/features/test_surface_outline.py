"""The outline of a thick vessel from its surface lies where the line of sight grazes it, and never inside."""

from dataclasses import replace

import numpy as np
import pytest

from engines.anatomy.vessel_model import Branch, CenterlineTree, SurfaceMesh, VesselModel
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.surface_outline import outline_mesh, seen_outline
from tests.engines.anatomy.shapes import tube_surface

RADIUS_MM, LENGTH_MM, SOD_MM = 12.0, 80.0, 700.0
LINE_MM = np.column_stack([np.zeros(80), np.zeros(80), np.linspace(-0.5, 0.5, 80) * LENGTH_MM])


def _mesh(surface: SurfaceMesh | None = None):
    surface = surface or tube_surface(RADIUS_MM, LENGTH_MM)
    surface = replace(surface, vertices_mm=surface.vertices_mm - surface.vertices_mm.mean(axis=0))
    return outline_mesh(surface, LINE_MM, np.full(80, RADIUS_MM), np.zeros(80, np.int64), thick_above_mm=3.4)


def _seen(mesh, turn=np.eye(3)):
    """From a camera that looks along the patient's y; the tube lies along its rows."""
    camera_from_lps = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]) @ turn
    camera = mesh.vertices_mm @ camera_from_lps.T + (0.0, 0.0, SOD_MM)
    return seen_outline(mesh, camera, camera_from_lps, SOD_MM, min_depth_mm=50.0)


@pytest.mark.parametrize("inside_out", [False, True])
def test_sides_of_a_tube_lie_a_radius_from_its_axis_and_face_outwards(inside_out):
    surface = tube_surface(RADIUS_MM, LENGTH_MM)
    if inside_out:
        surface = SurfaceMesh(vertices_mm=surface.vertices_mm, triangles=surface.triangles[:, ::-1])
    seen = _seen(_mesh(surface))
    side = np.abs(seen.plane_mm[:, 1]) < 0.5 * LENGTH_MM - 8.0
    assert side.sum() > 20
    assert np.abs(seen.plane_mm[side, 0]) == pytest.approx(RADIUS_MM, abs=0.3)
    assert np.median(np.sign(seen.plane_mm[side, 0]) * seen.outward[side, 0]) > 0.98
    assert seen.free[side].mean() > 0.95


def test_an_end_of_the_tube_is_part_of_the_outline():
    seen = _seen(_mesh())
    end = np.abs(seen.plane_mm[:, 1]) > 0.5 * LENGTH_MM - 2.0
    assert end.any()
    assert np.abs(seen.plane_mm[:, 1]).max() == pytest.approx(0.5 * LENGTH_MM, abs=2.0)


def test_a_fold_in_front_of_the_rest_of_the_model_is_no_outline():
    one, two = tube_surface(RADIUS_MM, LENGTH_MM), tube_surface(RADIUS_MM, LENGTH_MM)
    behind = two.vertices_mm - two.vertices_mm.mean(axis=0) + (RADIUS_MM, 40.0, 0.0)
    both = SurfaceMesh(
        vertices_mm=np.concatenate([one.vertices_mm - one.vertices_mm.mean(axis=0), behind]),
        triangles=np.concatenate([one.triangles, two.triangles + len(one.vertices_mm)]),
    )
    lines = np.concatenate([LINE_MM, LINE_MM + np.array([RADIUS_MM, 40.0, 0.0])])
    mesh = outline_mesh(both, lines, np.full(160, RADIUS_MM), np.zeros(160, np.int64), thick_above_mm=3.4)
    seen = _seen(mesh)
    middle = np.abs(seen.plane_mm[:, 1]) < 20.0
    inner = middle & (seen.plane_mm[:, 0] > -5.0) & (seen.plane_mm[:, 0] < 15.0)
    assert inner.any()
    assert seen.free[inner].mean() < 0.1


def test_thin_vessels_and_models_without_a_surface_have_no_outline_mesh():
    surface = tube_surface(2.0, LENGTH_MM)
    assert outline_mesh(surface, LINE_MM, np.full(80, 2.0), np.zeros(80, np.int64), thick_above_mm=3.4) is None
    assert outline_mesh(None, LINE_MM, np.full(80, 12.0), np.zeros(80, np.int64), thick_above_mm=3.4) is None


def test_rough_steps_use_a_coarser_surface():
    surface = tube_surface(RADIUS_MM, LENGTH_MM)
    centred = replace(surface, vertices_mm=surface.vertices_mm - surface.vertices_mm.mean(axis=0))
    branch = Branch(points_mm=LINE_MM, radius_mm=np.full(80, RADIUS_MM), vessel_class="aorta")
    model = PreparedModel.of(VesselModel(centerlines=CenterlineTree(branches=(branch,)), surface=centred))
    assert model.outline is not None
    rough = model.thinned(40).outline
    assert rough is not None
    assert len(rough.vertices_mm) < 0.5 * len(model.outline.vertices_mm)
