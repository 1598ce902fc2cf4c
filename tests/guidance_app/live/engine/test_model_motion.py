from dataclasses import replace

import numpy as np

from calibration.pose import RigidPose
from engines.anatomy.vessel_model import Branch, CenterlineTree, SurfaceMesh, VesselModel
from engines.registration.motion.deform_basis import Deformation, influence_of
from guidance_app.live.engine.model_projection import ProjectedModel
from guidance_app.live.guidance_state import started_from
from tests.guidance_app.live.engine.test_pipeline import frame_with, pipeline
from tests.guidance_app.live.stand_ins import geometry, registration

LINE = Branch(points_mm=np.array([[-4.0, 0.0, 0.0], [4.0, 0.0, 0.0]]), radius_mm=np.array([1.5, 1.5]), name="LAD")
TREE = CenterlineTree(branches=(LINE,))
PATIENT = RigidPose.identity(target="isocentre", source="lps")


def motion_along_camera_x(mm: float) -> Deformation:
    """One knot in the middle of the line, where the motion has the size asked for."""
    axes, middle = geometry().camera_from_isocentre().rotation[:2], np.zeros((1, 3))
    return Deformation(
        amplitudes=np.array([[1.0, 0.0]]),
        knots_mm=middle,
        weights_mm=np.array([[mm / influence_of(middle, middle).item(), 0.0]]),
        axes_lps=axes,
        mean_mm=abs(mm),
        gain=0.5,
    )


def test_centerlines_move_by_the_motion_and_keep_their_width():
    model = ProjectedModel(VesselModel(centerlines=TREE))
    projection = geometry().projection(PATIENT)
    (still,), (moved,) = model.centerlines(projection), model.centerlines(projection, motion_along_camera_x(2.0))
    middle = len(still.points_px) // 2
    shift_mm = (moved.points_px - still.points_px)[middle] * geometry().isocentre_mm_per_px
    assert abs(abs(shift_mm[0]) - 2.0) < 0.1
    assert abs(shift_mm[1]) < 1e-6
    np.testing.assert_allclose(moved.width_px, still.width_px)


def test_the_surface_goes_along_with_its_branch():
    corners = np.array([[-4.0, -1, 0], [4, -1, 0], [4, 1, 0], [-4, 1, 0]])
    surface = SurfaceMesh(vertices_mm=corners, triangles=np.array([[0, 1, 2], [0, 2, 3]]))
    model = ProjectedModel(VesselModel(centerlines=TREE, surface=surface))
    projection = geometry().projection(PATIENT)
    middles = [
        np.concatenate([path.points_px for path in model.outline(projection, model.centerlines(projection, d), d)])
        for d in (None, motion_along_camera_x(2.0))
    ]
    shift_px = middles[1].mean(axis=0) - middles[0].mean(axis=0)
    assert abs(abs(shift_px[0]) * geometry().isocentre_mm_per_px - 2.0) < 0.5


def test_a_frame_says_whether_its_overlay_follows_the_heart():
    moving = registration()
    for deformation, expected in ((None, None), (motion_along_camera_x(2.0), 2.0)):
        situation = started_from(replace(moving, deformation=deformation), geometry())
        overlay = pipeline().step(frame_with(8), situation).result.overlay
        assert overlay is not None
        assert overlay.motion_mm == expected


def test_a_proposed_pose_is_shown_as_it_is():
    accepted = started_from(replace(registration(), deformation=motion_along_camera_x(2.0)), geometry())
    overlay = pipeline().step(frame_with(8), replace(accepted, state="proposed", unconfirmed=True)).result.overlay
    assert overlay is not None
    assert overlay.motion_mm is None


def test_a_frame_that_shows_no_vessels_does_not_keep_the_motion_of_another_moment():
    accepted = started_from(replace(registration(), deformation=motion_along_camera_x(2.0)), geometry())
    overlay = pipeline().step(frame_with(0), accepted).result.overlay
    assert overlay is not None
    assert overlay.motion_mm is None
