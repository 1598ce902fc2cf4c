"""Place a model that has its own frame in the patient's LPS frame."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from calibration.errors import InputError
from calibration.pose import RigidPose
from engines.anatomy.vessel_model import CenterlineTree, SurfaceMesh

_MAX_JSON_BYTES = 16 * 1024**2
_ROUNDING = 1e-3  # matrices are often written with four decimals


def read_placement(path: Path | str) -> RigidPose:
    """`model_to_lps` of a JSON file: 4x4, mm, taking model points into LPS.

    Raises:
        InputError: the file is missing or no JSON, the key is missing, or the matrix is not a rigid transform.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise InputError(f"{path}: {path.stat().st_size} bytes, expected a short JSON with model_to_lps")
        content = json.loads(path.read_text(encoding="utf-8"))
        matrix = np.array(content["model_to_lps"], dtype=np.float64)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}); give a file with model_to_lps") from error
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: has no 4x4 model_to_lps in mm ({error}); write it as four rows") from error
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise InputError(f"{path}: model_to_lps has shape {matrix.shape}, expected a finite 4x4; write four rows")
    u, scales, vt = np.linalg.svd(matrix[:3, :3])
    if np.abs(scales - 1.0).max() > _ROUNDING or np.linalg.det(matrix[:3, :3]) < 0:
        raise InputError(
            f"{path}: model_to_lps scales by {scales.min():.3g} to {scales.max():.3g} or mirrors, expected rotation "
            "and translation in mm; save the model itself in mm"
        )
    matrix[:3, :3] = u @ vt
    matrix[3] = (0.0, 0.0, 0.0, 1.0)
    return RigidPose(matrix=matrix, target="lps", source="model")


def moved_surface(surface: SurfaceMesh, lps_from_model: RigidPose) -> SurfaceMesh:
    return replace(surface, vertices_mm=lps_from_model.apply(surface.vertices_mm))


def moved_centerlines(tree: CenterlineTree, lps_from_model: RigidPose) -> CenterlineTree:
    def moved(points_mm: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        return lps_from_model.apply(points_mm)

    return CenterlineTree(
        branches=tuple(replace(branch, points_mm=moved(branch.points_mm)) for branch in tree.branches)
    )
