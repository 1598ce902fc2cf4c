"""Which of the places that a move of table or C-arm may have led to are worth an alignment."""

from __future__ import annotations

from collections.abc import Sequence

from engines.registration.alignment.cold_start import near_share
from engines.registration.features.image_features import PreparedView
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import RigidState
from engines.registration.registration import Registration

_ALIGNED = 2  # the true place lies between two of them
_IMAGE_POINTS = 280
_MODEL_POINTS = 240


def likeliest_places(
    places: Sequence[Registration], view: PreparedView, model: PreparedModel
) -> tuple[Registration, ...]:
    """The two places nearest to the picture's vessels, the nearest first; all where there are no more than two.

    An alignment takes some twenty times as long as this measure, and there are up to nine places.
    """
    if len(places) <= _ALIGNED:
        return tuple(places)
    small, few = model.thinned(_MODEL_POINTS), view.thinned(_IMAGE_POINTS)
    near = [near_share(RigidState.of(place.isocentre_from_lps, model), small, few, 0) for place in places]
    order = sorted(range(len(places)), key=lambda index: -near[index])
    return tuple(places[index] for index in order[:_ALIGNED])
