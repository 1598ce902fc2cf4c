"""`register --method NAME`: a published method on the same input, judged as ours and written the same way."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from calibration.errors import InputError

if TYPE_CHECKING:
    from engines.anatomy.cases.case import Case
    from engines.anatomy.vessel_model import VesselModel
    from engines.angiography.calibrated_run import Corrections
    from engines.registration.initial_pose import InitialPose
    from engines.registration.methods.catalogue import MethodSettings
    from engines.registration.progress import Report
    from engines.registration.registration import Registration
    from engines.registration.view import RegistrationView
    from engines.segmentation.segmenter import Segmenter

_QUIET_S = 2.0  # before the first word, and between two


def method_help() -> str:
    """The methods' names, for `--help`."""
    from engines.registration.methods.catalogue import METHODS

    return f"Registration method: {', '.join(METHODS)}."


def methods_epilog() -> str:
    """What each method does, for the end of `--help`."""
    from engines.registration.methods.catalogue import methods_in_words

    return "Methods\n\n" + methods_in_words().replace("\n", "\n\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenMethod:
    """A method other than ours, with its settings."""

    name: str
    settings: MethodSettings

    def registered(
        self,
        views: list[RegistrationView],
        runs: list[Path],
        model: VesselModel,
        segmenter: Segmenter,
        start: Callable[[], InitialPose],
        case: Case,
        corrections: Corrections | None,
    ) -> Registration:
        """The registration of these views of these runs.

        Raises:
            InputError: as `registered_by`.
        """
        from engines.registration.methods.by_name import registered_by, views_for

        views = views_for(self.name, views, runs, model, segmenter, case_kind=case.kind, corrections=corrections)
        return registered_by(self.name, self.settings, views, model, start(), case_id=case.id)


def chosen_method(
    method: str, steps: int, seed: int, models: Path | None, *, views: int, refine: bool | None
) -> ChosenMethod | None:
    """What the command line asks for, checked before any file is read; None for ours with nothing else chosen.

    Raises:
        InputError: no such method, or options that do not go with it.
    """
    from engines.registration.methods.by_name import check_views_of_method

    settings = settings_of_command(method, steps, seed, models)
    check_views_of_method(method, views)
    if method == "ours" and models is None:
        return None
    if refine is not None:
        raise InputError(f"--refine/--no-refine: goes with ours alone, not with --method {method}")
    return ChosenMethod(name=method, settings=settings)


def settings_of_command(method: str, steps: int, seed: int, models: Path | None) -> MethodSettings:
    """The settings, checked before any file is read.

    Raises:
        InputError: no such method, steps for one that has none, or no such folder.
    """
    from engines.registration.methods.catalogue import MethodSettings, card_named, check_settings

    if models is not None and not models.is_dir():
        raise InputError(f"--models {models}: no such folder; give one that `train` wrote")
    settings = MethodSettings(steps=steps, seed=seed, models=models, report=spoken())
    check_settings(card_named(method), settings)
    return settings


def spoken() -> Report:
    """Progress on stderr, a line every few seconds, so that quick methods stay silent."""
    last = time.monotonic()

    def say(stage: str, done: int, of: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _QUIET_S:
            last = time.monotonic()
            print(f"{stage}: step {done} of {of}", file=sys.stderr, flush=True)

    return say
