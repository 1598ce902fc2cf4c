"""`registration.json` / `POSE.json`: written for every registration, and read as a start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from calibration.pose import RigidPose
from calibration.projection import Projection, camera_from_projection_matrix
from calibration.store import write_json
from engines.registration.registration import RegisteredView, Registration, RegistrationBackend, Stage

SCHEMA = "guidance-app/registration/1"
Matrix = list[list[float]]


class _View(BaseModel):
    model_config = ConfigDict(extra="allow")
    file: str = ""
    sop_instance_uid: str = ""
    frame: int = 0
    projection_px_from_lps_mm: Matrix = Field(min_length=3, max_length=3)
    camera_from_lps_mm: Matrix | None = None


class _Stage(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str
    similarity: float | None = None
    elapsed_ms: float = 0.0


class _Backend(BaseModel):
    model_config = ConfigDict(extra="allow")
    render: str = ""
    inference: str = ""
    device: str = "cpu"


class PoseFile(BaseModel):
    """The file's content; only `views[0].projection_px_from_lps_mm` is required."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)
    schema_: str = Field(default=SCHEMA, alias="schema")
    case: str = ""
    views: list[_View] = Field(min_length=1)
    status: Literal["accepted", "caution", "rejected"] = "caution"
    confidence: float | None = None
    expected_error_mm: float | None = None
    depth_sigma_mm: float | None = None
    reasons: list[str] = []
    stages: list[_Stage] = []
    elapsed_ms: float = 0.0
    backend: _Backend = _Backend()
    isocentre_from_lps_mm: Matrix | None = None


def registration_content(registration: Registration) -> dict[str, Any]:
    """The JSON of a registration; numbers that are not finite become null."""
    return {
        "schema": SCHEMA,
        "case": registration.case,
        "views": [
            {
                "file": view.file,
                "sop_instance_uid": view.sop_instance_uid,
                "frame": view.frame,
                **({"note": "frame -1 is the minimum-intensity projection of the run"} if view.frame < 0 else {}),
                "projection_px_from_lps_mm": view.projection.matrix().tolist(),
                "camera_from_lps_mm": view.projection.camera_from_lps.matrix.tolist(),
                "intrinsics_px": view.projection.intrinsics_px.tolist(),
                "shape_px": list(view.projection.shape_px),
            }
            for view in registration.views
        ],
        "status": registration.status,
        "confidence": _finite(registration.confidence),
        "expected_error_mm": _finite(registration.expected_error_mm),
        "depth_sigma_mm": _finite(registration.depth_sigma_mm),
        "reasons": list(registration.reasons),
        "stages": [
            {"name": stage.name, "similarity": _finite(stage.similarity), "elapsed_ms": round(stage.elapsed_ms, 3)}
            for stage in registration.stages
        ],
        "elapsed_ms": round(registration.elapsed_ms, 3),
        "backend": {
            "render": registration.backend.render,
            "inference": registration.backend.inference,
            "device": registration.backend.device,
        },
        "isocentre_from_lps_mm": registration.isocentre_from_lps.matrix.tolist(),
        "research_use_only": "not a medical device",
    }


def write_registration(path: Path, registration: Registration) -> None:
    """Write the complete file, or nothing."""
    write_json(Path(path), registration_content(registration))


def read_pose_file(path: Path) -> PoseFile:
    """Read and check a pose file.

    Raises:
        InputError: the file cannot be read or states no projection.
    """
    try:
        return PoseFile.model_validate(json.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a pose file") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path}: no pose file, {where or 'content'}: {first['msg']}; expected {SCHEMA}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}); expected {SCHEMA}") from error


def read_pose(path: Path, geometry: CArmGeometry, view: int = 0) -> RigidPose:
    """`isocentre_from_lps` of a pose file's view, for a frame of this geometry.

    Raises:
        InputError: there is no such view, or its projection does not fit the frame's intrinsics.
    """
    content = read_pose_file(path)
    if not 0 <= view < len(content.views):
        raise InputError(f"{path}: has {len(content.views)} views, view {view} was asked for")
    try:
        matrix = np.array(content.views[view].projection_px_from_lps_mm, dtype=np.float64)
        camera_from_lps = camera_from_projection_matrix(matrix, geometry.intrinsics_px())
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    return geometry.camera_from_isocentre().inverse() @ camera_from_lps


def read_registration(path: Path, geometry: CArmGeometry) -> Registration:
    """The stored registration, for frames of this geometry; its figures are taken as written.

    Raises:
        InputError: as `read_pose`.
    """
    content = read_pose_file(path)
    isocentre_from_lps = read_pose(path, geometry)
    projection = Projection(
        intrinsics_px=geometry.intrinsics_px(),
        camera_from_lps=geometry.camera_from_isocentre() @ isocentre_from_lps,
        shape_px=geometry.shape_px,
    )
    first = content.views[0]
    return Registration(
        case=content.case,
        views=(
            RegisteredView(
                file=first.file, sop_instance_uid=first.sop_instance_uid, frame=first.frame, projection=projection
            ),
        ),
        isocentre_from_lps=isocentre_from_lps,
        status=content.status,
        confidence=content.confidence if content.confidence is not None else 0.0,
        expected_error_mm=content.expected_error_mm if content.expected_error_mm is not None else float("nan"),
        depth_sigma_mm=content.depth_sigma_mm if content.depth_sigma_mm is not None else float("nan"),
        reasons=tuple(content.reasons),
        stages=tuple(
            Stage(
                name=stage.name,
                similarity=float("nan") if stage.similarity is None else stage.similarity,
                elapsed_ms=stage.elapsed_ms,
            )
            for stage in content.stages
        ),
        elapsed_ms=content.elapsed_ms,
        backend=RegistrationBackend(
            render=content.backend.render, inference=content.backend.inference, device=content.backend.device
        ),
    )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
