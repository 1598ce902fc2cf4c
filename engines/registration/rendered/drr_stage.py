"""Refinement on rendered vessels as a stage of a registration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from calibration.pose import RigidPose
from engines.anatomy.vessel_model import VesselModel
from engines.registration.rendered.drr_target import DrrTarget
from engines.registration.rendered.refine_drr import DrrOptions, DrrRefinement, refine_with_drr
from engines.registration.view import RegistrationView
from engines.rendering.factory import make_renderer
from engines.rendering.renderer import Renderer
from engines.rendering.volume import vessel_volume


def vessel_renderer(
    model: VesselModel, *, branch_classes: tuple[str, ...] = (), name: str = "nanodrr", device: str = "cpu"
) -> Renderer | None:
    """A renderer over the model's vessels, made once per case; None if the model is only a surface.

    Raises:
        ValueError: the model has no vessel of these classes.
    """
    volume = vessel_volume(model, vessel_classes=branch_classes)
    return None if volume is None else make_renderer(name, volume.values, volume.lps_from_index, device)


def refine_views(
    isocentre_from_lps: RigidPose,
    views: Sequence[RegistrationView],
    renderer: Renderer,
    *,
    shifts_mm: Float[np.ndarray, "views 3"] | None = None,
    options: DrrOptions | None = None,
) -> DrrRefinement:
    """Refine a pose on the views' vessel probabilities.

    Args:
        shifts_mm: table movement of each view in the isocentre frame, found by the centerline stage.
    """
    return refine_with_drr(isocentre_from_lps, drr_targets(views, shifts_mm), renderer, options)


def drr_targets(
    views: Sequence[RegistrationView], shifts_mm: Float[np.ndarray, "views 3"] | None = None
) -> tuple[DrrTarget, ...]:
    """The views as input of `verify_with_drr` and `refine_with_drr`."""
    shifts = np.zeros((len(views), 3)) if shifts_mm is None else shifts_mm
    return tuple(
        DrrTarget(
            geometry=view.geometry,
            picture=np.asarray(view.vessel, dtype=np.float32),
            mask=view.field_of_view,
            shift_mm=(float(shift[0]), float(shift[1]), float(shift[2])),
        )
        for view, shift in zip(views, shifts, strict=True)
    )
