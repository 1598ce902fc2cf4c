"""Small made-up screens and sessions for the views' tests."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.angiography.frame import Frame
from guidance_app.live.evidence import Evidence
from guidance_app.live.guidance import (
    Figures,
    GuidanceResult,
    GuidanceState,
    Overlay,
    OverlayPath,
    OverlayState,
    ScreenState,
    StageTimes,
)
from guidance_app.live.guidance_state import Situation, Weak
from guidance_app.live.run_log import Event
from guidance_app.live.witness import RunWitness

SIZE_PX = 100
LINE_ROW = 50


def geometry(**changes: object) -> CArmGeometry:
    base = CArmGeometry(
        primary_rad=np.deg2rad(30.2),
        secondary_rad=np.deg2rad(-12.1),
        sid_mm=1050.0,
        sod_mm=720.0,
        column_spacing_mm=0.3,
        row_spacing_mm=0.3,
        shape_px=(SIZE_PX, SIZE_PX),
        principal_point_px=(49.5, 49.5),
    )
    return replace(base, **changes)


def frame(index: int = 0, *, level: int = 100, **changes: object) -> Frame:
    base = Frame(
        pixels=np.full((SIZE_PX, SIZE_PX), level, dtype=np.uint8),
        kind="fluoro",
        geometry=geometry(),
        source_id="run1",
        source_frame=index,
        index=index,
        window_center=128.0,
        window_width=256.0,
    )
    return replace(base, **changes)


def overlay(index: int = 0, *, halo_px: float = 0.0) -> Overlay:
    """One horizontal vessel of 10 px along the middle row, without ends in the picture's middle."""
    columns = np.linspace(20.0, 80.0, 31)
    line = OverlayPath(
        points_px=np.column_stack([columns, np.full(31, float(LINE_ROW))]), width_px=np.full(31, 10.0), name="vessel"
    )
    return Overlay(
        frame_index=index,
        geometry=geometry(),
        centerlines=(line,),
        outline=(),
        halo_px=halo_px,
        generation=1,
        evidence=Evidence(kind="vessel", age_s=0.0),
    )


def screen(
    index: int = 0,
    *,
    state: OverlayState = "valid",
    guidance: GuidanceState = "accepted",
    age_ms: float | None = 20.0,
    halo_px: float = 0.0,
    **changes: object,
) -> ScreenState:
    drawn = None if state == "hidden" else overlay(index, halo_px=halo_px)
    result = GuidanceResult(
        frame_index=index,
        state=guidance,
        reason="",
        overlay=drawn,
        vessel_outline=(),
        confidence=0.97,
        expected_error_mm=0.8,
        depth_sigma_mm=6.1,
        times=StageTimes(decode=1.0, segment=40.0, track=12.0, render=2.0),
        generation=1,
    )
    base = ScreenState(
        frame=frame(index),
        result=result,
        overlay=drawn,
        overlay_state=state,
        overlay_age_ms=None if drawn is None else age_ms,
        source_state="replay",
        guidance_state=guidance,
        engine_up=True,
        banner="",
        frames_total=16,
        fps=15.0,
        p95_ms=31.0,
        figures=None
        if guidance not in ("accepted", "proposed")
        else Figures(confidence=0.97, expected_error_mm=0.8, depth_sigma_mm=6.1),
    )
    return replace(base, **changes)


class StagedSession:
    """Shows given screens one after the other, each until it was painted; remembers what was asked of it."""

    def __init__(self, screens: list[ScreenState]) -> None:
        self._screens = screens
        self._at = 0
        self.painted_screens: list[ScreenState] = []
        self.painted_after_ns: list[int] = []
        self.asked: list[str] = []
        self.started = self.stopped = 0
        self.registration = None
        self.newest_event: Event | None = None
        self.weak: Weak | None = None
        self.out: Path | None = None
        self.situation = Situation()
        self.placed: list[RigidPose] = []
        self.witnesses: list[RunWitness] = []

    def start(self) -> None:
        self.started += 1

    def stop(self) -> None:
        self.stopped += 1

    def screen(self) -> ScreenState:
        return self._screens[min(self._at, len(self._screens) - 1)]

    def painted(self, screen: ScreenState, painted_ns: int) -> None:
        assert painted_ns <= time.monotonic_ns()
        self.painted_screens.append(screen)
        self._at += 1

    def add_witness(self, witness: RunWitness) -> None:
        witness.begin(lambda _line: None)
        self.witnesses.append(witness)
        if self.painted_screens and (shown := self.painted_screens[-1]).frame is not None:
            witness.frame(shown.frame)
            witness.painted(shown, time.monotonic_ns())

    def remove_witness(self, witness: RunWitness) -> None:
        self.witnesses.remove(witness)
        witness.end()

    @property
    def finished(self) -> bool:
        return self._at >= len(self._screens)

    @property
    def commands(self) -> StagedSession:
        return self

    def request_registration(self) -> None:
        self.asked.append("register")

    def accept(self) -> None:
        self.asked.append("accept")

    def reject(self) -> None:
        self.asked.append("reject")

    def undo_reject(self) -> None:
        self.asked.append("undo reject")

    def place_by_hand(self, pose: RigidPose, what: str) -> bool:
        self.placed.append(pose)
        self.asked.append(f"place: {what}")
        self.situation = replace(self.situation, by_hand=True)
        return True

    def withdraw_hand(self) -> None:
        self.asked.append("withdraw")
        self.situation = replace(self.situation, by_hand=False)

    def declare_wire(self, *, inside: bool) -> None:
        self.asked.append(f"wire {inside}")
        self.situation = replace(self.situation, wire=inside)

    def pause(self) -> None:
        self.asked.append("pause")

    def resume(self) -> None:
        self.asked.append("resume")

    def play_every_frame(self, every_frame: bool) -> None:
        self.asked.append(f"every frame {every_frame}")

    def step(self, frames: int) -> None:
        self.asked.append(f"step {frames}")

    def seek(self, source_frame: int) -> None:
        self.asked.append(f"seek {source_frame}")

    def play_at(self, speed: float) -> None:
        self.asked.append(f"speed {speed:g}")

    def repeat(self, stretch: tuple[int, int] | None) -> None:
        self.asked.append(f"repeat {stretch}")
