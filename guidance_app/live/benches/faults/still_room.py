"""A room without contrast: pictures of bones that slide while nobody says so, and the real pipeline on them."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.anatomy.vessel_model import Branch, CenterlineTree, VesselModel
from engines.angiography.frame import Frame
from engines.registration.registration import RegisteredView, Registration, RegistrationBackend
from engines.registration.view import RegistrationView
from engines.segmentation.segmentation import Segmentation
from guidance_app.live.benches.faults.scripted_source import FPS, SIZE_PX, ScriptedSource, Sent, view_at
from guidance_app.live.engine.engine_process import EngineRecipe
from guidance_app.live.engine.model_projection import ProjectedModel
from guidance_app.live.engine.pipeline import Pipeline
from guidance_app.live.engine.step.confirm import Confirm
from guidance_app.live.engine.step.door import ViewKey
from guidance_app.live.engine.step.judge import ColdStart, ReadyView

_CANVAS_PX = 1600
_VESSEL_HALF_PX, _VESSEL_WIDTH_PX = 40, 7
_VESSEL_GREY, _DARKEST_BONE = 12, 40


class StillSource(ScriptedSource):
    """Twenty pictures a second of a patient on a table; vessels fill unless told otherwise."""

    source_id = "drill without contrast"

    def __init__(self) -> None:
        super().__init__()
        self._shift_px = np.zeros(2)
        self._step_px = np.zeros(2)
        self._steps_left = 0
        self._filled = True
        self._stated = False
        self._silent = False

    def drain(self) -> None:
        """The contrast has left."""
        with self._changed:
            self._filled = False

    def move(self, shift_px: tuple[float, float], frames: int, *, stated: bool = False, silent: bool = False) -> None:
        """The anatomy moves across the picture in so many frames.

        Args:
            stated: the header says so, as a position of the table.
            silent: the header no longer states the table's position.
        """
        with self._changed:
            self._step_px, self._steps_left = np.asarray(shift_px) / frames, frames
            self._stated, self._silent = stated, silent

    def restore(self) -> None:
        """Everything back in its place, and a new injection."""
        with self._changed:
            self._shift_px, self._steps_left = np.zeros(2), 0
            self._filled, self._stated, self._silent = True, False, False

    @property
    def moving(self) -> bool:
        return self._steps_left > 0

    def _made(self, now_ns: int) -> Frame:
        if self._steps_left:
            self._steps_left -= 1
            self._shift_px = self._shift_px + self._step_px
        index, self._index = self._index, self._index + 1
        geometry = _view(self._shift_px if self._stated else np.zeros(2), silent=self._silent)
        shift = (float(self._shift_px[0]), float(self._shift_px[1]))
        self.sent[index] = Sent(received_ns=now_ns, geometry=geometry, mark=index, marked=False, shift_px=shift)
        return Frame(
            pixels=bones_picture(shift, index, filled=self._filled), kind="fluoro", received_ns=now_ns,
            source_id=self.source_id, source_frame=index, index=index, frame_time_ms=1e3 / FPS, geometry=geometry,
        )  # fmt: skip


def bones_picture(shift_px: tuple[float, float], number: int, *, filled: bool) -> UInt8[np.ndarray, "rows columns"]:
    """Bones moved by (columns, rows), with noise of its own; the vessel lies in the middle of what does not move."""
    begin = 0.5 * (_CANVAS_PX - SIZE_PX)
    matrix = np.array([[1.0, 0.0, shift_px[0] - begin], [0.0, 1.0, shift_px[1] - begin]])
    grey = cv2.warpAffine(_bones(), matrix, (SIZE_PX, SIZE_PX))
    grey = grey + np.random.default_rng(number).normal(0.0, 2.0, grey.shape)
    pixels = np.clip(grey, _DARKEST_BONE, 255.0).astype(np.uint8)
    if filled:
        middle = 0.5 * (SIZE_PX - 1) + np.asarray(shift_px)
        ends = np.rint((middle + np.array([[-_VESSEL_HALF_PX, 0.0], [_VESSEL_HALF_PX, 0.0]])) * 16).astype(int)
        cv2.line(pixels, ends[0].tolist(), ends[1].tolist(), _VESSEL_GREY, _VESSEL_WIDTH_PX, cv2.LINE_8, 4)
    return pixels


@cache
def _bones() -> Float32[np.ndarray, "rows columns"]:
    rng = np.random.default_rng(11)
    logs = cv2.GaussianBlur(rng.normal(size=(_CANVAS_PX, _CANVAS_PX)).astype(np.float32), (0, 0), 14) * 5
    for _ in range(260):
        start = rng.uniform(0, _CANVAS_PX, 2)
        end = start + rng.normal(0, 130, 2)
        cv2.line(logs, start.astype(int).tolist(), end.astype(int).tolist(), 0.4, int(rng.integers(5, 14)))
    return 140.0 * np.exp(-0.5 * cv2.GaussianBlur(logs, (0, 0), 1.5)).astype(np.float32)


def _view(table_shift_px: np.ndarray, *, silent: bool) -> CArmGeometry:
    """The drill's frontal view; the table states its move across the beam, as the standard has it."""
    view = view_at(0.0, 0.0)
    if silent:
        return view
    left_mm, feet_mm = (float(each) for each in table_shift_px * view.isocentre_mm_per_px)
    return replace(view, table_mm=(-feet_mm, left_mm, 0.0))


