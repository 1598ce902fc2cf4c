"""Unusable input is refused or rejected by ours and by the published methods, with what to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calibration.errors import InputError
from calibration.pose import RigidPose
from engines.anatomy.centerlines.model_completion import completed
from engines.anatomy.surface import mask_from_surface
from engines.anatomy.vessel_model import CenterlineTree, SurfaceMesh, VesselModel
from engines.registration.engine import register
from engines.registration.initial_pose import start_near
from engines.registration.methods.cma_es import CmaEs
from engines.registration.methods.deepiterreg import DeepIterRegOptimisation
from engines.registration.methods.ours import Ours
from engines.registration.methods.stock_drr import StockDrr
from engines.registration.pose_file import read_pose, write_registration
from tests.engines.anatomy.shapes import tube_surface
from tests.engines.registration.vessel_bed import bed

_RENDERING = [StockDrr("nanodrr"), DeepIterRegOptimisation(), CmaEs()]


@pytest.mark.parametrize("method", _RENDERING, ids=lambda method: method.name)
def test_published_methods_refuse_a_picture_without_vessels_and_views_apart(method):
    scene = bed(1)
    start = start_near(scene.pose)
    empty = replace(scene.view, vessel=np.zeros_like(scene.view.vessel))
    with pytest.raises(InputError, match=r"run\.dcm: no contrast-filled vessel"):
        method.register([empty], scene.model, start)
    pair = [replace(scene.view, frame_of_reference_uid=uid) for uid in ("1.2", "1.3")]
    with pytest.raises(InputError, match="frame of reference"):
        method.register(pair, scene.model, start)
    with pytest.raises(InputError, match="one view or two"):
        method.register([], scene.model, start)


def test_ours_rejects_a_picture_without_vessels_with_its_reason():
    scene = bed(1)
    empty = replace(scene.view, vessel=np.zeros_like(scene.view.vessel))
    found = Ours().register([empty], scene.model, start_near(scene.pose)).registration
    assert found is not None
    assert found.status == "rejected"
    assert "no contrast-filled vessel" in found.reasons[0]


def _shifted(scene, axis: int, mm: float) -> RigidPose:
    matrix = scene.pose.matrix.copy()
    matrix[:3, 3] += mm * scene.geometry.camera_from_isocentre().rotation[axis]
    return RigidPose(matrix=matrix, target="isocentre", source="lps")


@pytest.mark.parametrize(("axis", "mm"), [(0, 5000.0), (2, -1500.0)], ids=["metres aside", "behind the source"])
def test_a_model_without_overlap_is_refused(axis, mm):
    scene = bed(1)
    with pytest.raises(InputError, match="outside the picture at every pose near the start"):
        register([scene.view], scene.model, case_id="x", init=start_near(_shifted(scene, axis, mm)))


def test_a_model_beside_the_picture_is_found_or_not_accepted():
    scene = bed(1)
    found = register([scene.view], scene.model, case_id="x", init=start_near(_shifted(scene, 0, 400.0)))
    assert found.status != "accepted" or scene.error_mm(found.isocentre_from_lps) < 2.0


@pytest.mark.parametrize("seed", [1, 2])
def test_a_mirrored_model_is_not_accepted(seed):
    scene = bed(seed)
    centre = scene.model.centroid_mm()
    mirrored = VesselModel(
        centerlines=CenterlineTree(
            branches=tuple(
                replace(branch, points_mm=(branch.points_mm - centre) * (-1.0, 1.0, 1.0) + centre)
                for branch in scene.model.centerlines.branches
            )
        )
    )
    assert register([scene.view], mirrored, case_id="x", init=start_near(scene.pose)).status != "accepted"


@pytest.mark.parametrize(
    "other",
    [
        {"shape_px": (1024, 1024), "column_spacing_mm": 0.195, "row_spacing_mm": 0.195},  # the same field, finer
        {"shape_px": (1024, 1024), "principal_point_px": (511.5, 511.5)},  # a larger field
        {"sid_mm": 1150.0},
    ],
    ids=["finer", "larger", "other SID"],
)
def test_a_pose_for_another_frame_size_is_refused(tmp_path, other):
    scene = bed(1)
    path = tmp_path / "pose.json"
    write_registration(path, register([scene.view], scene.model, case_id="x", init=start_near(scene.pose)))
    with pytest.raises(InputError, match=r"pose\.json: .*does not fit this frame's intrinsics"):
        read_pose(path, replace(scene.geometry, **other))


def test_a_mesh_with_holes_or_turned_inside_out_is_filled_as_the_whole_one():
    whole = tube_surface(5.0, 60.0)
    inside_out = SurfaceMesh(vertices_mm=whole.vertices_mm, triangles=whole.triangles[:, ::-1])
    kept = np.ones(len(whole.triangles), dtype=bool)
    kept[np.random.default_rng(0).choice(len(kept), size=6, replace=False)] = False
    torn = SurfaceMesh(vertices_mm=whole.vertices_mm, triangles=whole.triangles[kept])
    voxels = mask_from_surface(whole, 1.0)[0].sum()
    assert mask_from_surface(inside_out, 1.0)[0].sum() == voxels
    assert mask_from_surface(torn, 1.0)[0].sum() == pytest.approx(voxels, rel=0.05)
    for surface in (inside_out, torn):
        tree = completed(VesselModel(surface=surface), "mesh.stl", "coronary").centerlines
        assert tree is not None
        along = tree.points_mm()
        assert np.abs(along[:, :2]).max() < 2.0  # the axis of the tube, z
        assert np.ptp(along[:, 2]) > 35.0


def test_a_mesh_that_encloses_nothing_is_refused():
    sheet = SurfaceMesh(
        vertices_mm=np.array([[0.0, 0.0, 0.0], [30.0, 0.0, 0.0], [0.0, 30.0, 0.0], [30.0, 30.0, 0.0]]),
        triangles=np.array([[0, 1, 2], [1, 3, 2]]),
    )
    with pytest.raises(InputError):
        completed(VesselModel(surface=sheet), "sheet.stl", "coronary")
