"""A method by its name on a run: the view that it needs, its pose, and the same confidence as ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from calibration.errors import InputError
from engines.registration.methods.catalogue import MethodSettings, card_named

if TYPE_CHECKING:  # methods load renderers and networks, and the command line lists them without
    from engines.anatomy.cases.case import Case
    from engines.anatomy.vessel_model import VesselModel
    from engines.angiography.calibrated_run import Corrections
    from engines.registration.initial_pose import InitialPose
    from engines.registration.registration import Registration
    from engines.registration.view import RegistrationView
    from engines.segmentation.segmenter import Segmenter


def registered_by(
    name: str,
    settings: MethodSettings,
    views: list[RegistrationView],
    model: VesselModel,
    init: InitialPose,
    *,
    case_id: str,
) -> Registration:
    """Run the method and judge its pose.

    Raises:
        InputError: the case or the run lacks what the method needs, or it registers one view and two were given.
    """
    from engines.registration.judged_pose import judged_pose, with_stages
    from engines.registration.methods.factory import make_method
    from engines.registration.registration import RegistrationBackend

    card = card_named(name)
    check_views_of_method(name, len(views))
    found = make_method(name, settings).register(views, model, init)
    if found.registration is not None:
        return with_stages(found.registration, found.stages, found.seconds, case_id)
    return judged_pose(
        found.isocentre_from_lps, views, model, init=init, case_id=case_id, stages=found.stages,
        seconds=found.seconds, backend=RegistrationBackend(render=card.render, inference="", device=settings.device),
    )  # fmt: skip


def registered_run(name: str, settings: MethodSettings, case: Case, run: Path, segmenter: Segmenter) -> Registration:
    """From the header's geometry, on the frame of the run that is filled most.

    Raises:
        InputError: as `registered_by`; MissingGeometryError where the frame states none.
    """
    from engines.registration.initial_pose import radiological_start
    from engines.registration.run_view import view_of_run

    model = case.vessel_model()
    views = [view_of_run(run, segmenter, case_kind=case.kind)]
    views = views_for(name, views, [run], model, segmenter, case_kind=case.kind)
    return registered_by(name, settings, views, model, radiological_start(), case_id=case.id)


def views_for(
    name: str,
    views: list[RegistrationView],
    runs: list[Path],
    model: VesselModel,
    segmenter: Segmenter,
    *,
    case_kind: str,
    corrections: Corrections | None = None,
) -> list[RegistrationView]:
    """The views of these runs with what the method needs beyond them.

    Raises:
        InputError: the case names no veins, or the run does not show them, and the method needs both.
    """
    if not card_named(name).needs_veins:
        return views
    from engines.registration.methods.vein_view import check_has_veins, with_veins

    check_has_veins(model, name)
    return [
        with_veins(view, run, segmenter, name, case_kind=case_kind, corrections=corrections)
        for view, run in zip(views, runs, strict=True)
    ]


def check_views_of_method(name: str, views: int) -> None:
    """Raises InputError where the method cannot register so many views."""
    card = card_named(name)
    if views > card.views:
        raise InputError(f"method {card.name}: registers one view, {views} runs were given; give --xa once")
