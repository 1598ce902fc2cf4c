"""Pictures of failed registrations: the vessels, the found place of the model, and its true place."""

from __future__ import annotations

import re

import numpy as np
from jaxtyping import UInt8

from calibration.pose import RigidPose
from engines.evaluation.registration.subject import Subject
from engines.evaluation.registration.trial import Trial

_TRUE_BGR = (80, 200, 80)
_FOUND_BGR = (60, 60, 255)


def failure_name(trial: Trial) -> str:
    """`<case>_<run>_<method>_<start>.png`, with the other case's name if the model was another patient's."""
    start = "header" if trial.number < 0 else f"{trial.number:03d}"
    parts = [trial.case, trial.run, trial.method, start, *([f"model-of-{trial.model_of}"] if trial.model_of else [])]
    return re.sub(r"[^\w.-]+", "-", "_".join(parts)) + ".png"


def failure_png(trial: Trial, subject: Subject, found: RigidPose) -> bytes:
    """`failure_picture` as a file's content."""
    import cv2

    return cv2.imencode(".png", failure_picture(trial, subject, found))[1].tobytes()


def failure_picture(trial: Trial, subject: Subject, found: RigidPose) -> UInt8[np.ndarray, "rows columns 3"]:
    """The vessel probability in grey, the true place of the model in green (thin), the found one in red (thick)."""
    import cv2

    grey = np.rint(200.0 * np.clip(np.nan_to_num(subject.view.vessel), 0.0, 1.0)).astype(np.uint8)
    picture = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    _draw_model(picture, subject, found, _FOUND_BGR, 2)
    if not trial.model_of:
        _draw_model(picture, subject, subject.true_isocentre_from_lps, _TRUE_BGR, 1)
    confidence = "" if trial.confidence is None else f", confidence {trial.confidence:.2f} ({trial.status})"
    error = "off: no pose" if trial.error_mm is None else f"red off by {trial.error_mm:.1f} mm"
    if trial.model_of:
        error = f"model of {trial.model_of}"
    for row, text in enumerate((f"{trial.method} on {trial.case} {trial.run}", f"{error}{confidence}")):
        cv2.putText(picture, text, (8, 18 + 18 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
    return picture


def _draw_model(
    picture: np.ndarray, subject: Subject, pose: RigidPose, colour: tuple[int, int, int], width_px: int
) -> None:
    import cv2

    assert subject.model.centerlines is not None
    projection, limit = subject.view.geometry.projection(pose), 4 * max(picture.shape)
    for branch in subject.model.centerlines.branches:
        px, _ = projection.project(branch.points_mm)
        # A lost pose may put points behind the source or far outside, where integer drawing overflows.
        shown = px[np.isfinite(px).all(axis=1) & (np.abs(px) < limit).all(axis=1)]
        if len(shown) > 1:
            line = np.rint(shown * 8).astype(np.int32)[:, None]
            cv2.polylines(picture, [line], False, colour, width_px, cv2.LINE_AA, shift=3)
