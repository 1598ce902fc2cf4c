"""A view's whole picture at one size and the picture rendered for it, which intensity-based methods compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float

from calibration.errors import InputError
from calibration.pose import RigidPose
from engines.anatomy.vessel_model import VesselModel
from engines.registration.rendered.drr_stage import vessel_renderer
from engines.registration.rendered.drr_target import DrrTarget, averaged, level_shape
from engines.registration.rendered.image_similarity import gradient_ncc, ncc
from engines.registration.view import RegistrationView
from engines.registration.view_pair import check_views
from engines.rendering.renderer import Renderer

Measure = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
# Thickness at which a rendered vessel gets probability 1 - 1/e: a segmentation shows vessels, not their thickness.
_SATURATION_MM = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RenderedView:
    """One view at one size; every pixel is rendered, but pixels outside the field of view do not count."""

    renderer: Renderer
    camera_from_isocentre: Float[torch.Tensor, "4 4"]
    intrinsics_px: Float[torch.Tensor, "3 3"]
    picture: Float[torch.Tensor, "1 1 rows columns"]
    mask: Float[torch.Tensor, "1 1 rows columns"]
    saturates: bool

    @classmethod
    def of(
        cls,
        view: RegistrationView,
        renderer: Renderer,
        long_side_px: int,
        *,
        kind: Literal["vessel", "image"] = "vessel",
    ) -> RenderedView:
        """The view averaged down to `long_side_px`: its vessel probability, or its picture.

        Raises:
            InputError: `kind` is image and the view has none.
        """
        shown = view.vessel if kind == "vessel" else view.image
        if shown is None:
            raise InputError(f"{view.file}: holds no picture for the intensity stage; give a subtracted run")
        shape = level_shape(view.geometry.shape_px, long_side_px)
        target = DrrTarget(geometry=view.geometry, picture=np.asarray(shown, dtype=np.float32), mask=view.field_of_view)
        picture, inside = averaged(target, shape, renderer.device)
        unmoved = RigidPose.identity(target="isocentre", source="lps")
        intrinsics = view.geometry.projection(unmoved).resized(shape).intrinsics_px
        camera = view.geometry.camera_from_isocentre().matrix
        return cls(
            renderer=renderer,
            camera_from_isocentre=torch.tensor(camera, dtype=torch.float64, device=renderer.device),
            intrinsics_px=torch.tensor(intrinsics, device=renderer.device),
            picture=picture[None, None],
            mask=inside[None, None].float(),
            saturates=kind == "vessel",
        )

    def rendered(self, isocentre_from_lps: Float[torch.Tensor, "n 4 4"]) -> Float[torch.Tensor, "n 1 rows columns"]:
        """The rendered vessels at these poses: a soft mask for a vessel probability, mm of contrast for a picture."""
        rows, columns = self.picture.shape[-2:]
        camera = self.camera_from_isocentre @ isocentre_from_lps
        thickness_mm = self.renderer.render(camera, self.intrinsics_px, (rows, columns))
        return 1.0 - torch.exp(-thickness_mm / _SATURATION_MM) if self.saturates else thickness_mm


def alike(
    views: Sequence[RenderedView], isocentre_from_lps: Float[torch.Tensor, "n 4 4"], measure: Measure
) -> Float[torch.Tensor, " n"]:
    """The similarity measure at every pose, averaged over the views."""
    scores = [measure(view.rendered(isocentre_from_lps), view.picture, view.mask) for view in views]
    return torch.stack(scores).mean(dim=0)


def ncc_and_gradient(moving: torch.Tensor, fixed: torch.Tensor, mask: torch.Tensor) -> Float[torch.Tensor, " n"]:
    """Mean of NCC and gradient NCC: grey levels act over long distances, edges determine the exact place."""
    return 0.5 * (ncc(moving, fixed, mask) + gradient_ncc(moving, fixed, mask))


class RendererOfModel:
    """Makes the renderer of a model once and keeps it for further starts.

    Args:
        name: its name in `make_renderer`.
    """

    def __init__(self, name: str, device: str = "cpu") -> None:
        self.name, self.device = name, device
        self._made: tuple[VesselModel, tuple[str, ...], Renderer] | None = None

    def __call__(self, views: Sequence[RegistrationView], model: VesselModel) -> Renderer:
        """The renderer, after a check that views and model are usable.

        Raises:
            InputError: the views do not belong together or show no vessel, or the model has no such vessels.
        """
        check_views(views)
        for view in views:
            if not (view.vessel > view.threshold).any():
                raise InputError(f"{view.file}: no contrast-filled vessel to match; choose a fuller frame")
        classes = views[0].branch_classes
        if self._made is not None and self._made[0] is model and self._made[1] == classes:
            return self._made[2]
        try:
            renderer = vessel_renderer(model, branch_classes=classes, name=self.name, device=self.device)
        except ValueError as error:
            raise InputError(f"{views[0].file}: {error}; give a case whose model holds them") from error
        if renderer is None:
            raise InputError(
                f"{views[0].file}: the model is a bare surface and cannot be rendered; give labels or centerlines"
            )
        self._made = (model, classes, renderer)
        return renderer
