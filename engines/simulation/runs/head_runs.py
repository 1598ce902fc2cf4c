"""DSA runs of the head: frontal and lateral, injected from one carotid."""

from __future__ import annotations

import numpy as np

from calibration.pose import RigidPose
from engines.simulation.anatomies.anatomy import Device, Patient
from engines.simulation.imaging.collimator import draw_opening
from engines.simulation.imaging.xray import Detector
from engines.simulation.runs.bolus import Filling, Injection, plan_filling
from engines.simulation.runs.carm_views import draw_view, place_patient, view_text
from engines.simulation.runs.motion import Moment
from engines.simulation.runs.run_rendering import RunPlan

_USUAL_FRAMES = 24
_MASK_FRAMES = (0, 1)


def plan_head_runs(rng: np.random.Generator, patient: Patient, frames: int | None) -> tuple[RunPlan, ...]:
    """Two runs of one injection side."""
    side = ("left", "right")[rng.integers(2)]
    isocentre_from_lps = place_patient(rng, patient.target_mm)
    towards = 1.0 if side == "left" else -1.0  # the detector stands on the injected side
    views = ((rng.uniform(-8, 8), rng.uniform(5, 22)), (towards * rng.uniform(82, 92), rng.uniform(-6, 6)))
    count = frames or _USUAL_FRAMES
    frame_time_ms = round(8000.0 / count if frames is None else 8000.0 / frames, 1)
    plans = []
    for number, (primary, secondary) in enumerate(views):
        geometry = draw_view(
            rng, primary_deg=primary, secondary_deg=secondary, spread_deg=1.0, sid_mm=(1000, 1180),
            sod_mm=(720, 800), field_mm=(290.0, 320.0),
        )  # fmt: skip
        plans.append(
            RunPlan(
                name=f"run{number + 1}",
                geometry=geometry,
                frame_time_ms=frame_time_ms,
                moments=_moments(rng, isocentre_from_lps, patient, count),
                filling=_filling(rng, patient, side),
                devices=(_catheter(patient, side),),
                detector=_detector(rng),
                opening=draw_opening(rng, geometry.shape_px, view_text(geometry)),
                mask_frames=_MASK_FRAMES,
                blush=rng.uniform(0.08, 0.16),
                blush_delay_s=1.2,
            )
        )
    return tuple(plans)


def _moments(
    rng: np.random.Generator, isocentre_from_lps: RigidPose, patient: Patient, count: int
) -> tuple[Moment, ...]:
    """The head's poses: in some patients it moves once, after the mask was taken."""
    still = Moment(isocentre_from_lps=isocentre_from_lps, contraction=0.0, breath_mm=np.zeros(3))
    if rng.uniform() < 0.5:
        return (still,) * count
    centre = patient.target_mm
    rotation = np.deg2rad(rng.normal(scale=0.5, size=3))
    turn = RigidPose.from_rotation_vector(rotation, np.zeros(3), target="lps", source="lps")
    shift = centre - turn.apply(centre[None])[0] + rng.normal(scale=0.5, size=3)
    nod = RigidPose.from_rotation_vector(rotation, shift, target="lps", source="lps")
    moved = Moment(isocentre_from_lps=isocentre_from_lps @ nod, contraction=0.0, breath_mm=np.zeros(3))
    at = max(_MASK_FRAMES) + 1 + int(rng.integers(0, max(1, count // 4)))
    return (still,) * at + (moved,) * (count - at)


def _filling(rng: np.random.Generator, patient: Patient, side: str) -> Filling:
    other = "right" if side == "left" else "left"
    start_s = rng.uniform(1.1, 1.5)
    speed = rng.uniform(150, 230)
    late_s = start_s + rng.uniform(2.6, 3.4)
    arterial = Injection(
        arrival_s=start_s, speed_mm_per_s=speed, duration_s=rng.uniform(1.4, 2.0), rise_s=0.5, fall_s=1.0,
        peak_g_per_cm3=rng.uniform(0.16, 0.24),
    )  # fmt: skip

    def vein(delay_s: float, peak: float, speed: float) -> Injection:
        return Injection(
            arrival_s=late_s + delay_s, speed_mm_per_s=speed, duration_s=3.0, rise_s=1.0, fall_s=2.5,
            peak_g_per_cm3=peak, backwards=True,
        )  # fmt: skip

    strong = rng.uniform(0.06, 0.1)
    injections = {
        f"ICA-{side}": arterial,
        f"veins-{side}": vein(0.0, strong, 280.0),
        f"veins-{other}": vein(0.7, 0.3 * strong, 280.0),
        "veins": vein(0.5, 0.7 * strong, rng.uniform(230, 300)),
    }
    return plan_filling(patient.tree, patient.groups, injections, patient.occluded)


def _catheter(patient: Patient, side: str) -> Device:
    """A guide catheter in the cervical carotid."""
    root = next(branch for branch in patient.tree.branches if branch.name == f"ICA-{side}")
    reach = min(len(root.points_mm), 30)
    below = root.points_mm[0] + (root.points_mm[0] - root.points_mm[6]) * np.linspace(12.0, 0.2, 40)[:, None]
    return Device(points_mm=np.vstack([below, root.points_mm[:reach]]), radius_mm=1.0, core=0.72, iodine_g_per_cm3=0.22)


def _detector(rng: np.random.Generator) -> Detector:
    return Detector(
        photons=rng.uniform(1200, 3000),
        scatter_ratio=rng.uniform(0.25, 0.5),
        glare_px=rng.uniform(50, 90),
        blur_px=rng.uniform(0.6, 0.9),
        electronic=12.0,
        flatten=rng.uniform(0.25, 0.5),
        sharpen=rng.uniform(0.0, 0.3),
        contrast=rng.uniform(85, 110),
        level=rng.uniform(105, 130),
        vignette=rng.uniform(0.0, 0.12),
    )
