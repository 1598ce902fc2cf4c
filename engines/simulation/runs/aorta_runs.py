"""Fluoroscopy of the aortic root: a pigtail injects, the bolus fills root and arch and washes out."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from engines.simulation.anatomies.anatomy import Device, Patient
from engines.simulation.imaging.collimator import draw_opening
from engines.simulation.runs.bolus import Injection, plan_filling
from engines.simulation.runs.carm_views import draw_view, place_patient, view_text
from engines.simulation.runs.coronary_runs import draw_cine_detector, sternal_wires
from engines.simulation.runs.motion import Beat, Moment, breath_offset_mm, contraction
from engines.simulation.runs.run_rendering import RunPlan
from engines.simulation.shapes.curve import even_steps, smooth_path

_FRAME_TIME_MS = 66.7  # 15 a second
_USUAL_FRAMES = (45, 30)


def plan_aorta_runs(rng: np.random.Generator, patient: Patient, frames: int | None) -> tuple[RunPlan, ...]:
    """Two runs: near the three-cusp view, and a steeper view that opens the arch.

    The aorta lies still, as under rapid pacing; heart shadow and diaphragm move.
    """
    isocentre_from_lps = place_patient(rng, patient.target_mm)
    views = ((rng.uniform(2, 14), rng.uniform(-22, 12)), (rng.uniform(28, 45), rng.uniform(-10, 10)))
    devices = _devices(rng, patient)
    beat = Beat(
        frames_per_beat=int(rng.integers(6, 14)), shorten=rng.uniform(0.02, 0.06), squeeze=rng.uniform(0.02, 0.06),
        twist_rad=0.0, breath_mm=float(rng.choice([0.0, 1.0, 3.0])), breath_period_s=rng.uniform(3.5, 5.0),
    )  # fmt: skip
    plans = []
    for number, (primary, secondary) in enumerate(views):
        geometry = draw_view(
            rng, primary_deg=primary, secondary_deg=secondary, spread_deg=1.5, sid_mm=(1000, 1150), sod_mm=(720, 790),
            field_mm=(270.0, 300.0),
        )  # fmt: skip
        count = frames or _USUAL_FRAMES[number]
        seconds = count * _FRAME_TIME_MS / 1000.0
        peak = rng.uniform(0.026, 0.045)
        bolus = Injection(
            arrival_s=0.14 * seconds, speed_mm_per_s=rng.uniform(800, 1250) / seconds, duration_s=0.36 * seconds,
            rise_s=0.1 * seconds, fall_s=0.15 * seconds, peak_g_per_cm3=peak,
        )  # fmt: skip
        stub = Injection(
            arrival_s=0.2 * seconds, speed_mm_per_s=540.0 / seconds, duration_s=0.4 * seconds,
            rise_s=0.1 * seconds, fall_s=0.15 * seconds, peak_g_per_cm3=2.2 * peak,
        )  # fmt: skip
        moments = tuple(
            Moment(
                isocentre_from_lps=isocentre_from_lps,
                contraction=contraction(frame, beat.frames_per_beat),
                breath_mm=breath_offset_mm(frame * _FRAME_TIME_MS / 1000.0, beat, 0.1 * number),
            )
            for frame in range(count)
        )
        plans.append(
            RunPlan(
                name=f"run{number + 1}",
                geometry=geometry,
                frame_time_ms=_FRAME_TIME_MS,
                moments=moments,
                filling=plan_filling(
                    patient.tree, patient.groups, {"aorta": bolus, "LCA": stub, "RCA": stub}, patient.occluded
                ),
                devices=devices,
                detector=draw_cine_detector(rng, photons=(700.0, 1500.0), contrast=(75.0, 105.0)),
                opening=draw_opening(rng, geometry.shape_px, view_text(geometry)),
                beat=beat,
                lobe_filling=20,
            )
        )
    return tuple(plans)


def _devices(rng: np.random.Generator, patient: Patient) -> tuple[Device, ...]:
    path = _aortic_path(patient)
    devices = [_pigtail(rng, patient, path), _stiff_wire(rng, patient, path)]
    if rng.uniform() < 0.25:
        devices.extend(sternal_wires(rng, patient.offset_mm))
    if rng.uniform() < 0.5:
        devices.append(_pacing_lead(patient))
    return tuple(devices)


def _aortic_path(patient: Patient) -> Float[np.ndarray, "n 3"]:
    return even_steps(
        np.concatenate([branch.points_mm for branch in patient.tree.branches if branch.name == "aorta"]), 1.0
    )


def _hugging(rng: np.random.Generator, path: Float[np.ndarray, "n 3"], offset_mm: float) -> Float[np.ndarray, "n 3"]:
    """The path of a catheter, which touches the outer wall of every bend."""
    bend = np.gradient(np.gradient(path, axis=0), axis=0)
    kernel = np.ones(41) / 41
    smooth = np.column_stack([np.convolve(np.pad(bend[:, k], 20, mode="edge"), kernel, "valid") for k in range(3)])
    size = np.linalg.norm(smooth, axis=1, keepdims=True)
    return (
        path
        - smooth / np.maximum(size, 1e-9) * offset_mm * np.tanh(size / (0.3 * size.max()))
        + rng.normal(scale=0.5, size=3)
    )


def _pigtail(rng: np.random.Generator, patient: Patient, path: Float[np.ndarray, "n 3"]) -> Device:
    lobe = patient.lobes[2]  # the non-coronary cusp
    seat = np.asarray(lobe.centre_mm) + patient.offset_mm - 4.0 * np.asarray(lobe.axes[2])
    lean, outwards = np.asarray(lobe.axes[2]), np.asarray(lobe.axes[0])
    angle = np.linspace(-0.5 * np.pi, 1.3 * np.pi, 50)
    loop = seat + 5.0 * (np.sin(angle)[:, None] * -lean + np.cos(angle)[:, None] * outwards)
    shaft = _hugging(rng, path, rng.uniform(4, 7))[34::12][::-1]
    return Device(
        points_mm=smooth_path(np.vstack([shaft, loop[:1] + 9.0 * lean, loop[::7]])), radius_mm=1.0, core=0.7,
        iodine_g_per_cm3=0.3,
    )  # fmt: skip


def _stiff_wire(rng: np.random.Generator, patient: Patient, path: Float[np.ndarray, "n 3"]) -> Device:
    """A stiff wire through the valve, curled in the left ventricle."""
    assert patient.heart is not None
    apex = patient.heart.base_mm + 0.72 * patient.heart.length_mm * patient.heart.axes[2]
    u, v = patient.heart.axes[0], patient.heart.axes[1]
    angle = np.linspace(0.0, 1.6 * np.pi, 40)
    curl = apex + 14.0 * (np.sin(angle)[:, None] * u - (np.cos(angle)[:, None] - 1.0) * patient.heart.axes[2]) - 6.0 * v
    shaft = _hugging(rng, path, rng.uniform(5, 8))[4::10][::-1]
    return Device(points_mm=smooth_path(np.vstack([shaft, curl[::6]])), radius_mm=0.45, core=0.0, iodine_g_per_cm3=1.25)


def _pacing_lead(patient: Patient) -> Device:
    """A pacing lead from below, through the right atrium to the apex of the right ventricle."""
    assert patient.heart is not None
    heart = patient.heart
    apex = heart.base_mm + 0.75 * heart.length_mm * heart.axes[2] + 14.0 * heart.axes[1]
    atrium = heart.base_mm + 26.0 * heart.axes[1] - 8.0 * heart.axes[0] - 4.0 * heart.axes[2]
    way = np.array(
        [
            patient.offset_mm + np.array([-26, 22, -150]),
            patient.offset_mm + np.array([-28, 14, -60]),
            atrium,
            0.5 * (atrium + apex) + 8 * heart.axes[1],
            apex,
        ]
    )
    return Device(points_mm=smooth_path(way), radius_mm=0.8, core=0.0, iodine_g_per_cm3=0.35, moves="heart")
