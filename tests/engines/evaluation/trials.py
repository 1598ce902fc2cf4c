"""Made-up trials and methods whose outcome is known."""

from __future__ import annotations

import numpy as np

from calibration.errors import InputError
from calibration.pose import RigidPose
from engines.evaluation.registration.subject import Subject
from engines.evaluation.registration.trial import Trial
from engines.registration.methods.method import MethodResult, RegistrationMethod
from engines.registration.methods.method_recipe import MethodRecipe
from tests.engines.registration.vessel_bed import Bed


def trial(*, begin_mm: float = 10.0, error_mm: float | None = 1.0, mm_per_px: float = 0.5, **values) -> Trial:
    mpe_mm = None if error_mm is None else 1.2 * error_mm
    return Trial(
        **{
            "case": "c", "run": "r", "frame": 0, "start": "drawn", "number": 0, "start_error_mm": begin_mm,
            "start_mpe_mm": begin_mm, "start_mpe_px": begin_mm / mm_per_px, "error_mm": error_mm, "mpe_mm": mpe_mm,
            "mpe_px": None if mpe_mm is None else mpe_mm / mm_per_px, "mtre_mm": error_mm, "status": "accepted",
            "confidence": 0.9, "elapsed_ms": 100.0,
        }
        | values
    )  # fmt: skip


def subject_of(scene: Bed, *, run: str = "run1") -> Subject:
    return Subject(case="a", run=run, view=scene.view, model=scene.model, true_isocentre_from_lps=scene.pose)


class OffBy:
    """Answers the true pose moved along the picture's columns; counts how often it was asked."""

    def __init__(self, name: str, scene: Bed, off_mm: float, *, seconds: float = 1.0, stop_at: int = -1) -> None:
        self.name, self.seconds, self.asked, self.stop_at = name, seconds, 0, stop_at
        shift = np.eye(4)
        shift[:3, 3] = off_mm * scene.geometry.camera_from_isocentre().rotation[0]
        self.pose = RigidPose(matrix=shift @ scene.pose.matrix, target="isocentre", source="lps")

    def register(self, *_: object) -> MethodResult:
        if self.asked == self.stop_at:
            raise KeyboardInterrupt
        self.asked += 1
        return MethodResult(isocentre_from_lps=self.pose, score=1.0, seconds=self.seconds)


def ready(method: RegistrationMethod) -> MethodRecipe:
    """A recipe that gives this very method."""
    return MethodRecipe(name=method.name, make=lambda: method)


class Refuses:
    name = "refuses"

    def register(self, *_: object) -> MethodResult:
        raise InputError("run.dcm: lacks what this method needs; give another")
