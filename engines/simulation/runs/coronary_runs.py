"""Cine runs of one coronary tree on a beating, breathing heart."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from engines.simulation.anatomies.anatomy import Device, Patient
from engines.simulation.imaging.collimator import draw_opening
from engines.simulation.imaging.xray import Detector
from engines.simulation.runs.bolus import Injection, plan_filling
from engines.simulation.runs.carm_views import draw_view, place_patient, view_text
from engines.simulation.runs.motion import Beat, Moment, breath_offset_mm, contraction
from engines.simulation.runs.run_rendering import RunPlan
from engines.simulation.shapes.curve import smooth_path

_FRAME_TIME_MS = 66.7  # 15 a second
_USUAL_FRAMES = (45, 30)
# Standard working views, degrees (LAO +, cranial +).
_LEFT_VIEWS = ((-20, -22), (-30, 22), (0, 32), (35, 25), (42, -25), (-8, -30), (-10, 38))
_RIGHT_VIEWS = ((35, 0), (-30, 0), (0, 28), (30, 25))


def plan_coronary_runs(rng: np.random.Generator, patient: Patient, frames: int | None) -> tuple[RunPlan, ...]:
    """Two runs of the same tree (left in most patients), at least 30 degrees apart."""
    group = "LCA" if rng.uniform() < 0.7 else "RCA"
    points = np.concatenate(
        [branch.points_mm for branch, own in zip(patient.tree.branches, patient.groups, strict=True) if own == group]
    )
    target_mm = 0.5 * (points.min(axis=0) + points.max(axis=0))
    isocentre_from_lps = place_patient(rng, target_mm)
    beat = Beat(
        frames_per_beat=int(rng.integers(11, 16)), shorten=rng.uniform(0.06, 0.12), squeeze=rng.uniform(0.06, 0.13),
        twist_rad=np.deg2rad(rng.uniform(3, 8)), breath_mm=float(rng.choice([0.5, 1.5, 4.0])),
        breath_period_s=rng.uniform(3.5, 5.0),
    )  # fmt: skip
    wires = _wires(rng, patient, group)
    plans = []
    for number, (primary, secondary) in enumerate(_two_views(rng, _LEFT_VIEWS if group == "LCA" else _RIGHT_VIEWS)):
        geometry = draw_view(
            rng, primary_deg=primary, secondary_deg=secondary, spread_deg=2.0, sid_mm=(900, 1080), sod_mm=(720, 765),
            field_mm=(200.0, 220.0, 250.0),
        )  # fmt: skip
        count = frames or _USUAL_FRAMES[number]
        breath_phase, beat_phase = rng.uniform(), int(rng.integers(beat.frames_per_beat))
        moments = tuple(
            Moment(
                isocentre_from_lps=isocentre_from_lps,
                contraction=contraction(frame + beat_phase, beat.frames_per_beat),
                breath_mm=breath_offset_mm(frame * _FRAME_TIME_MS / 1000.0, beat, breath_phase),
            )
            for frame in range(count)
        )
        seconds = count * _FRAME_TIME_MS / 1000.0
        bolus = Injection(
            arrival_s=0.1 * seconds, speed_mm_per_s=rng.uniform(480, 780) / seconds, duration_s=0.55 * seconds,
            rise_s=0.08 * seconds, fall_s=0.17 * seconds, peak_g_per_cm3=rng.uniform(0.24, 0.34),
        )  # fmt: skip
        plans.append(
            RunPlan(
                name=f"run{number + 1}",
                geometry=geometry,
                frame_time_ms=_FRAME_TIME_MS,
                moments=moments,
                filling=plan_filling(patient.tree, patient.groups, {group: bolus}, patient.occluded),
                devices=(_guide(patient, group), *wires),
                detector=draw_cine_detector(rng),
                opening=draw_opening(rng, geometry.shape_px, view_text(geometry)),
                beat=beat,
                vessels_beat=True,
                blush=rng.uniform(0.01, 0.03),
                blush_delay_s=0.5,
            )
        )
    return tuple(plans)


def _two_views(rng: np.random.Generator, views: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    first = views[rng.integers(len(views))]
    apart = [view for view in views if np.hypot(view[0] - first[0], view[1] - first[1]) >= 30.0]
    return [first, apart[rng.integers(len(apart))]]


def draw_cine_detector(
    rng: np.random.Generator,
    *,
    photons: tuple[float, float] = (500.0, 1400.0),
    contrast: tuple[float, float] = (95.0, 135.0),
) -> Detector:
    """Cine exposure with the display curve of a modern system, which flattens the background."""
    return Detector(
        photons=rng.uniform(*photons),
        scatter_ratio=rng.uniform(0.3, 0.7),
        glare_px=rng.uniform(40, 80),
        blur_px=rng.uniform(0.55, 0.85),
        electronic=6.0,
        flatten=rng.uniform(0.7, 0.92),
        sharpen=rng.uniform(0.2, 0.9),
        contrast=rng.uniform(*contrast),
        level=rng.uniform(120, 150),
        vignette=rng.uniform(0.0, 0.15),
    )


def _guide(patient: Patient, group: str) -> Device:
    """A guide catheter: up the descending aorta, over the arch, down to the ostium."""
    root = next(
        branch
        for branch, own in zip(patient.tree.branches, patient.groups, strict=True)
        if own == group and branch.parent < 0
    )
    tip, inwards = root.points_mm[3], root.points_mm[0] - root.points_mm[4]
    inwards = inwards / np.linalg.norm(inwards)
    ostium = root.points_mm[0]
    body = patient.offset_mm
    into_root = np.array([[0.0, 0, 0], [-2, 1, 8], [-4, 2, 30]]) + inwards * np.array([[4.0], [14.0], [20.0]])
    arch = np.array([[-8.0, -14, 62], [2, 4, 84], [18, 26, 84], [26, 42, 62], [25, 46, 10], [20, 46, -120]])
    way = np.vstack([tip, ostium + into_root, body + arch])
    return Device(points_mm=smooth_path(way), radius_mm=1.0, core=0.75, iodine_g_per_cm3=0.2)


def _wires(rng: np.random.Generator, patient: Patient, group: str) -> list[Device]:
    """A wire in the treated vessel and steel loops in the sternum, each in some patients."""
    devices: list[Device] = []
    if rng.uniform() < 0.35:
        names = ("LM", "LAD") if group == "LCA" else ("RCA",)
        path = np.concatenate([branch.points_mm for branch in patient.tree.branches if branch.name in names])
        devices.append(
            Device(
                points_mm=path[: int(0.85 * len(path))], radius_mm=0.18, core=0.0, iodine_g_per_cm3=1.6, moves="heart"
            )
        )
    if rng.uniform() < 0.25:
        devices.extend(sternal_wires(rng, patient.offset_mm))
    return devices


def sternal_wires(rng: np.random.Generator, body_mm: Float[np.ndarray, " 3"]) -> list[Device]:
    """Steel loops that closed the chest after surgery."""
    loops: list[Device] = []
    for level in range(rng.integers(4, 7)):
        angle = np.linspace(0, 2 * np.pi, 60)
        tilt = rng.normal(scale=2.0)
        loop = np.column_stack([12 * np.sin(angle), -80 + 9 * np.cos(angle), 55 - 24 * level + tilt * np.sin(angle)])
        loops.append(Device(points_mm=loop + body_mm, radius_mm=0.45, core=0.0, iodine_g_per_cm3=1.25))
    return loops
