"""A whole simulated CCTA-IVUS case as files: CT, centerline, pullback, contours, truth."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from jaxtyping import Float, UInt8

from calibration.store import make_folder, write_atomically, write_bytes, write_json
from engines.anatomy.centerlines.moving_frame import moving_frame
from engines.anatomy.files.ct import save_ct
from engines.anatomy.vessel_model import CtVolume
from engines.simulation.ivus.catheter import TruePullback, draw_pullback
from engines.simulation.ivus.contours import contour_tables
from engines.simulation.ivus.ct_picture import paint_ct
from engines.simulation.ivus.physics import Physics, draw_physics, smooth_noise, split_generator
from engines.simulation.ivus.tissue import draw_body
from engines.simulation.ivus.ultrasound import PIXEL_MM, Shapes, draw_guidewires, paint_frames, true_shapes
from engines.simulation.ivus.vessel import Vessel, draw_vessel

SCHEMA = "guidance-app/ivus-truth/1"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IvusCase:
    """One case in memory.

    Args:
        centerline_mm: as an automatic program would have found it: jittered, perhaps short, in either direction.
        flaws: what is wrong with the centerline, in words.
        wires_rad: angle of each guidewire in each frame; NaN where there is none.
    """

    split: str
    seed: int
    physics: Physics
    vessel: Vessel
    pullback: TruePullback
    shapes: Shapes
    ct: CtVolume
    centerline_mm: Float[np.ndarray, "n 3"]
    flaws: tuple[str, ...]
    frames: UInt8[np.ndarray, "f rows columns"]
    wires_rad: Float[np.ndarray, "w f"]


def draw_case(split: str, seed: int) -> IvusCase:
    """Draw one case; the same split and seed give the same case.

    Raises:
        InputError: no such split, or a seed below zero.
    """
    rng = split_generator(split, seed)
    physics, body = draw_physics(rng, split), draw_body(rng, split)
    centre, vessel = draw_patient(rng)
    pullback = draw_pullback(rng, vessel, physics)
    centerline, flaws = _found_centerline(rng, vessel, pullback)
    shapes = true_shapes(vessel, pullback)
    ct = paint_ct(rng, vessel, centre, physics, body.ct)
    wires = draw_guidewires(rng, len(pullback.arc_mm))
    return IvusCase(
        split=split, seed=seed, physics=physics, vessel=vessel, pullback=pullback, shapes=shapes, ct=ct,
        centerline_mm=centerline, flaws=flaws, frames=paint_frames(rng, shapes, physics, body.echo, wires),
        wires_rad=wires,
    )  # fmt: skip


def draw_patient(rng: np.random.Generator) -> tuple[Float[np.ndarray, " 3"], Vessel]:
    """Middle of the heart, and an artery on it."""
    centre = rng.uniform(-20, 20, 3) + np.array([20.0, -180.0, 1600.0])
    kind = rng.random()  # about one case in six shows hardly any landmark
    return centre, draw_vessel(rng, centre, poor=kind < 0.1, rich=kind > 0.75)


def simulate_ivus(
    split: str, seed: int, folder: Path, *, progress: Callable[[str, float], None] = lambda *_: None
) -> Path:
    """Write one case; the folder appears whole or not at all.

    It holds `cta.nii.gz`, `centerline.csv`, `pullback/`, `contours/` and `truth.json`.

    Raises:
        InputError: no such split, a bad seed, or a folder that cannot be written to.
    """
    make_folder(folder.resolve().parent)
    progress("drawing", 0.0)
    case = draw_case(split, seed)
    with tempfile.TemporaryDirectory(dir=folder.resolve().parent, prefix=".part-") as beside:
        part = Path(beside) / "case"
        part.mkdir()
        progress("writing", 0.7)
        _write(case, part)
        if folder.exists():
            for file in sorted(part.rglob("*")):
                if file.is_file():
                    target = folder / file.relative_to(part)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    file.replace(target)
        else:
            part.replace(folder)
    progress("done", 1.0)
    return folder


def truth_of(case: IvusCase) -> dict[str, Any]:
    """The truth in the form of `result.json`, with what only the generator knows beside it."""
    pull = case.pullback
    return {
        "schema": SCHEMA,
        "split": case.split,
        "seed": case.seed,
        "direction": "distal_to_proximal" if pull.distal_to_proximal else "proximal_to_distal",
        "handedness": pull.handedness,
        "frames": [
            {"z_mm": float(z), "arc_mm": float(s), "point_lps_mm": p.tolist(), "u_lps": u.tolist(), "v_lps": v.tolist()}
            for z, s, p, u, v in zip(pull.nominal_mm, pull.arc_mm, pull.points_mm, pull.u, pull.v, strict=True)
        ],
        "centerline_lps_mm": np.round(case.vessel.frame.points_mm, 4).tolist(),
        "branches": [
            {"arc_mm": branch.arc_mm, "azimuth_rad": branch.azimuth_rad, "radius_mm": float(branch.radius_mm[0])}
            for branch in case.vessel.branches
        ],
        "calcium": [asdict(piece) for piece in case.vessel.calcium],
        "physics": asdict(case.physics),
        "centerline_flaws": list(case.flaws),
    }


def _write(case: IvusCase, folder: Path) -> None:
    save_ct(folder / "cta.nii.gz", case.ct)
    rows = "\n".join(",".join(f"{value:.4f}" for value in point) for point in case.centerline_mm)
    write_bytes(folder / "centerline.csv", f"x,y,z\n{rows}\n".encode())
    stack = np.ascontiguousarray(case.frames.transpose(2, 1, 0))  # columns, rows, frames
    image = nib.Nifti1Image(stack, np.diag([PIXEL_MM, PIXEL_MM, 1.0, 1.0]))
    write_atomically(folder / "pullback" / "pullback.nii.gz", lambda beside: nib.save(image, beside))
    middle = case.frames.shape[1] // 2
    write_json(
        folder / "pullback" / "pullback.json",
        {
            "pixel_mm": PIXEL_MM,
            "frame_positions_mm": [round(float(z), 5) for z in case.pullback.nominal_mm],
            "centre_px": [middle, middle],
            "gated": True,
        },
    )
    for name, text in contour_tables(case.shapes, case.pullback).items():
        write_bytes(folder / "contours" / f"{name}.csv", text.encode())
    write_json(folder / "truth.json", truth_of(case))


def _found_centerline(
    rng: np.random.Generator, vessel: Vessel, pullback: TruePullback
) -> tuple[np.ndarray, tuple[str, ...]]:
    frame = vessel.frame
    points, flaws = frame.points_mm, []
    count, step = len(points), 0.25
    jitter = rng.uniform(0.1, 0.3)
    sideways = [jitter * smooth_noise(rng, count, step, 6.0) for _ in range(2)]
    points = points + sideways[0][:, None] * frame.u + sideways[1][:, None] * frame.v
    if rng.random() < 0.25:
        missing = rng.uniform(0.0, 30.0)
        keep = max(frame.length_mm - missing, 0.5 * frame.length_mm)
        points = points[frame.arc_mm <= keep]
        if keep < pullback.arc_mm.max():
            flaws.append(f"ends {pullback.arc_mm.max() - keep:.1f} mm before the pullback")
    elif rng.random() < 0.07 and vessel.branches:
        branch = vessel.branches[len(vessel.branches) // 2]
        points = np.concatenate([points[frame.arc_mm < branch.arc_mm], branch.points_mm])
        if branch.arc_mm < pullback.arc_mm.max():
            flaws.append(f"leaves the artery at {branch.arc_mm:.1f} mm into a side branch")
    points = moving_frame(points, step_mm=0.5, smooth_mm=0.0).points_mm
    if rng.random() < 0.5:
        points = points[::-1]
    return points, tuple(flaws)
