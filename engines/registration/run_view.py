"""Make the view that a registration matches from a recorded run: choose a frame, subtract, segment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from calibration.errors import InputError, MissingGeometryError
from engines.angiography.calibrated_run import Corrections
from engines.angiography.contrast import contrast_frame
from engines.angiography.contrast_gate import Background, background_of, vessels_darkening
from engines.angiography.dsa import minip
from engines.angiography.files.open_run import open_run
from engines.angiography.frame import Frame
from engines.angiography.run import Run
from engines.registration.view import RegistrationView, view_of_frame
from engines.segmentation.run_memory import subtracted_for
from engines.segmentation.segmenter import Segmenter

MINIP_FRAME = -1
_FILLED_SHARE = 0.006  # share of the picture; a filled coronary or cerebral tree covers more
_LOOKED_AT = 8
_BEFORE_VEINS = 0.65  # share of a run before contrast reaches the veins


def view_of_run(
    path: Path,
    segmenter: Segmenter,
    *,
    frame: int | Literal["minip"] | None = None,
    case_kind: str,
    corrections: Corrections | None = None,
) -> RegistrationView:
    """Segment one frame of a run, or its MinIP, for registration.

    A run that states its mask is subtracted, and so is a cerebral run that holds frames without contrast. A beating
    heart is not subtracted, because its mask never fits; instead, pixels that were as dark before the bolus are
    removed from the probability.

    Args:
        frame: frame number from 0; None takes the frame in which contrast fills the vessels most.
        corrections: corrections of C-arm and intensifier, from calibration files.

    Raises:
        InputError: the run cannot be read or has no such frame.
        MissingGeometryError: the frame does not state its projection geometry.
    """
    run = _opened(path, corrections)
    if isinstance(frame, int) and not 0 <= frame < run.frame_count:
        raise InputError(f"{run.source_id}: has no frame {frame}; choose 0 to {run.frame_count - 1}, or minip")
    shown = subtracted_for(run, case_kind)
    reference = getattr(run, "frame_of_reference_uid", "")
    if frame == "minip":
        return _for_rendering(_view(run, minip(shown), MINIP_FRAME, segmenter, reference, None), case_kind)
    if frame is not None:
        return _for_rendering(_view_of_frame(run, shown, frame, segmenter, reference), case_kind)
    view = _view_of_frame(run, shown, contrast_frame(shown), segmenter, reference)
    if _filled_share(view) >= _FILLED_SHARE:
        return _for_rendering(view, case_kind)
    # A moving head can change the picture more than the contrast; then the segmentation decides which frame is full.
    steps = _moments(shown)
    views = (view, *(_view_of_frame(run, shown, index, segmenter, reference) for index in steps))
    return _for_rendering(max(views, key=_filled_share), case_kind)


def other_views_of_run(
    path: Path, segmenter: Segmenter, *, case_kind: str, than: int, corrections: Corrections | None = None
) -> Iterator[RegistrationView]:
    """Views of other moments than frame `than`, the fullest first; used if that frame gave a doubtful result."""
    run = _opened(path, corrections)
    shown = subtracted_for(run, case_kind)
    reference = getattr(run, "frame_of_reference_uid", "")
    apart = max(1, run.frame_count // (2 * _LOOKED_AT))
    others = [index for index in _moments(shown) if abs(index - than) >= apart]
    views = (_for_rendering(_view_of_frame(run, shown, index, segmenter, reference), case_kind) for index in others)
    yield from sorted((view for view in views if _filled_share(view) > 0), key=_filled_share, reverse=True)


def _opened(path: Path, corrections: Corrections | None) -> Run:
    run = open_run(path)
    return run if corrections is None else corrections.applied_to(run)


def _view_of_frame(run: Run, shown: Run, index: int, segmenter: Segmenter, reference: str) -> RegistrationView:
    picture = shown.frame(index)
    return _view(run, picture, index, segmenter, reference, background_of(shown, picture))


def _view(
    run: Run,
    picture: Frame,
    index: int,
    segmenter: Segmenter,
    reference: str,
    background: Background | None,
) -> RegistrationView:
    if picture.geometry is None:
        shown = "minip" if index == MINIP_FRAME else str(index)
        raise MissingGeometryError(
            f"{run.source_id}: frame {shown} has no projection geometry ({picture.geometry_reason or 'not stated'}); "
            "registration needs C-arm angles, distances and pixel spacing"
        )
    segmentation = segmenter.segment(picture)
    view = view_of_frame(
        picture,
        segmentation,
        file=run.source_id,
        frame_index=index,
        threshold=segmenter.threshold,
        frame_of_reference_uid=reference,
    )
    if background is not None:
        return replace(view, vessel=view.vessel * background.gate(picture), contrast=background.darkening(picture))
    if picture.kind != "dsa":
        return view
    mm_per_px = picture.geometry.isocentre_mm_per_px
    return replace(view, contrast=vessels_darkening(picture, segmentation.vessel(), mm_per_px))


def _for_rendering(view: RegistrationView, case_kind: str) -> RegistrationView:
    """A heart has moved since the frames without contrast: what it darkens elsewhere is no contrast."""
    return replace(view, contrast=None) if case_kind == "coronary" else view


def _moments(shown: Run) -> list[int]:
    """Frames spread over the run; of a subtracted run only the part before the veins fill."""
    last = shown.frame_count - 1 if not shown.mask else round(_BEFORE_VEINS * (shown.frame_count - 1))
    return np.unique(np.linspace(0, last, min(last + 1, _LOOKED_AT)).round().astype(int)).tolist()


def _filled_share(view: RegistrationView) -> float:
    return float((view.vessel > view.threshold).mean())
