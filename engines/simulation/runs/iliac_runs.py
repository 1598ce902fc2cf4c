"""Angiography of the access: a pigtail above the bifurcation injects, then a sheath in the groin."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from engines.simulation.anatomies.anatomy import Device, Patient
from engines.simulation.imaging.collimator import draw_opening
from engines.simulation.runs.bolus import Injection, plan_filling
from engines.simulation.runs.carm_views import draw_view, place_patient, view_text
from engines.simulation.runs.coronary_runs import draw_cine_detector
from engines.simulation.runs.motion import Moment
from engines.simulation.runs.run_rendering import RunPlan
from engines.simulation.shapes.curve import even_steps, smooth_path, wobble

_FRAME_TIME_MS = 133.3  # 7.5 a second
_USUAL_FRAMES = (30, 24)


def plan_iliac_runs(rng: np.random.Generator, patient: Patient, frames: int | None) -> tuple[RunPlan, ...]:
    """Two runs: the bifurcation from the front, then one groin from the other side's oblique, after a table move."""
    side = int(rng.choice([-1, 1]))
    groin = patient.target_mm + np.array([side * 62.0, -25.0, -118.0])
    views = ((rng.uniform(-8, 8), rng.uniform(-8, 8)), (-side * rng.uniform(18, 38), rng.uniform(-6, 6)))
    devices = _devices(rng, patient)
    plans = []
    for number, ((primary, secondary), target) in enumerate(zip(views, (patient.target_mm, groin), strict=True)):
        geometry = draw_view(
            rng, primary_deg=primary, secondary_deg=secondary, spread_deg=1.5, sid_mm=(1000, 1150), sod_mm=(720, 790),
            field_mm=(300.0, 380.0),
        )  # fmt: skip
        count = frames or _USUAL_FRAMES[number]
        seconds = count * _FRAME_TIME_MS / 1000.0
        bolus = Injection(
            arrival_s=0.12 * seconds, speed_mm_per_s=rng.uniform(1100, 1700) / seconds, duration_s=0.36 * seconds,
            rise_s=0.1 * seconds, fall_s=0.16 * seconds, peak_g_per_cm3=rng.uniform(0.03, 0.07),
        )  # fmt: skip
        lies = place_patient(rng, target)
        plans.append(
            RunPlan(
                name=f"run{number + 1}",
                geometry=geometry,
                frame_time_ms=_FRAME_TIME_MS,
                moments=(Moment(isocentre_from_lps=lies, contraction=0.0, breath_mm=np.zeros(3)),) * count,
                filling=plan_filling(patient.tree, patient.groups, {"aorta": bolus}, patient.occluded),
                devices=devices,
                detector=draw_cine_detector(rng, photons=(700.0, 1500.0), contrast=(75.0, 110.0)),
                opening=draw_opening(rng, geometry.shape_px, view_text(geometry)),
            )
        )
    return tuple(plans)


def _devices(rng: np.random.Generator, patient: Patient) -> tuple[Device, ...]:
    sides = ["left", "right"]
    rng.shuffle(sides)
    pigtail = _access_path(rng, patient, sides[0], until=rng.uniform(0.45, 0.7))
    devices = [Device(points_mm=pigtail, radius_mm=0.95, core=0.7, iodine_g_per_cm3=0.3)]
    if rng.uniform() < 0.8:
        wire = _access_path(rng, patient, sides[1], until=1.0)
        devices.append(Device(points_mm=wire, radius_mm=0.45, core=0.0, iodine_g_per_cm3=1.25))
        if rng.uniform() < 0.6:  # a large sheath over the stiff wire
            reach = int(rng.uniform(0.35, 0.6) * len(wire))
            devices.append(Device(points_mm=wire[:reach], radius_mm=2.9, core=0.85, iodine_g_per_cm3=0.12))
    return tuple(devices)


def _access_path(rng: np.random.Generator, patient: Patient, side: str, *, until: float) -> Float[np.ndarray, "n 3"]:
    """A path from the groin upwards; a stiff wire straightens, so it leaves the centerline within the lumen."""
    ways = [
        np.concatenate([b.points_mm for b in patient.tree.branches if b.name == name])
        for name in (f"common-femoral-{side}", f"external-iliac-{side}", f"common-iliac-{side}", "aorta")
    ]
    path = even_steps(np.concatenate([way[::-1] for way in ways]), 1.0)
    path = path[: max(40, int(until * len(path)))]
    drift = np.column_stack([wobble(rng, len(path), amplitude=1.6, waves=len(path) / 90.0) for _ in range(3)])
    skin = path[0] + np.array([0.0, -38.0, -55.0])
    return smooth_path(np.vstack([skin, (path + drift)[6::11]]))
