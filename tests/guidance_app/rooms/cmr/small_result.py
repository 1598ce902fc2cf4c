"""A result of `cmr fuse` made by hand: a cup of wall with one defect, three territories and one stenosis."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from skimage.measure import marching_cubes

from engines.anatomy.files.ct import save_ct
from engines.anatomy.files.nifti import write_nifti
from engines.anatomy.files.poly_data import PolyData
from engines.anatomy.files.vtk_xml import write_vtp
from engines.anatomy.vessel_model import CtVolume
from engines.cmr.heart.lv_frame import LvFrame
from engines.cmr.results.drawing import Canvas

PATIENT = "MUSTERFRAU_ERIKA"
REMOTE, DEFECT_SHARE, FLOW = 0.1, 0.45, 2.4  # FLOW in ml/min/g
_STEP_MM, _SIZE = 2.0, 50
FRAME = LvFrame(
    apex_mm=np.array([50.0, 50.0, 14.0]), mitral_mm=np.array([50.0, 50.0, 84.0]), right=np.array([-1.0, 0.0, 0.0])
)
DEFAULT = {1: "LAD", 2: "LAD", 3: "RCA", 4: "RCA", 5: "LCx", 6: "LCx", 7: "LAD", 8: "LAD", 9: "RCA", 10: "RCA",
           11: "LCx", 12: "LCx", 13: "LAD", 14: "LAD", 15: "RCA", 16: "LCx", 17: "LAD"}  # fmt: skip
DEFECT = (7, 8)
UNSEEN = 17


def make_result(folder: Path, *, flags: tuple[str, ...] = (), tree: bool = True, found_in_ct: bool = False) -> Path:
    """A result in a folder that bears a patient's name, with its CT beside it.

    Args:
        found_in_ct: the program found the coronaries, and nobody saw the artery.
    """
    result = folder / PATIENT
    result.mkdir(parents=True)
    affine = np.diag([_STEP_MM, _STEP_MM, _STEP_MM, 1.0])
    index = np.stack(np.meshgrid(*[np.arange(_SIZE)] * 3, indexing="ij"), axis=-1)
    points = index * _STEP_MM
    level, radius, _ = FRAME.local(points.astype(np.float64))
    wall = (level >= 0) & (level < 1) & (radius > 20) & (radius < 32)
    segment = np.where(wall, FRAME.segments(points.astype(np.float64)), 0)
    share = np.where(np.isin(segment, DEFECT), DEFECT_SHARE, 1.0)
    upslope = np.where(wall, REMOTE * share, np.nan).astype(np.float32)
    vessel = np.array([0, *({"LAD": 1, "LCx": 2, "RCA": 3}[DEFAULT[k]] for k in range(1, 18))], dtype=np.uint8)
    territory = vessel[segment] if tree else np.zeros_like(segment, dtype=np.uint8)
    write_nifti(result / "perfusion_on_ct.nii.gz", upslope, affine)
    write_nifti(result / "territory_on_ct.nii.gz", territory, affine)
    write_nifti(result / "warped_cmr_wall.nii.gz", (wall & (abs(level - 0.5) < 0.1)).astype(np.uint8), affine)
    hu = np.where(wall, 100, np.where(radius <= 20, 400, -80)).astype(np.int16)
    save_ct(folder / "cta.nii.gz", CtVolume(voxels_hu=hu, lps_from_index=affine))
    (result / "inputs.json").write_text(json.dumps({"cta": str(folder / "cta.nii.gz")}))
    vertices, faces, _, _ = marching_cubes(wall.astype(np.float32), 0.5)
    vertices = vertices * _STEP_MM
    near = np.clip(np.rint(vertices / _STEP_MM).astype(int), 0, _SIZE - 1)
    artery = np.stack([np.full(20, 34.0), np.full(20, 22.0), np.linspace(88.0, 30.0, 20)], axis=1)
    at = tuple(near.T)
    own = np.where(segment[at] > 0, segment[at], FRAME.segments(vertices))

    def both(values: np.ndarray, rest: float) -> np.ndarray:
        return np.concatenate([values.astype(np.float64), np.full(len(artery), rest)])

    write_vtp(result / "fused.vtp", PolyData(
        points=np.concatenate([vertices, artery]), lines=(np.arange(len(vertices), len(vertices) + len(artery)),),
        triangles=faces.astype(np.int64),
        point_arrays={
            "relative_upslope": both(np.where(np.isin(own, DEFECT), DEFECT_SHARE, 1.0) * REMOTE, np.nan),
            "territory": both(vessel[own] if tree else 0 * own, 1.0), "segment": both(own, 0.0),
            "radius": both(np.full(len(vertices), np.nan), np.nan if found_in_ct else 1.4),
            "part": both(np.zeros(len(vertices)), 1.0),
        },
    ))  # fmt: skip
    canvas = Canvas(1480, 1088)
    canvas.text(32, 52, PATIENT, size=13)
    (result / "figure.png").write_bytes(canvas.png())
    told = _result(flags, artery[5].tolist(), tree=tree)
    if found_in_ct:
        told |= {"coronaries": "found_in_ct", "coronaries_assumed": ["PDA"]}
    (result / "result.json").write_text(json.dumps(told))
    return result


def _result(flags: tuple[str, ...], point: list[float], *, tree: bool) -> dict[str, Any]:
    segments = {
        str(k): {
            "relative_upslope": None if k == UNSEEN else REMOTE * (DEFECT_SHARE if k in DEFECT else 1.0),
            "stress_mbf": None if k in (3, UNSEEN) else FLOW * (DEFECT_SHARE if k in DEFECT else 1.0),
            "stress_mbf_residual": 0.04,
            "territory": DEFAULT[k] if tree else None, "aha_default": DEFAULT[k], "sigma": 0.004,
        }
        for k in range(1, 18)
    }  # fmt: skip
    lesion = {"branch": "LAD", "vessel": "LAD", "percent": 70.2, "point_lps_mm": point, "subtended_mass_g": 24.1,
              "mean_relative_upslope": 0.045, "of_remote": 0.45, "verdict": "matched"}  # fmt: skip
    return {
        "schema": "guidance-app/cmr/1", "long_axis_lps": FRAME.axis.tolist(),
        "mitral_lps_mm": FRAME.mitral_mm.tolist(), "apex_lps_mm": FRAME.apex_mm.tolist(),
        "rv_direction_lps": FRAME.right.tolist(), "segments": segments, "stenoses": [lesion] if tree else [],
        "unmatched_defects": [{"segments": [11], "mass_g": 6.2, "mean_relative_upslope": 0.06}],
        "dice": {"reoriented": 0.7, "registered": 0.95}, "flags": list(flags), "remote_relative_upslope": REMOTE,
        "slices": [{"level": level} for level in (0.2, 0.5, 0.8)],
    }  # fmt: skip
