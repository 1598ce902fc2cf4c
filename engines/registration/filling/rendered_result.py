"""A cold start's pose given to the rendering, which moves it, weighs it against its own and says how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engines.registration.alignment.agreement import agreement
from engines.registration.alignment.cold_start import ColdStart
from engines.registration.alignment.levenberg_marquardt import Alignment, PosePrior
from engines.registration.confidence import ENOUGH_DM, Verdict, judge_filled
from engines.registration.features.image_features import PreparedView
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.filling.filled_features import FilledFeatures, filled_depth_sigma_mm, filled_features
from engines.registration.filling.filled_stage import filled_start
from engines.registration.filling.vessel_cloud import vessel_cloud
from engines.registration.registration import Stage
from engines.registration.view import RegistrationView

_RIVAL = 0.9  # of the winner's correlation
_FAR_SIGMAS = 4.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RenderedResult:
    """Args:
    found: the cold start with the rendering's pose in place of its own.
    """

    found: ColdStart
    features: FilledFeatures
    verdict: Verdict
    stages: tuple[Stage, ...]
    reasons: tuple[str, ...]


def is_rendered(model: PreparedModel, views: Sequence[RegistrationView]) -> bool:
    """Whether `judged_by_rendering` has what it needs: contrast in every view, and a model with a volume."""
    return all(view.contrast is not None for view in views) and vessel_cloud(model.model) is not None


def judged_by_rendering(
    found: ColdStart,
    model: PreparedModel,
    views: Sequence[RegistrationView],
    ready: Sequence[PreparedView],
    prior: PosePrior,
    *,
    held: bool = False,
) -> RenderedResult | None:
    """None where a view does not show what contrast darkened, or where the model has no volume to render.

    Args:
        held: judge the found pose where it is; the rendering's own poses are its rivals alone.
    """
    there = found.alignment.state
    filled = filled_start(model, views, ready, prior, also=(there, *found.beside), held=there if held else None)
    if filled is None:
        return None
    features = filled_features(filled, ready, prior)
    verdict = judge_filled(features, filled_depth_sigma_mm(filled.fit))
    alignment = Alignment(
        state=filled.fit.state,
        cost=filled.fit.cost,
        scale_mm=found.alignment.scale_mm,
        information=filled.fit.information,
        iterations=found.alignment.iterations,
    )
    judged = agreement(filled.fit.state, found.system, ready)
    return RenderedResult(
        found=replace(found, alignment=alignment, agreement=judged),
        features=features,
        verdict=verdict,
        stages=filled.stages,
        reasons=reasons_of(features, verdict),
    )


def reasons_of(features: FilledFeatures, verdict: Verdict) -> tuple[str, ...]:
    """Short sentences for a person; never empty."""
    said = [
        f"the rendered vessels explain {100 * features.fine**2:.0f} % of the contrast, "
        f"and {100 * features.filled_share:.0f} % of the model in view is filled"
    ]
    if verdict.status != "accepted":
        said.append(f"confidence {verdict.confidence:.2f} is too low to draw without a check")
    if features.rival > _RIVAL:
        said.append("another pose fits almost as well")
    if features.prior_distance > _FAR_SIGMAS:
        said.append("the pose is far from the start")
    if features.image_decimetres < ENOUGH_DM:
        said.append("little vessel is filled in this picture: take a fuller one")
    return tuple(said)