# The engine ---------------------------------------------------------------------------------------------------------
def still_recipe() -> EngineRecipe:
    return EngineRecipe(make=make_still_pipeline, arguments={})


def make_still_pipeline() -> Pipeline:
    """Door, judge, confirm, place and draw are those of live guidance; a vessel is what is darker than any bone."""
    half_mm = _VESSEL_HALF_PX * view_at(0.0, 0.0).isocentre_mm_per_px
    line = Branch(points_mm=np.array([[-half_mm, 0.0, 0.0], [half_mm, 0.0, 0.0]]), radius_mm=np.ones(2), name="vessel")
    return Pipeline(
        segmenter=_DarkIsVessel(),
        registrar=_PutsModelOnVessel(),
        model=ProjectedModel(VesselModel(centerlines=CenterlineTree(branches=(line,)))),
        vessel_threshold=0.5,
        clock_ns=time.perf_counter_ns,
        description="drill engine without contrast",
        confirm=Confirm(bones_hold=True, pivot_lps_mm=np.zeros(3), threshold=0.5),
    )


class _DarkIsVessel:
    def segment(self, frame: Frame, *, key: ViewKey | None = None) -> Segmentation:  # noqa: ARG002 - the seam's signature
        dark = frame.pixels < (_VESSEL_GREY + _DARKEST_BONE) // 2
        return Segmentation(
            probabilities=dark.astype(np.float32)[None], classes=("vessel",), model="drill", backend="drill"
        )


class _PutsModelOnVessel:
    """Finds the vessel wherever it is, and nothing where there is none."""

    def warm_up(self, *_: Any) -> None: ...

    def register(self, request: ColdStart, **_: Any) -> Registration:
        return _on_vessel(request.view)

    def rehearse(self) -> None: ...

    def likeliest(self, ready: ReadyView, places: tuple[Registration, ...]) -> tuple[Registration, ...]:  # noqa: ARG002 - the seam's
        return places

    def prepare(self, view: RegistrationView) -> ReadyView:
        return ReadyView(view=view)

    def track(self, ready: ReadyView, previous: Registration) -> Registration:  # noqa: ARG002 - the seam's signature
        return _on_vessel(ready.view)

    def move(self, found: Registration, ready: ReadyView) -> Registration:  # noqa: ARG002 - the seam's signature
        return found


def _on_vessel(view: RegistrationView) -> Registration:
    vessel = view.vessel >= view.threshold
    rows, columns = np.nonzero(vessel)
    cut = bool(vessel[[0, -1]].any() or vessel[:, [0, -1]].any())  # its middle is not that of what is left
    geometry = view.geometry
    arm = geometry.camera_from_isocentre()
    at_px = np.array([columns.mean(), rows.mean()]) - geometry.principal_point_px
    camera = np.eye(4)
    camera[:2, 3] = at_px / geometry.intrinsics_px().diagonal()[:2] * geometry.sod_mm
    pose = arm.inverse() @ RigidPose(matrix=camera, target="camera", source="camera") @ arm
    pose = RigidPose(matrix=pose.matrix, target="isocentre", source="lps")
    seen = RegisteredView(
        file=view.file, sop_instance_uid=view.sop_instance_uid, frame=view.frame, projection=geometry.projection(pose)
    )
    return Registration(
        case="drill", views=(seen,), isocentre_from_lps=pose, status="rejected" if cut else "accepted",
        confidence=1.0, expected_error_mm=0.5, depth_sigma_mm=1.0, reasons=(), stages=(), elapsed_ms=0.0,
        backend=RegistrationBackend(render="", inference="", device="cpu"),
    )  # fmt: skip
