"""`session.npz` beside a result: what a panel needs to show it again and to search again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from calibration.errors import InputError
from calibration.store import write_atomically
from engines.anatomy.centerlines.moving_frame import MovingFrame
from engines.ivus.features.landmark_maps import LandmarkMaps
from engines.ivus.fusion import Candidate, Fusion, Landmark
from engines.ivus.geometry.vessel_course import VesselCourse
from engines.ivus.search.certainty import Certainty

NAME = "session.npz"
_SCHEMA = "guidance-app/ivus-session/1"
_ARRAYS = ("points_mm", "u", "v", "place_mm", "angle_rad", "z_mm", "frame_index")
_PLAIN = ("distal_to_proximal", "handedness", "score", "confidence", "signs", "method", "elapsed_ms")
_PARTS = (("frame_maps", LandmarkMaps), ("course_maps", LandmarkMaps), ("certainty", Certainty))


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Absolute paths of what was registered; they stay on this machine and go into no export."""

    cta: str
    centerline: str
    pullback: str = ""
    contours: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Session:
    fusion: Fusion
    inputs: Inputs


def write_session(path: Path, fusion: Fusion, inputs: Inputs) -> None:
    """Write the whole file or nothing."""
    values: dict[str, Any] = {name: getattr(fusion, name) for name in _ARRAYS}
    for name, kind in _PARTS:
        part = getattr(fusion, name)
        if part is not None:
            values |= {
                f"{name}.{field.name}": np.asarray(getattr(part, field.name), np.float32) for field in fields(kind)
            }
    values |= {f"course.{field.name}": getattr(fusion.course.frame, field.name) for field in fields(MovingFrame)}
    values["course.blood_hu"] = fusion.course.blood_hu
    about = {
        "schema": _SCHEMA, "inputs": asdict(inputs), "given_mm": fusion.course.given_mm,
        "left_mm": fusion.course.left_mm,
        "flags": fusion.flags, "acts": fusion.acts, **{name: getattr(fusion, name) for name in _PLAIN},
        "candidates": [asdict(candidate) for candidate in fusion.candidates],
        "ivus_landmarks": [asdict(landmark) for landmark in fusion.ivus_landmarks],
        "ct_landmarks": [asdict(landmark) for landmark in fusion.ct_landmarks],
    }  # fmt: skip
    values["about"] = np.frombuffer(json.dumps(about, default=float).encode(), dtype=np.uint8)

    def write(beside: Path) -> None:
        with beside.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **values)

    write_atomically(path, write)


def read_session(folder: Path) -> Session:
    """A result's session.

    Raises:
        InputError: the folder holds no result with one, or it is damaged.
    """
    path = folder / NAME
    if not path.is_file():
        raise InputError(f"{folder}: holds no {NAME}; choose a folder that `ivus register` of this version wrote")
    try:
        with np.load(path, allow_pickle=False) as stored:
            return _session(stored)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); run `ivus register` again") from error


def _session(stored: Any) -> Session:
    about = json.loads(stored["about"].tobytes())
    if about["schema"] != _SCHEMA:
        raise ValueError(f"schema {about['schema']}, expected {_SCHEMA}")
    parts: dict[str, Any] = {
        name: kind(**{field.name: stored[f"{name}.{field.name}"].astype(np.float64) for field in fields(kind)})
        for name, kind in _PARTS
        if any(key.startswith(f"{name}.") for key in stored.files)
    }
    frame = MovingFrame(**{field.name: stored[f"course.{field.name}"] for field in fields(MovingFrame)})
    course = VesselCourse(frame=frame, given_mm=about["given_mm"], blood_hu=stored["course.blood_hu"],
                          left_mm=about.get("left_mm"))  # fmt: skip
    fusion = Fusion(
        **{name: stored[name] for name in _ARRAYS}, **{name: about[name] for name in _PLAIN}, **parts, course=course,
        flags=tuple(about["flags"]), acts=tuple(about["acts"]),
        candidates=tuple(Candidate(**candidate) for candidate in about["candidates"]),
        ivus_landmarks=tuple(Landmark(**landmark) for landmark in about["ivus_landmarks"]),
        ct_landmarks=tuple(Landmark(**landmark) for landmark in about["ct_landmarks"]),
    )  # fmt: skip
    return Session(fusion=fusion, inputs=Inputs(**about["inputs"]))
