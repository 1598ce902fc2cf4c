"""All views of a registration beside one cloud: what the search, the fit and the judge share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from engines.registration.features.projected_model import RigidState
from engines.registration.filling.filled_picture import (
    FilledPicture,
    Filling,
    best_correlation,
    filled_picture,
    gram_of,
)
from engines.registration.filling.vessel_cloud import VesselCloud
from engines.registration.view import RegistrationView


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilledViews:
    """Pictures of one size, one a view.

    Args:
        local_mm: the cloud's points relative to the model's pivot.
    """

    pictures: tuple[FilledPicture, ...]
    cloud: VesselCloud
    local_mm: Float[np.ndarray, "n 3"]

    def filled(self, state: RigidState) -> list[tuple[Filling, Float[np.ndarray, "parts pixels"]]]:
        """The best filling at a pose in each view, and the pictures of the cloud's parts there."""
        return [picture.filled(state, self.local_mm, self.cloud, view) for view, picture in enumerate(self.pictures)]

    def ncc(self, state: RigidState) -> float:
        """Of the view that fits worst: two views that disagree must not average to a good one."""
        return min(filling.ncc for filling, _ in self.filled(state))

    def ncc_and_own(self, state: RigidState, shown: Sequence[Float[np.ndarray, " pixels"]]) -> tuple[float, float]:
        """Correlation at a pose with what is seen, and with what was `shown` at another; each of the worst view."""
        found = []
        for view, picture in enumerate(self.pictures):
            parts = picture.rendered(state, self.local_mm, self.cloud, view)
            gram = gram_of(parts)
            found.append([best_correlation(gram, parts, target) for target in (picture.target, shown[view])])
        seen, own = np.min(found, axis=0)
        return float(seen), float(own)


def filled_views(
    views: Sequence[RegistrationView],
    cloud: VesselCloud,
    pivot_mm: Float[np.ndarray, " 3"],
    *,
    pixel_mm: float,
    band_mm: float,
) -> FilledViews | None:
    """None where a view holds no contrast picture, or an empty one."""
    pictures = []
    for view in views:
        if view.contrast is None:
            return None
        open_field = np.ones(view.vessel.shape, bool) if view.field_of_view is None else view.field_of_view
        made = filled_picture(
            view.contrast,
            open_field,
            intrinsics_px=view.geometry.intrinsics_px(),
            camera_from_isocentre=view.geometry.camera_from_isocentre().matrix,
            sod_mm=view.geometry.sod_mm,
            pixel_mm=pixel_mm,
            band_mm=band_mm,
        )
        if made is None:
            return None
        pictures.append(made)
    return FilledViews(pictures=tuple(pictures), cloud=cloud, local_mm=cloud.points_mm - pivot_mm)
