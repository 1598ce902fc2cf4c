"""Pictures of a story: the simulated patient, exposed as the story moves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from calibration.carm import CArmGeometry
from calibration.errors import MissingGeometryError
from calibration.pose import RigidPose
from engines.angiography.dsa import subtract
from engines.angiography.frame import Frame, FrameKind
from engines.angiography.run import MaskOperation
from engines.simulation.anatomies.anatomy import Patient
from engines.simulation.runs.bolus import Filling
from engines.simulation.runs.run_rendering import RunPlan, render_run
from guidance_app.live.benches.fluoroscopy.stories import CONTRAST_S, Story

_MASKS = 2
_LONG_AFTER_S = 600.0
_WIRE_PX, _WIRE_SHARE = 2, 0.55


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shot:
    """A frame and the patient's true pose in it. `instant` counts in the story; None while contrast flows."""

    frame: Frame
    isocentre_from_lps: RigidPose
    instant: int | None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Staged(Filling):
    """Frames at chosen moments of the injection instead of one after the other."""

    moments_s: tuple[float, ...]
    frame_s: float

    def concentration_g_per_cm3(self, at_s: float) -> Float[np.ndarray, " n"]:
        number = int(np.clip(round(at_s / self.frame_s), 0, len(self.moments_s) - 1))
        return Filling.concentration_g_per_cm3(self, self.moments_s[number])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pictures:
    """See `engines.angiography.run.Run`."""

    pixels: UInt8[np.ndarray, "frames rows columns"]
    view: CArmGeometry
    frame_time_ms: float
    source_id: str = "simulated"
    sop_instance_uid: str = ""
    path: Path = Path("simulated")
    kind: FrameKind = "fluoro"
    mask: tuple[MaskOperation, ...] = ()
    log_intensity: bool = True

    @property
    def frame_count(self) -> int:
        return len(self.pixels)

    def geometry(self, index: int) -> CArmGeometry:
        if not 0 <= index < len(self.pixels):
            raise MissingGeometryError(f"{self.source_id}: no frame {index}")
        return self.view

    def frame(self, index: int) -> Frame:
        return Frame(
            pixels=self.pixels[index], kind="fluoro", geometry=self.view, source_id=self.source_id,
            source_frame=index, index=index, frame_time_ms=self.frame_time_ms,
        )  # fmt: skip


def shots_of(
    story: Story, patient: Patient, plan: RunPlan, *, pivot_lps_mm: Float[np.ndarray, " 3"], fps: float, seed: int
) -> list[Shot]:
    """Two seconds of a filled tree, then the story without contrast. Of a head the filled frames are subtracted.

    Every frame is stamped as if the story ran in real time.
    """
    subtracted = bool(plan.mask_frames)
    filled = round(CONTRAST_S * fps)
    begin = plan.moments[-1].isocentre_from_lps
    poses = [instant.moved(begin, pivot_lps_mm) for instant in story.instants]
    masks = _MASKS if subtracted else 0
    peak_s = _fullest_s(plan)
    moments_s = (
        *(-10.0 for _ in range(masks)),
        *(peak_s + number / fps for number in range(filled)),
        *(_LONG_AFTER_S for _ in poses),
    )
    # Heart and breath go on as planned; a whole patient moves as the story says.
    stands = [begin] * (masks + filled) + poses
    lives = [plan.moments[number % len(plan.moments)] for number in range(len(moments_s))]
    moved = [replace(life, isocentre_from_lps=pose) for life, pose in zip(lives, stands, strict=True)]
    staged = _Staged(
        **{name: getattr(plan.filling, name) for name in Filling.__dataclass_fields__},
        moments_s=moments_s,
        frame_s=1.0 / fps,
    )
    told = replace(plan, mask_frames=(), moments=tuple(moved), frame_time_ms=1e3 / fps, filling=staged)
    run = render_run(np.random.default_rng(seed), patient, told)
    pixels = run.pixels
    for number, instant in enumerate(story.instants):
        if instant.wire is not None:
            _draw_wire(pixels[masks + filled + number], instant.wire, seed)
    return _stamped(story, pixels, plan.geometry, [moment.isocentre_from_lps for moment in moved], masks, filled, fps)


def _stamped(
    story: Story,
    pixels: UInt8[np.ndarray, "frames rows columns"],
    view: CArmGeometry,
    poses: Sequence[RigidPose],
    masks: int,
    filled: int,
    fps: float,
) -> list[Shot]:
    if story.tagged:
        view = replace(view, table_mm=(0.0, 0.0, 0.0))
    native = _Pictures(pixels=pixels, view=view, frame_time_ms=1e3 / fps)
    dsa = subtract(native, mask_frames=range(masks)) if masks else None
    shots = []
    for number in range(masks, len(pixels)):
        instant = number - masks - filled
        frame = native.frame(number) if dsa is None or instant >= 0 else dsa.frame(number)
        table_mm = story.instants[instant].table_mm if instant >= 0 else None
        if table_mm is not None:
            frame = replace(frame, geometry=replace(view, table_mm=table_mm))
        index = number - masks
        frame = replace(frame, index=index, received_ns=1 + round(index * 1e9 / fps))
        shots.append(Shot(frame=frame, isocentre_from_lps=poses[number], instant=instant if instant >= 0 else None))
    return shots


def _fullest_s(plan: RunPlan) -> float:
    """When most contrast is in the arteries: the middle of the arterial phase."""
    times_s = np.linspace(0.0, len(plan.moments) * plan.frame_time_ms / 1e3, 60)
    held = [float(plan.filling.concentration_g_per_cm3(at_s).sum()) for at_s in times_s]
    return float(times_s[int(np.argmax(held))])


def _draw_wire(picture: UInt8[np.ndarray, "rows columns"], share: float, seed: int) -> None:
    """A guide wire that comes in from below, as dark as a wire is."""
    rng = np.random.default_rng(seed)
    rows, columns = picture.shape
    down = np.linspace(1.0, 1.0 - 0.8 * share, 40)
    bend = rng.uniform(0.03, 0.08) * np.sin(np.linspace(0.0, rng.uniform(3.0, 6.0), 40))
    line = np.column_stack([(rng.uniform(0.35, 0.65) + bend) * columns, down * rows])
    wire = np.zeros_like(picture)
    cv2.polylines(wire, [np.rint(line * 16).astype(np.int32)], False, 255, _WIRE_PX, cv2.LINE_AA, 4)
    picture[:] = np.rint(picture * (1.0 - (1.0 - _WIRE_SHARE) * (wire / 255.0))).astype(np.uint8)
