"""From a recorded run to the view that a registration matches: frame, subtraction, segmentation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pydicom
from pydicom.errors import InvalidDicomError

from calibration.errors import InputError, MissingGeometryError
from engines.angiography.contrast import contrast_frame, is_subtractable
from engines.angiography.dsa import minip, subtract
from engines.angiography.open_run import open_run
from engines.angiography.run import Run
from engines.registration.contrast_gate import contrast_gate
from engines.registration.view import RegistrationView, view_of_frame
from engines.segmentation.segmenter import Segmenter

MINIP_FRAME = -1


def view_of_run(
    path: Path, segmenter: Segmenter, *, frame: int | Literal["minip"] | None = None, case_kind: str
) -> RegistrationView:
    """Segment one frame of a run, or its MinIP, for registration.

    A run that states its mask is subtracted, and so is a cerebral run that holds frames without contrast; a beating
    heart is not, since its mask never fits: there, what was as dark before the bolus is taken out of the probability.

    Args:
        frame: from 0; None takes the frame in which contrast fills the vessels most.

    Raises:
        InputError: the run cannot be read or has no such frame.
        MissingGeometryError: the frame does not say how it was projected.
    """
    run = open_run(path)
    if isinstance(frame, int) and not 0 <= frame < run.frame_count:
        raise InputError(f"{run.source_id}: has no frame {frame}; choose 0 to {run.frame_count - 1}, or minip")
    shown = subtracted_for(run, case_kind)
    if frame == "minip":
        picture, index = minip(shown), MINIP_FRAME
    else:
        index = contrast_frame(shown) if frame is None else frame
        picture = shown.frame(index)
    if picture.geometry is None:
        raise MissingGeometryError(
            f"{run.source_id}: frame {frame if frame is not None else index} has no projection geometry "
            f"({picture.geometry_reason or 'not stated'}); registration needs C-arm angles, distances and pixel spacing"
        )
    view = view_of_frame(
        picture,
        segmenter.segment(picture),
        file=run.source_id,
        frame_index=index,
        threshold=segmenter.threshold,
        frame_of_reference_uid=_frame_of_reference(path),
    )
    gate = contrast_gate(shown, picture) if index != MINIP_FRAME else None
    return view if gate is None else replace(view, vessel=view.vessel * gate)


def subtracted_for(run: Run, case_kind: str) -> Run:
    """The run as its vessels show best: subtracted where that is meant, else as it is."""
    if run.kind == "dsa":
        return run
    if run.mask or (case_kind == "evt" and is_subtractable(run)):
        return subtract(run)
    return run


def _frame_of_reference(path: Path) -> str:
    if not path.is_file():
        return ""
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["FrameOfReferenceUID"])
    except (InvalidDicomError, OSError):
        return ""
    return str(header.get("FrameOfReferenceUID", "") or "")
