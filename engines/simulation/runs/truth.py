"""Write the truth beside a simulated run: poses, masks, and the position of every centerline point."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calibration.store import write_atomically, write_json
from engines.simulation.runs.run_rendering import RenderedRun

REGISTRATION_SCHEMA = "guidance-app/registration/1"


def write_truth(folder: Path, run: RenderedRun, *, case_id: str, file: str, sop_instance_uid: str) -> None:
    """Write `<run>.json` (schema of a registration), `<run>_labels.npz` and `<run>_points.npz` into `folder`."""
    plan = run.plan
    views = []
    for number, (moment, pose) in enumerate(zip(plan.moments, run.isocentre_from_lps, strict=True)):
        projection = plan.geometry.projection(pose)
        views.append(
            {
                "file": file,
                "sop_instance_uid": sop_instance_uid,
                "frame": number,
                "projection_px_from_lps_mm": projection.matrix().tolist(),
                "camera_from_lps_mm": projection.camera_from_lps.matrix.tolist(),
                "isocentre_from_lps_mm": pose.matrix.tolist(),
                "contraction": moment.contraction,
                "end_diastolic": moment.end_diastolic,
                "contrast": bool((run.labels[number] > 0).any() and _filled(run, number)),
            }
        )
    write_json(
        folder / f"{plan.name}.json",
        {
            "schema": REGISTRATION_SCHEMA,
            "case": case_id,
            "views": views,
            "isocentre_from_lps": plan.moments[0].isocentre_from_lps.matrix.tolist(),
            "end_diastolic_frames": [n for n, moment in enumerate(plan.moments) if moment.end_diastolic],
            "mask_frames": list(plan.mask_frames),
            "status": "accepted",
            "confidence": 1.0,
            "expected_error_mm": 0.0,
            "depth_sigma_mm": 0.0,
            "reasons": ["exact: the pictures were made from this pose"],
            "stages": [],
            "elapsed_ms": 0.0,
            "backend": {"render": "simulation", "inference": "none", "device": "cpu"},
        },
    )
    write_atomically(folder / f"{plan.name}_labels.npz", lambda beside: _save(beside, labels=run.labels))
    if plan.vessels_beat:
        # A hundredth of a pixel is finer than any estimator resolves, and it compresses well.
        points = np.rint(run.points_px * 100.0).astype(np.int32)
        write_atomically(folder / f"{plan.name}_points.npz", lambda beside: _save(beside, points_centi_px=points))


def _filled(run: RenderedRun, number: int) -> bool:
    return bool(((run.labels[number] >= 1) & (run.labels[number] <= 3)).any())


def _save(path: Path, **arrays: np.ndarray) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
