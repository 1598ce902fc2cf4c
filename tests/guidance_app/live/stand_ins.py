"""Light stand-ins for tests: a run without files, and an engine without networks."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from calibration.carm import CArmGeometry
from calibration.errors import MissingGeometryError
from calibration.pose import RigidPose
from engines.angiography.contrast_gate import Background
from engines.angiography.frame import Frame, FrameKind
from engines.angiography.run import FrameDecodeError, MaskOperation
from engines.registration.registration import RegisteredView, Registration, RegistrationBackend, RegistrationStatus
from engines.registration.view import RegistrationView
from guidance_app.live import guidance_state
from guidance_app.live.engine.engine_process import EngineRecipe
from guidance_app.live.engine.pipeline import StepOutcome
from guidance_app.live.engine.step.door import ViewKey
from guidance_app.live.engine.step.judge import ColdStart
from guidance_app.live.evidence import Evidence
from guidance_app.live.guidance import GuidanceResult, Overlay, OverlayPath, StageTimes
from guidance_app.live.guidance_state import Situation


def geometry(primary_deg: float = 0.0, secondary_deg: float = 0.0, sid_mm: float = 1000.0, size: int = 64):
    return CArmGeometry(
        primary_rad=np.deg2rad(primary_deg),
        secondary_rad=np.deg2rad(secondary_deg),
        sid_mm=sid_mm,
        sod_mm=700.0,
        column_spacing_mm=0.3,
        row_spacing_mm=0.3,
        shape_px=(size, size),
        principal_point_px=((size - 1) / 2, (size - 1) / 2),
    )


def registration(
    view: CArmGeometry | None = None, status: RegistrationStatus = "accepted", generation: int = 0
) -> Registration:
    view = view or geometry()
    pose = RigidPose.identity(target="isocentre", source="lps")
    return Registration(
        case="test",
        views=(RegisteredView(file="run", sop_instance_uid="1.2.3", frame=0, projection=view.projection(pose)),),
        isocentre_from_lps=pose,
        status=status,
        confidence=0.9,
        expected_error_mm=1.0,
        depth_sigma_mm=5.0,
        reasons=(),
        stages=(),
        elapsed_ms=1.0,
        backend=RegistrationBackend(render="", inference="", device="cpu"),
        generation=generation,
    )


@dataclass
class FakeRun:
    """Frame i is filled with the value i; some frames may be damaged, moved or without geometry."""

    frame_count: int = 10
    frame_time_ms: float | None = 1000 / 15
    damaged: frozenset[int] = frozenset()
    geometries: dict[int, CArmGeometry | None] = field(default_factory=dict)
    size: int = 64
    frozen_from: int | None = None
    decode_s: float = 0.0
    source_id: str = "run.dcm"
    sop_instance_uid: str = "1.2.3"
    kind: FrameKind = "fluoro"
    mask: tuple[MaskOperation, ...] = ()
    log_intensity: bool = False
    path: Path = Path("run.dcm")

    def geometry(self, index: int) -> CArmGeometry:
        found = self.geometries.get(index, geometry(size=self.size))
        if found is None:
            raise MissingGeometryError(f"{self.source_id}: no DistanceSourceToDetector")
        return found

    def frame(self, index: int) -> Frame:
        if index in self.damaged:
            raise FrameDecodeError(f"{self.source_id}: frame {index} is cut short")
        if self.decode_s:
            time.sleep(self.decode_s)
        known = self.geometries.get(index, geometry(size=self.size))
        shown = index if self.frozen_from is None else min(index, self.frozen_from)
        return Frame(
            pixels=np.full((self.size, self.size), shown % 256, dtype=np.uint8),
            kind="fluoro",
            geometry=known,
            geometry_reason="" if known is not None else f"{self.source_id}: no DistanceSourceToDetector",
            source_id=self.source_id,
            sop_instance_uid=self.sop_instance_uid,
            source_frame=index,
            frame_time_ms=self.frame_time_ms,
        )


class FakeSteps:
    """Registers at once, confirms every check, and draws one line; a picture filled with a value above 200 hurts it.

    248 never comes back though the process beats on, 249 takes memory without end, 250 kills the process, 251 stops it
    dead without ending it, 252 raises, 253 loses its GPU.
    """

    description = "stand-in"
    degraded = ""

    def __init__(self, *, step_s: float = 0.0, cold_s: float = 0.0, status: RegistrationStatus = "accepted") -> None:
        self._step_s = step_s
        self._cold_s = cold_s
        self._status = status

    def warm_up(self) -> None: ...

    def rehearse(self) -> None: ...

    def keep(self, background: Background, key: ViewKey) -> None: ...

    def _take_memory(self) -> None:
        held = []
        while True:
            held.append(np.ones(32 * 2**20, dtype=np.uint8))

    def register(self, request: ColdStart, **_: Any) -> Registration:
        time.sleep(self._cold_s)
        return replace(registration(request.view.geometry, self._status), case=f"found by {os.getpid()}")

    def step(self, frame: Frame, situation: Situation) -> StepOutcome:
        value = int(frame.pixels.flat[0])
        if value == 248:
            time.sleep(60.0)
        if value == 249:
            self._take_memory()
        if value == 253:
            self.degraded = "guidance runs on the CPU: the GPU failed (CUDA error)"
        if value == 250:
            os.kill(os.getpid(), signal.SIGKILL)
        if value == 251:
            os.kill(os.getpid(), signal.SIGSTOP)
        if value == 252:
            raise ValueError("a bad frame")
        time.sleep(self._step_s)
        situation = guidance_state.saw_geometry(situation, frame.geometry)
        cold_start = None
        if frame.geometry is not None:
            if situation.registration is not None:
                seen = registration(frame.geometry, situation.registration.status)
                seen = replace(seen, case=situation.registration.case)
                situation = guidance_state.checked(situation, seen, frame.geometry)
            if situation.wanted and not situation.registering:
                situation = guidance_state.registration_started(situation)
                cold_start = ColdStart(
                    view=view_of(frame),
                    frame=frame,
                    key=ViewKey(geometry=frame.geometry, shape_px=frame.shape_px),
                    past=(),
                    previous=situation.registration,
                    generation=situation.generation,
                )
        return StepOutcome(result=result_of(frame, situation), situation=situation, cold_start=cold_start)


def view_of(frame: Frame) -> RegistrationView:
    assert frame.geometry is not None
    return RegistrationView(
        file=frame.source_id,
        sop_instance_uid=frame.sop_instance_uid,
        frame=frame.source_frame,
        geometry=frame.geometry,
        vessel=np.zeros(frame.geometry.shape_px, dtype=np.float32),
    )


def overlay_of(frame: Frame, situation: Situation) -> Overlay | None:
    if frame.geometry is None or situation.state not in ("accepted", "proposed"):
        return None
    line = OverlayPath(points_px=np.array([[1.0, 1.0], [9.0, 9.0]]), width_px=np.array([2.0, 2.0]))
    return Overlay(
        frame_index=frame.index, geometry=frame.geometry, centerlines=(line,), outline=(), halo_px=1.0,
        generation=situation.generation, evidence=Evidence(kind="vessel", age_s=0.0),
    )  # fmt: skip


def result_of(frame: Frame, situation: Situation) -> GuidanceResult:
    return GuidanceResult(
        frame_index=frame.index, state=situation.state, reason=situation.reason, overlay=overlay_of(frame, situation),
        vessel_outline=(), confidence=None, expected_error_mm=None, depth_sigma_mm=None,
        times=StageTimes(segment=1.0, render=1.0), generation=situation.generation,
    )  # fmt: skip


def fake_recipe(*, memory_limit_bytes: int | None = None, **arguments: object) -> EngineRecipe:
    return EngineRecipe(make=FakeSteps, arguments=dict(arguments), memory_limit_bytes=memory_limit_bytes)


def hurtful_at(run: FakeRun, hurtful_frame: int, value: int) -> FakeRun:
    """Frame `hurtful_frame` shows the value that hurts the engine (see `FakeSteps`), the others are harmless."""
    plain = run.frame

    def frame(index: int):
        made = plain(index)
        made.pixels[...] = value if index == hurtful_frame else index % 100
        return made

    run.frame = frame  # type: ignore[method-assign]
    return run


def refuse_to_start() -> FakeSteps:
    raise ValueError("no such model")


def numbered(frame: Frame, index: int, received_ns: int) -> Frame:
    return replace(frame, index=index, received_ns=received_ns)
