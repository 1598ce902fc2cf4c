"""Writing a simulated CT-CMR case: the inputs as a user has them, and `truth.json` with true maps beside them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from jaxtyping import Float

from calibration.errors import InputError
from calibration.store import make_folder, write_atomically, write_json
from engines.anatomy.files.nifti import LPS_FROM_RAS, write_nifti
from engines.anatomy.files.poly_data import PolyData
from engines.anatomy.files.vtk_xml import write_vtp
from engines.simulation.cmr.cmr_pictures import SlicePictures, SlicePlan, beat_times, plan_slices, slice_pictures
from engines.simulation.cmr.ct_picture import CtPicture, ct_picture
from engines.simulation.cmr.first_pass import inject
from engines.simulation.cmr.patient import Patient, draw_patient, wall_value

SCHEMA = "guidance-app/simulated-cmr/1"
_SATURATION_S = 0.10
_G_PER_ML = 1.05
_VESSELS = ("LAD", "LCx", "RCA")
AHA_DEFAULT = {1: "LAD", 2: "LAD", 7: "LAD", 8: "LAD", 13: "LAD", 14: "LAD", 17: "LAD", 3: "RCA", 4: "RCA", 9: "RCA",
               10: "RCA", 15: "RCA", 5: "LCx", 6: "LCx", 11: "LCx", 12: "LCx", 16: "LCx"}  # fmt: skip


def simulate_cmr_case(
    seed: int, folder: Path, *, spacing_mm: float = 1.0, progress: Callable[[str, float], None] | None = None
) -> Path:
    """Write one case into `folder`: cta.nii.gz, ct_masks/, coronaries.vtp, perfusion/, truth.json and truth/.

    Raises:
        InputError: negative seed, or a folder that holds something or cannot be written to; nothing is left then.
    """
    if seed < 0:
        raise InputError(f"seed {seed}: seeds are whole numbers from 0 on; choose one")
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target}: exists and is not an empty folder; choose another output folder or remove it")
    make_folder(target)
    beside = Path(tempfile.mkdtemp(dir=target.resolve().parent, prefix=".part-"))
    try:
        _fill(seed, beside, spacing_mm, progress or (lambda _text, _share: None))
        beside.chmod(0o755)
        target.rmdir()
        beside.replace(target)
    except OSError as error:
        raise InputError(
            f"{target}: writing failed ({error.strerror or error}); free space or choose another"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return target


def _fill(seed: int, folder: Path, spacing_mm: float, say: Callable[[str, float], None]) -> None:
    say("heart and coronaries", 0.0)
    patient = draw_patient(seed)
    random = np.random.default_rng([171_000, seed])
    say("CT", 0.1)
    ct = ct_picture(patient, random, spacing_mm=spacing_mm)
    write_nifti(folder / "cta.nii.gz", ct.hu.astype(np.int16), ct.lps_from_index)
    for name, mask in ct.masks.items():
        write_nifti(folder / "ct_masks" / f"{name}.nii.gz", mask.astype(np.uint8), ct.lps_from_index)
    _write_coronaries(folder / "coronaries.vtp", patient)
    say("perfusion pictures", 0.4)
    plans = plan_slices(patient, random)
    entries: dict[str, list[dict[str, Any]]] = {"stress": [], "rest": []}
    pictures: list[SlicePictures] = []
    lookup = None
    for kind in ("stress", "rest"):
        stress, shifted = kind == "stress", patient.split == "shift"
        bolus = inject(random, stress=stress, saturation_s=_SATURATION_S, shifted=shifted)
        times = beat_times(random, stress=stress, shifted=shifted)
        if stress:
            lookup = (bolus.flows, bolus.relative_upslope(float(np.median(np.diff(times)))))
        for k, plan in enumerate(plans):
            say("perfusion pictures", 0.4 + 0.1 * (k + 3 * (not stress)))
            made = slice_pictures(patient, plan, bolus, times + 0.12 * k, random, stress=stress)
            entries[kind].append(_write_slice(folder, f"{kind}_{k}", plan, made))
            if stress:
                pictures.append(made)
    assert lookup is not None
    write_json(folder / "perfusion" / "perfusion.json", {**entries, "saturation_time_ms": 1000.0 * _SATURATION_S})
    say("truth", 0.95)
    write_json(folder / "truth.json", _truth(folder, patient, ct, plans, lookup))


def _write_coronaries(path: Path, patient: Patient) -> None:
    pose = patient.lps_from_heart
    points = np.concatenate([artery.points for artery in patient.arteries]) @ pose[:3, :3].T + pose[:3, 3]
    ends = np.cumsum([len(artery.points) for artery in patient.arteries])
    write_vtp(
        path,
        PolyData(
            points=points,
            lines=tuple(np.split(np.arange(ends[-1]), ends[:-1])),
            point_arrays={"radius": np.concatenate([artery.radius_mm for artery in patient.arteries])},
            line_arrays={"name": tuple(artery.name for artery in patient.arteries)},
        ),
    )


def _write_slice(folder: Path, name: str, plan: SlicePlan, made: SlicePictures) -> dict[str, Any]:
    _nifti(folder / "perfusion" / f"{name}.nii.gz", made.frames[:, :, None, :].astype(np.int16), plan.lps_from_index)
    for mask, values in made.masks.items():
        _nifti(folder / "perfusion" / f"{name}_{mask}.nii.gz", values[:, :, None].astype(np.uint8), plan.lps_from_index)
    motion = np.broadcast_to(made.motion_px[None, None], (plan.columns, plan.rows, *made.motion_px.shape))
    _nifti(folder / "truth" / f"motion_{name}.nii.gz", motion[::8, ::8].astype(np.float32), plan.lps_from_index)
    _nifti(
        folder / "truth" / f"upslope_{name}.nii.gz",
        made.relative_upslope[..., None].astype(np.float32),
        plan.lps_from_index,
    )
    return {
        "file": f"{name}.nii.gz",
        "times_ms": made.times_ms.tolist(),
        "mask_frame": made.mask_frame,
        "masks": {mask: f"{name}_{mask}.nii.gz" for mask, values in made.masks.items() if values.any()},
    }


def _nifti(path: Path, values: np.ndarray, lps_from_index: Float[np.ndarray, "4 4"]) -> None:
    image = nib.Nifti1Image(values, LPS_FROM_RAS @ lps_from_index)
    image.header.set_xyzt_units("mm", "msec")
    image.set_qform(None, code=0)
    image.set_sform(LPS_FROM_RAS @ lps_from_index, code=1)
    write_atomically(path, lambda beside: nib.save(image, beside))


def _truth(
    folder: Path, patient: Patient, ct: CtPicture, plans: list[SlicePlan], lookup: tuple[np.ndarray, np.ndarray]
) -> dict[str, Any]:
    shape, pose = patient.ct_heart, patient.lps_from_heart
    mitral_heart = shape.mitral_centre()
    apex, mitral = pose[:3, 3], pose[:3, :3] @ mitral_heart + pose[:3, 3]
    axis_heart = mitral_heart / np.linalg.norm(mitral_heart)
    anterior, inferior = shape.insertions()
    septum = 0.5 * (anterior + inferior)
    right = np.array([np.cos(septum), np.sin(septum), 0.0])
    right -= (right @ axis_heart) * axis_heart
    right /= np.linalg.norm(right)
    p, depth = ct.heart_points, ct.wall_depth
    flow = wall_value(shape, patient.stress_flow, p, depth)
    upslope = np.interp(flow, *lookup)
    vessel = wall_value(shape, patient.territory, p, depth)
    segment = _segments(p, axis_heart, float(np.linalg.norm(mitral_heart)), right, anterior)
    seen = _seen(patient, p, plans)
    ml = abs(float(np.linalg.det(ct.lps_from_index[:3, :3]))) / 1000.0
    volume = np.full(ct.hu.size, np.nan, dtype=np.float32)
    volume[ct.wall_index] = upslope
    write_nifti(folder / "truth" / "perfusion_on_ct.nii.gz", volume.reshape(ct.hu.shape), ct.lps_from_index)
    labels = np.zeros(ct.hu.size, dtype=np.uint8)
    labels[ct.wall_index] = vessel
    write_nifti(folder / "truth" / "territory_on_ct.nii.gz", labels.reshape(ct.hu.shape), ct.lps_from_index)
    segments = {}
    for number in range(1, 17):
        inside = segment == number
        here = inside & seen if (inside & seen).sum() > 20 else inside
        counts = np.bincount(vessel[inside], minlength=4)
        segments[str(number)] = {
            "relative_upslope": float(upslope[here].mean()),
            "stress_mbf": float(flow[here].mean()),
            "territory": _VESSELS[int(counts[1:].argmax())],
            "territory_share": float(counts.max() / max(counts.sum(), 1)),
            "aha_default": AHA_DEFAULT[number],
            "seen": bool((inside & seen).sum() > 20),
        }
    stenoses = []
    for index, lesion in enumerate(patient.lesions):
        inside = wall_value(shape, patient.fed_beyond[index], p, depth) > 0.5
        artery = next(artery for artery in patient.arteries if artery.name == lesion.branch)
        stenoses.append(
            {
                "branch": lesion.branch,
                "vessel": lesion.vessel,
                "percent": lesion.percent,
                "point_lps_mm": (pose[:3, :3] @ artery.points[lesion.index] + pose[:3, 3]).tolist(),
                "subtended_mass_g": float(inside.sum()) * ml * _G_PER_ML,
                "culprit": patient.culprits[index],
            }
        )
    return {
        "schema": SCHEMA,
        "seed": patient.seed,
        "split": patient.split,
        "dominance": patient.dominance,
        "long_axis_lps": (pose[:3, :3] @ axis_heart).tolist(),
        "mitral_lps_mm": mitral.tolist(),
        "apex_lps_mm": apex.tolist(),
        "rv_direction_lps": (pose[:3, :3] @ right).tolist(),
        "ct_from_cmr": (patient.lps_from_heart @ np.linalg.inv(patient.cmr_from_heart)).tolist(),
        "segments": segments,
        "stenoses": stenoses,
        "wall_mass_g": len(p) * ml * _G_PER_ML,
    }


def _segments(p: np.ndarray, axis: np.ndarray, length: float, right: np.ndarray, anterior: float) -> np.ndarray:
    """AHA number of wall points: thirds of the axis, angle from the anterior insertion through the septum."""
    level = (p @ axis) / length
    ahead = np.cross(axis, right)
    middle = axis * length * 0.5
    x, y = (p - middle) @ right, (p - middle) @ ahead
    mid = np.arctan2(np.sin(anterior), np.cos(anterior)) - np.arctan2(right[1], right[0])
    angle = np.rad2deg(mid - np.arctan2(y, x)) % 360.0
    six = np.array([2, 3, 4, 5, 6, 1])[(angle // 60).astype(int) % 6]
    four = np.array([14, 15, 16, 13])[(((angle - 15.0) % 360) // 90).astype(int)]
    return np.where(level > 2 / 3, six, np.where(level > 1 / 3, six + 6, np.where(level >= 0, four, 17)))


def _seen(patient: Patient, p: np.ndarray, plans: list[SlicePlan]) -> np.ndarray:
    """Wall points that, moved to the CMR's phase, lie inside a slice."""
    scale = patient.cmr_heart.length_mm / patient.ct_heart.length_mm
    moved = p * np.array([1.0, 1.0, scale])
    cmr = moved @ patient.cmr_from_heart[:3, :3].T + patient.cmr_from_heart[:3, 3]
    seen = np.zeros(len(p), dtype=bool)
    for plan in plans:
        thickness = np.linalg.norm(plan.lps_from_index[:3, 2])
        normal = plan.lps_from_index[:3, 2] / thickness
        seen |= np.abs((cmr - plan.lps_from_index[:3, 3]) @ normal) <= 0.5 * thickness
    return seen
