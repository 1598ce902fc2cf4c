"""A registration's views and model are passed to the refinement unchanged."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.pose import RigidPose
from engines.anatomy.vessel_model import SurfaceMesh, VesselModel
from engines.registration.rendered.drr_stage import drr_targets, refine_views, vessel_renderer
from engines.registration.rendered.refine_drr import DrrLevel, DrrOptions
from engines.registration.view import RegistrationView
from tests.engines.registration.drr_scene import TRUTH, geometry, perturbed, projected_error_mm, silhouette, tree

SHIFT_MM = (6.0, 0.0, -4.0)


def _view(pose: RigidPose = TRUTH, field_of_view: np.ndarray | None = None) -> RegistrationView:
    view = geometry()
    return RegistrationView(
        file="run.dcm",
        sop_instance_uid="",
        frame=0,
        geometry=view,
        vessel=silhouette(tree(), view.projection(pose)),
        field_of_view=field_of_view,
    )


def test_a_view_on_a_moved_table_is_refined_in_the_room():
    moved = TRUTH.matrix.copy()
    moved[:3, 3] += SHIFT_MM
    view = _view(RigidPose(matrix=moved, target="isocentre", source="lps"))
    renderer = vessel_renderer(VesselModel(centerlines=tree()))
    assert renderer is not None
    start = perturbed(TRUTH, tree(), 2, turn_deg=1.0, shift_mm=2.0)
    options = DrrOptions(
        levels=(DrrLevel(long_side_px=96, steps=16, learning_rate=0.5, reach_mm=8.0),), max_rays=700, budget_s=60.0
    )
    refined = refine_views(start, [view], renderer, shifts_mm=np.array([SHIFT_MM]), options=options)
    before, after = (projected_error_mm(geometry(), p, TRUTH, tree()) for p in (start, refined.isocentre_from_lps))
    assert after < 0.5 < before


def test_targets_keep_field_of_view_and_default_to_a_still_table():
    inside = np.zeros(geometry().shape_px, dtype=bool)
    (target,) = drr_targets([_view(field_of_view=inside)])
    assert target.mask is inside
    assert target.shift_mm == (0.0, 0.0, 0.0)
    assert target.kind == "probability"


def test_a_bare_surface_has_nothing_to_render_and_an_absent_class_is_named():
    bare = VesselModel(surface=SurfaceMesh(vertices_mm=np.zeros((3, 3)), triangles=np.array([[0, 1, 2]])))
    assert vessel_renderer(bare) is None
    with pytest.raises(ValueError, match="vein"):
        vessel_renderer(VesselModel(centerlines=tree()), branch_classes=("vein",))
