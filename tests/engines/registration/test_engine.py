from dataclasses import replace

import numpy as np
import pytest

from calibration.errors import InputError
from calibration.pose import RigidPose
from engines.anatomy.vessel_model import Branch, CenterlineTree, SurfaceMesh, VesselModel
from engines.angiography.frame import Frame
from engines.registration.engine import register
from engines.registration.initial_pose import start_near
from engines.registration.options import RegistrationOptions
from engines.registration.view import RegistrationView, view_of_frame
from engines.segmentation.segmentation import Segmentation
from tests.engines.registration.vessel_bed import bed

FAST = RegistrationOptions(refine_drr=False)


def test_a_registration_says_how_it_was_found_and_how_sure_it_is():
    scene = bed(1)
    start = start_near(scene.moved(1, deg=6, mm=12, depth_mm=15))
    found = register([scene.view], scene.model, case_id="x", init=start, options=FAST)
    assert scene.error_mm(found.isocentre_from_lps) < 1.0
    assert found.status == "accepted"
    assert found.confidence > 0.85
    assert found.expected_error_mm < 3.0
    assert found.depth_sigma_mm > 0
    assert [stage.name for stage in found.stages][:2] == ["features", "coarse search"]
    assert found.reasons


def test_an_unfilled_frame_is_rejected_with_its_reason():
    scene = bed(1)
    empty = replace(scene.view, vessel=np.zeros((512, 512), np.float32))
    found = register([empty], scene.model, case_id="x", options=FAST)
    assert found.status == "rejected"
    assert found.confidence == 0.0
    assert "no contrast-filled vessel" in found.reasons[0]


def test_another_patients_model_is_not_accepted():
    scene, stranger = bed(1), bed(31)
    found = register([scene.view], stranger.model, case_id="x", options=FAST)
    assert found.status != "accepted"


def test_noise_instead_of_vessels_is_not_accepted():
    scene = bed(1)
    import cv2

    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 1, (512, 512)).astype(np.float32), (0, 0), 4)
    blobs = replace(scene.view, vessel=(noise > 0.08).astype(np.float32))
    found = register([blobs], scene.model, case_id="x", options=FAST)
    assert found.status != "accepted"


def test_views_with_different_frames_of_reference_are_refused():
    view = bed(1).view
    pair = [replace(view, frame_of_reference_uid="1.2"), replace(view, frame_of_reference_uid="1.3")]
    with pytest.raises(InputError, match="frame of reference"):
        register(pair, bed(1).model, case_id="x", options=FAST)


@pytest.mark.parametrize("count", [0, 3])
def test_one_or_two_views_are_taken(count):
    with pytest.raises(InputError, match="one view or two"):
        register([bed(1).view] * count, bed(1).model, case_id="x", options=FAST)


def test_a_model_without_matching_centerlines_is_refused():
    view = bed(1).view
    surface = SurfaceMesh(vertices_mm=np.eye(3), triangles=np.array([[0, 1, 2]]))
    with pytest.raises(InputError, match="no centerlines"):
        register([view], VesselModel(surface=surface), case_id="x", options=FAST)
    vein = Branch(points_mm=np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 9.0]]), radius_mm=np.ones(2), vessel_class="vein")
    veins = VesselModel(centerlines=CenterlineTree(branches=(vein,)))
    with pytest.raises(InputError, match="class vein"):
        register([replace(view, branch_classes=("artery",))], veins, case_id="x", options=FAST)


def test_a_mask_of_another_size_than_the_frame_is_refused():
    view = bed(1).view
    with pytest.raises(InputError, match="256x256"):
        replace(view, vessel=np.zeros((256, 256), np.float32))


def _segmented(artery: float, vein: float) -> Segmentation:
    planes = np.zeros((2, 512, 512), np.float32)
    planes[0, :64] = artery
    planes[1, :64] = vein
    return Segmentation(probabilities=planes, classes=("artery", "vein"), model="m", backend="b")


@pytest.mark.parametrize(
    ("artery", "vein", "expected"), [(0.9, 0.9, "artery"), (0.1, 0.9, "vein"), (0.1, 0.1, "artery")]
)
def test_veins_are_matched_only_in_a_frame_of_veins_alone(artery, vein, expected):
    frame = Frame(pixels=np.zeros((512, 512), np.uint8), kind="dsa", geometry=bed(1).geometry)
    view: RegistrationView = view_of_frame(frame, _segmented(artery, vein), file="run.dcm")
    assert expected in view.branch_classes
    assert ("vein" in view.branch_classes) == (expected == "vein")


@pytest.mark.parametrize(("vein_rows", "both"), [(64, True), (40, True), (20, False), (0, False)])
def test_while_contrast_passes_into_the_veins_both_are_matched_if_the_model_has_both(vein_rows, both):
    frame = Frame(pixels=np.zeros((512, 512), np.uint8), kind="dsa", geometry=bed(1).geometry)
    planes = np.zeros((2, 512, 512), np.float32)
    planes[0, :64], planes[1, 512 - vein_rows :] = 0.9, 0.9
    seen = Segmentation(probabilities=planes, classes=("artery", "vein"), model="m", backend="b")
    view = view_of_frame(frame, seen, file="run.dcm", model_has_veins=True)
    assert ("vein" in view.branch_classes) == both
    assert bool((view.vessel[-10:] > 0.5).any()) == both
    assert "artery" in view.branch_classes
    assert (view.vessel[:64] > 0.5).all()


def test_a_misleading_start_is_replaced_by_the_header():
    scene = bed(4)
    off = scene.pose.matrix.copy()
    off[:3, 3] += 130.0 * scene.geometry.camera_from_isocentre().rotation[0]
    astray = start_near(RigidPose(matrix=off, target="isocentre", source="lps"))
    found = register([scene.view], scene.model, case_id="x", init=astray)
    assert found.status == "accepted"
    assert scene.error_mm(found.isocentre_from_lps) < 1.0
