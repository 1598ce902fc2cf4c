"""What DeepIterReg needs beyond an ordinary view: the veins of the whole run, and its minimum over time (MinIP)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from calibration.errors import InputError
from engines.anatomy.vessel_model import VesselModel
from engines.angiography.calibrated_run import Corrections
from engines.angiography.dsa import minip
from engines.angiography.files.open_run import open_run
from engines.registration.view import RegistrationView
from engines.segmentation.run_memory import subtracted_for
from engines.segmentation.segmenter import Segmenter

_INSTEAD = "or use --method deepiterreg"


def check_has_veins(model: VesselModel, method: str) -> None:
    """Raises InputError where the model names no vein."""
    branches = model.centerlines.branches if model.centerlines is not None else ()
    if not any(branch.vessel_class == "vein" for branch in branches):
        raise InputError(
            f"method {method}: the case names no veins; make it again from a label volume that names them "
            f"(case create --vessels LABELS --names 1=artery,2=vein), {_INSTEAD}"
        )


def with_veins(
    view: RegistrationView,
    run_file: Path,
    segmenter: Segmenter,
    method: str,
    *,
    case_kind: str,
    corrections: Corrections | None = None,
) -> RegistrationView:
    """The view with the veins of its run, and with the run's MinIP as the picture of the intensity stage.

    Raises:
        InputError: the run cannot be subtracted, or no network for this kind of case tells veins from arteries.
    """
    run = open_run(run_file)
    shown = subtracted_for(run if corrections is None else corrections.applied_to(run), case_kind)
    if shown.kind != "dsa":
        raise InputError(
            f"method {method}: {view.file} has no mask frames; give a subtracted run, or one that begins before "
            f"the contrast, {_INSTEAD}"
        )
    picture = minip(shown)
    found = segmenter.segment(picture)
    if "vein" not in found.classes:
        raise InputError(
            f"method {method}: no network tells veins from arteries in a {case_kind} case; it is for evt cases, "
            f"{_INSTEAD}"
        )
    return replace(view, veins=found.probability("vein"), image=picture.pixels)
