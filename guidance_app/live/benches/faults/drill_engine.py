"""An engine for drills: it registers at once, draws one line, and can be ordered to take all memory.

What it draws carries the mark that it read from the picture's own pixels, so that a mix-up anywhere between source,
shared memory and screen shows.
"""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from calibration.pose import RigidPose
from engines.angiography.contrast_gate import Background
from engines.angiography.frame import Frame
from engines.registration.registration import RegisteredView, Registration, RegistrationBackend
from engines.registration.view import RegistrationView
from guidance_app.live import guidance_state
from guidance_app.live.engine.engine_process import EngineRecipe
from guidance_app.live.engine.pipeline import StepOutcome
from guidance_app.live.engine.step.door import ViewKey
from guidance_app.live.engine.step.judge import ColdStart
from guidance_app.live.evidence import Evidence
from guidance_app.live.guidance import GuidanceResult, Overlay, OverlayPath, StageTimes
from guidance_app.live.guidance_state import Situation

MEMORY_LIMIT_BYTES = 288 * 2**20
_STEP_S = 0.02
_ORDER = "take-all-memory"
_PIECE_BYTES = 32 * 2**20
_MARK_PIXELS = 4
_LARGEST_PX = 1536


def drill_recipe(orders: Path) -> EngineRecipe:
    """`orders` is a folder that both sides see."""
    return EngineRecipe(make=DrillSteps, arguments={"orders": orders}, memory_limit_bytes=MEMORY_LIMIT_BYTES)


def order_memory(orders: Path) -> None:
    """The engine takes memory without end on its next frame."""
    (orders / _ORDER).touch()


def marked_picture(mark: int, size_px: int) -> UInt8[np.ndarray, "rows columns"]:
    """A picture whose first pixels spell `mark`; the rest follows from it, and is noise: nothing else fills a disk."""
    pixels = _noise()[:size_px, :size_px] + np.uint8(mark % 256)
    pixels[0, :_MARK_PIXELS] = np.frombuffer(mark.to_bytes(_MARK_PIXELS, "big"), dtype=np.uint8)
    return pixels


@cache
def _noise() -> UInt8[np.ndarray, "rows columns"]:
    return np.random.default_rng(0).integers(0, 256, (_LARGEST_PX, _LARGEST_PX), dtype=np.uint8)


def mark_of(frame: Frame) -> int:
    return int.from_bytes(frame.pixels[0, :_MARK_PIXELS].astype(np.uint8).tobytes(), "big")


class DrillSteps:
    """See `guidance_app.live.engine.pipeline.Steps`."""

    description = "drill engine"
    degraded = ""

    def __init__(self, orders: Path) -> None:
        self._order = orders / _ORDER

    def warm_up(self) -> None: ...

    def rehearse(self) -> None: ...

    def keep(self, background: Background, key: ViewKey) -> None: ...

    def register(self, request: ColdStart, **_: Any) -> Registration:
        return _registration(request.view)

    def step(self, frame: Frame, situation: Situation) -> StepOutcome:
        if self._order.exists():
            self._order.unlink()  # first: the one that takes over must not obey it too
            _take_all_memory()
        time.sleep(_STEP_S)
        situation = guidance_state.saw_geometry(situation, frame.geometry)
        cold_start = None
        if frame.geometry is not None:
            view = RegistrationView(
                file=frame.source_id, sop_instance_uid=frame.sop_instance_uid, frame=frame.source_frame,
                geometry=frame.geometry, vessel=np.zeros(frame.geometry.shape_px, dtype=np.float32),
            )  # fmt: skip
            if situation.registration is not None:
                situation = guidance_state.checked(situation, _registration(view), frame.geometry)
            elif situation.wanted and not situation.registering:
                situation = guidance_state.registration_started(situation)
                cold_start = ColdStart(
                    view=view, frame=frame, key=ViewKey(geometry=frame.geometry, shape_px=frame.shape_px), past=(),
                    previous=None, generation=situation.generation,
                )  # fmt: skip
        return StepOutcome(result=_result(frame, situation), situation=situation, cold_start=cold_start)


def _take_all_memory() -> None:
    held = []
    while os.getppid():
        held.append(np.ones(_PIECE_BYTES, dtype=np.uint8))


def _registration(view: RegistrationView) -> Registration:
    pose = RigidPose.identity(target="isocentre", source="lps")
    seen = RegisteredView(
        file=view.file,
        sop_instance_uid=view.sop_instance_uid,
        frame=view.frame,
        projection=view.geometry.projection(pose),
    )
    return Registration(
        case="drill", views=(seen,), isocentre_from_lps=pose, status="accepted", confidence=1.0, expected_error_mm=0.0,
        depth_sigma_mm=0.0, reasons=(), stages=(), elapsed_ms=0.0,
        backend=RegistrationBackend(render="", inference="", device="cpu"),
    )  # fmt: skip


def _result(frame: Frame, situation: Situation) -> GuidanceResult:
    overlay = None
    if frame.geometry is not None and situation.state == "accepted":
        line = OverlayPath(points_px=np.array([[8.0, 8.0], [40.0, 40.0]]), width_px=np.array([2.0, 2.0]))
        overlay = Overlay(
            frame_index=frame.index, geometry=frame.geometry, centerlines=(line,), outline=(),
            halo_px=float(mark_of(frame)), generation=situation.generation,
            evidence=Evidence(kind="vessel", age_s=0.0),
        )  # fmt: skip
    return GuidanceResult(
        frame_index=frame.index, state=situation.state, reason=situation.reason, overlay=overlay, vessel_outline=(),
        confidence=None, expected_error_mm=None, depth_sigma_mm=None, times=StageTimes(segment=1e3 * _STEP_S),
        generation=situation.generation,
    )  # fmt: skip
