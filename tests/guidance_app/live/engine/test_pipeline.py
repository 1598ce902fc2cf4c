"""The step that live guidance, replay and benchmarks share; and the lines it draws."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from calibration.errors import InputError
from calibration.pose import RigidPose
from engines.anatomy.vessel_model import Branch, CenterlineTree, SurfaceMesh, VesselModel
from engines.angiography.frame import Frame
from engines.registration.pose_file import write_registration
from engines.registration.registration import Registration
from engines.segmentation.segmentation import Segmentation
from guidance_app.live import guidance_state
from guidance_app.live.engine.model_projection import ProjectedModel, mask_outlines
from guidance_app.live.engine.pipeline import Pipeline
from guidance_app.live.engine.step.confirm import Confirm
from guidance_app.live.engine.step.door import ViewKey
from guidance_app.live.engine.step.judge import ReadyView
from guidance_app.live.guidance_state import Situation
from guidance_app.live.session.opening import situation_from_pose
from guidance_app.sources.file_source import PacedFileSource
from tests.guidance_app.live.stand_ins import FakeRun, geometry, registration

LINE = Branch(points_mm=np.array([[-4.0, 0.0, 0.0], [4.0, 0.0, 0.0]]), radius_mm=np.array([1.5, 1.5]), name="LAD")
MODEL = VesselModel(centerlines=CenterlineTree(branches=(LINE,)))
PATIENT = RigidPose.identity(target="isocentre", source="lps")


class Segmenter:
    """Calls every pixel below 100 a vessel."""

    def segment(self, frame: Frame, *, key: ViewKey | None = None) -> Segmentation:  # noqa: ARG002 - the seam's signature
        vessel = (frame.pixels < 100).astype(np.float32)[None]
        return Segmentation(probabilities=vessel, classes=("vessel",), model="test", backend="test")


class Registrar:
    def __init__(self, status="accepted") -> None:
        self.status = status
        self.tracked = 0

    def register(self, request, **_):
        return registration(request.view.geometry)

    def prepare(self, view) -> ReadyView:
        return ReadyView(view=view)

    def likeliest(self, ready, places):  # noqa: ARG002 - the seam's signature
        return places

    def track(self, ready, previous: Registration) -> Registration:  # noqa: ARG002 - the seam's signature
        self.tracked += 1
        return replace(previous, status=self.status)

    def move(self, found: Registration, ready) -> Registration:  # noqa: ARG002 - the seam's signature
        return found


def frame_with(vessel_rows: int, index: int = 0, view=None, **changes) -> Frame:
    pixels = np.full((64, 64), 200, np.uint8)
    pixels[10 : 10 + vessel_rows, 8:56] = 20
    view = view or geometry()
    return replace(FakeRun().frame(0), pixels=pixels, index=index, geometry=view, **changes)


def pipeline(registrar=None) -> Pipeline:
    ticks = itertools.count(0, 1_000_000)
    return Pipeline(
        segmenter=Segmenter(),
        registrar=registrar or Registrar(),
        model=ProjectedModel(MODEL),
        vessel_threshold=0.5,
        clock_ns=lambda: next(ticks),
        confirm=Confirm(bones_hold=True, pivot_lps_mm=np.zeros(3), threshold=0.5),
    )


ACCEPTED = guidance_state.started_from(registration(), geometry())


def test_filled_run_asks_for_a_cold_start_once_and_only_when_filling_has_slowed():
    steps, situation, asked = pipeline(), Situation(), []
    for index, rows in enumerate([0, 1, 2, 4, 8, 8, 8, 8, 8, 8]):
        outcome = steps.step(frame_with(rows, index), situation)
        situation = outcome.situation
        if outcome.cold_start is not None:
            asked.append(index)
            assert outcome.cold_start.generation == situation.generation
    assert asked == [7]
    assert situation.registering


def test_failed_cold_start_is_tried_again_on_a_fuller_picture_or_after_a_rest():
    steps = pipeline()
    situation = guidance_state.saw_geometry(Situation(), geometry())
    for index in range(4):
        situation = steps.step(frame_with(4, index), situation).situation
    assert situation.registering
    nothing = replace(registration(status="rejected"), confidence=0.1)
    failed = guidance_state.registration_finished(situation, nothing, geometry(), situation.generation)
    rested = [steps.step(frame_with(4, 4), failed)]
    while rested[-1].cold_start is None:
        rested.append(steps.step(frame_with(4, 4), rested[-1].situation))
    assert len(rested) == guidance_state.REST_FRAMES
    growing = failed
    for index in range(4):
        outcome = steps.step(frame_with(8, 5 + index), growing)
        growing = outcome.situation
    assert growing.registering, "as soon as the fuller picture has stopped growing"


@pytest.mark.parametrize(
    ("filled", "status"), [(("artery",), "accepted"), (("artery", "vein"), "caution"), (("vein",), "caution")]
)
def test_a_search_while_veins_are_filled_proposes_and_never_accepts(filled, status):
    class Phase(Segmenter):
        def segment(self, frame, *, key=None):
            drawn = super().segment(frame, key=key).probabilities[0]
            maps = [drawn if name in filled else np.zeros_like(drawn) for name in ("artery", "vein")]
            return Segmentation(probabilities=np.stack(maps), classes=("artery", "vein"), model="test", backend="test")

    steps = Pipeline(
        segmenter=Phase(), registrar=Registrar(), model=ProjectedModel(MODEL), vessel_threshold=0.5, clock_ns=lambda: 0,
        model_has_veins=True, confirm=Confirm(bones_hold=True, pivot_lps_mm=np.zeros(3), threshold=0.5),
    )  # fmt: skip
    asked = steps.step(frame_with(8), guidance_state.person_asks(Situation()))
    assert asked.cold_start is not None
    found = steps.register(asked.cold_start)
    assert found.status == status
    assert any("veins" in reason for reason in found.reasons) is (status == "caution")
    after = guidance_state.registration_finished(asked.situation, found, geometry(), asked.cold_start.generation)
    assert after.state == ("accepted" if status == "accepted" else "proposed")


def test_empty_run_never_asks():
    steps, situation = pipeline(), Situation()
    for index in range(10):
        outcome = steps.step(frame_with(0, index), situation)
        situation = outcome.situation
        assert outcome.cold_start is None
    assert situation.state == "unregistered"


def test_still_picture_and_a_person_need_not_wait_for_filling():
    still = frame_with(6, frame_time_ms=None)
    assert pipeline().step(still, Situation()).cold_start is not None
    assert pipeline().step(frame_with(6), guidance_state.person_asks(Situation())).cold_start is not None


def test_accepted_pose_is_drawn_where_the_projection_puts_it():
    outcome = pipeline().step(frame_with(6), ACCEPTED)
    overlay = outcome.result.overlay
    assert overlay is not None
    (path,) = overlay.centerlines
    ends = geometry().projection(PATIENT).project(LINE.points_mm)[0]
    np.testing.assert_allclose(path.points_px[[0, -1]], ends, atol=1e-6)
    magnification = 1000.0 / 700.0 / 0.3
    np.testing.assert_allclose(path.width_px, 3.0 * magnification, rtol=0.02)
    assert path.name == "LAD"
    assert overlay.frame_index == 0
    assert outcome.result.times.track is not None


def test_frame_without_contrast_keeps_the_overlay_and_checks_nothing():
    registrar = Registrar("rejected")
    outcome = pipeline(registrar).step(frame_with(0), ACCEPTED)
    assert outcome.result.overlay is not None
    assert outcome.result.times.track is None
    assert registrar.tracked == 0


def test_frame_without_geometry_gets_no_overlay_and_no_cold_start():
    outcome = pipeline().step(replace(frame_with(6), geometry=None), ACCEPTED)
    assert outcome.result.overlay is None
    assert outcome.cold_start is None
    assert outcome.situation.state == "accepted"


def test_new_view_is_drawn_only_after_its_check_succeeded():
    turned = frame_with(6, view=geometry(30.0))
    assert pipeline(Registrar("accepted")).step(turned, ACCEPTED).result.overlay is not None
    assert pipeline(Registrar("caution")).step(turned, ACCEPTED).result.overlay is None
    assert pipeline().step(frame_with(0, view=geometry(30.0)), ACCEPTED).result.overlay is None


def test_step_is_pure():
    steps = pipeline()
    first, second = (steps.step(frame_with(6), ACCEPTED) for _ in range(2))
    assert first.situation == second.situation


# The lines ----------------------------------------------------------------------------------------------------------
def sphere(radius_mm: float = 5.0) -> SurfaceMesh:
    from scipy.spatial import ConvexHull

    golden = np.pi * (3.0 - np.sqrt(5.0))
    z = np.linspace(-1.0, 1.0, 600)
    angle = golden * np.arange(600)
    ring = np.sqrt(1.0 - z * z)
    points = radius_mm * np.column_stack([ring * np.cos(angle), ring * np.sin(angle), z])
    hull = ConvexHull(points)
    triangles = hull.simplices.copy()
    corners = points[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    inwards = np.einsum("ij,ij->i", normals, corners[:, 0]) < 0
    triangles[inwards] = triangles[inwards][:, ::-1]
    return SurfaceMesh(vertices_mm=points, triangles=triangles)


def test_outline_of_a_sphere_is_a_circle_of_its_size():
    view = geometry()
    paths = ProjectedModel(VesselModel(surface=sphere())).outline(view.projection(PATIENT), ())
    points = max((path.points_px for path in paths), key=lambda border: np.ptp(border, axis=0).sum())
    radius_px = np.linalg.norm(points - view.principal_point_px, axis=1)
    expected_px = 5.0 / 700.0 * 1000.0 / 0.3
    assert len(points) > 20
    np.testing.assert_allclose(radius_px, expected_px, rtol=0.06)


def test_model_without_centerlines_has_no_lines_and_without_anything_no_outline():
    projection = geometry().projection(PATIENT)
    assert ProjectedModel(MODEL).outline(projection, ()) == ()
    assert ProjectedModel(VesselModel(surface=sphere())).centerlines(projection) == ()


def test_branch_behind_the_source_is_left_out_of_the_picture():
    behind = Branch(points_mm=np.array([[0.0, 900.0, 0.0], [0.0, 950.0, 0.0]]), radius_mm=np.ones(2))
    model = ProjectedModel(VesselModel(centerlines=CenterlineTree(branches=(behind,))))
    (path,) = model.centerlines(geometry().projection(PATIENT))
    assert np.isnan(path.points_px).all()


def test_mask_outlines_follow_regions_and_leave_specks_out():
    mask = np.zeros((50, 50), bool)
    mask[10:30, 10:20] = True
    mask[40, 40] = True
    (path,) = mask_outlines(mask)
    np.testing.assert_allclose(path.points_px.min(axis=0), [10, 10])
    np.testing.assert_allclose(path.points_px.max(axis=0), [19, 29])
    assert mask_outlines(np.zeros((5, 5), bool)) == ()


# Starting from a pose file ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("run_uid", "status", "state"),
    [
        ("1.2.3", "accepted", "accepted"),
        ("1.2.3", "caution", "proposed"),
        ("1.2.3", "rejected", "stale"),
        ("9.9.9", "accepted", "stale"),
    ],
)
def test_pose_file_is_believed_only_for_its_own_run(tmp_path, run_uid, status, state):
    write_registration(tmp_path / "pose.json", registration(status=status))
    source = PacedFileSource(FakeRun(sop_instance_uid=run_uid))
    situation = situation_from_pose(tmp_path / "pose.json", source)
    assert situation.state == state
    assert situation.registration is not None
    np.testing.assert_allclose(situation.registration.isocentre_from_lps.matrix, np.eye(4), atol=1e-6)


def test_pose_for_a_run_without_geometry_is_refused(tmp_path):
    write_registration(tmp_path / "pose.json", registration())
    source = PacedFileSource(FakeRun(geometries={0: None}))
    with pytest.raises(InputError, match="--pose needs the geometry"):
        situation_from_pose(tmp_path / "pose.json", source)


class FitsOnlyAt(Registrar):
    """Confirms a pose only where the patient lies that far to the left."""

    def __init__(self, left_mm: float) -> None:
        super().__init__()
        self.left_mm = left_mm

    def track(self, ready, previous: Registration) -> Registration:
        fits = abs(previous.isocentre_from_lps.matrix[0, 3] - self.left_mm) < 0.1
        return replace(super().track(ready, previous), status="accepted" if fits else "rejected")


def test_pose_follows_a_table_move_and_is_valid_only_where_the_tracker_confirms_it():
    before, after = (replace(geometry(), table_mm=(0.0, left_mm, 0.0)) for left_mm in (0.0, 3.0))
    start = guidance_state.started_from(registration(), before)
    followed = pipeline(FitsOnlyAt(3.0)).step(frame_with(8, 0, after), start)
    assert followed.situation.state == "accepted"
    assert followed.situation.registration.isocentre_from_lps.matrix[0, 3] == pytest.approx(3.0)
    assert followed.result.overlay is not None
    lost = pipeline(FitsOnlyAt(7.0)).step(frame_with(8, 0, after), start)
    assert lost.situation.state == "stale"
    assert lost.situation.registration.isocentre_from_lps.matrix[0, 3] == pytest.approx(0.0)
    assert lost.result.overlay is None


def test_table_move_without_contrast_waits_and_is_followed_later():
    before, after = (replace(geometry(), table_mm=(0.0, left_mm, 0.0)) for left_mm in (0.0, 3.0))
    steps = pipeline(FitsOnlyAt(3.0))
    empty = steps.step(frame_with(0, 0, after), guidance_state.started_from(registration(), before))
    assert empty.situation.state == "stale"
    assert empty.result.overlay is None
    filled = steps.step(frame_with(8, 1, after), empty.situation)
    assert filled.situation.state == "accepted"
    assert filled.situation.registration.isocentre_from_lps.matrix[0, 3] == pytest.approx(3.0)


def test_every_stage_of_a_tracked_frame_is_stamped():
    times = pipeline().step(frame_with(6), ACCEPTED).result.times
    assert (times.segment, times.contrast, times.track, times.render) == (1.0, 1.0, 1.0, 1.0)
    assert times.motion is None, "no motion is followed here"
