"""What tells a right pose from a wrong one after the rendering has judged it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
from jaxtyping import Float

from engines.registration.alignment.cold_start import prior_distance
from engines.registration.alignment.levenberg_marquardt import SCALES, PosePrior
from engines.registration.features.image_features import PreparedView
from engines.registration.filling.filled_fit import FilledFit
from engines.registration.filling.filled_stage import FilledStanding, FilledStart

_LEAST_SPREAD_MM = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledFeatures:
    """All within a few units of zero, and dimensionless unless the name says otherwise.

    Args:
        fine, clear, middle, rival, share, filled_share, sharp, turn_sharp, keen, turn_keen: of the `FilledStanding`.
        solid: of the `FilledStanding`, as 0 or 1 among the values.
        spread_mm: of the `FilledStanding`, in mm; `loose` is its logarithm.
        prior_distance: from the start, in standard deviations, at most 6.
        depth_sigma_cm: along the beam, at most 10.
        edge_share: of the picture's features, those that are edges of thick vessels.
        image_decimetres: length of segmented vessel, at most 10.
    """

    fine: float
    clear: float
    middle: float
    rival: float
    share: float
    filled_share: float
    sharp: float
    turn_sharp: float
    keen: float
    turn_keen: float
    solid: bool
    spread_mm: float
    prior_distance: float
    depth_sigma_cm: float
    edge_share: float
    image_decimetres: float

    def values(self) -> dict[str, float]:
        """By name; `unexplained` is the energy that no filling explains, `scarce` fades with every decimetre seen."""
        return asdict(self) | {
            "solid": float(self.solid),
            "unexplained": 1.0 - self.fine**2,
            "scarce": 1.0 / (1.0 + self.image_decimetres),
            "loose": math.log(max(self.spread_mm, _LEAST_SPREAD_MM)),
        }

    def vector(self, names: Sequence[str]) -> Float[np.ndarray, " k"]:
        """The named features; "a * b" is a product."""
        values = self.values()
        return np.array([math.prod(values[part] for part in name.split(" * ")) for name in names], dtype=np.float64)


FILLED_NAMES = (*(field.name for field in fields(FilledFeatures)), "unexplained", "scarce", "loose")


def filled_features(found: FilledStart, views: Sequence[PreparedView], prior: PosePrior) -> FilledFeatures:
    return features_of(
        found.standing, views, start_sigmas=prior_distance(found.fit.state, views, prior),
        depth_mm=filled_depth_sigma_mm(found.fit),
    )  # fmt: skip


def features_of(
    standing: FilledStanding, views: Sequence[PreparedView], *, start_sigmas: float, depth_mm: float
) -> FilledFeatures:
    """Of a standing, with the distance from the start in standard deviations and the spread along the beam."""
    return FilledFeatures(
        **asdict(standing),
        prior_distance=min(start_sigmas, 6.0),
        depth_sigma_cm=min(depth_mm / 10.0, 10.0),
        edge_share=edge_share(views),
        image_decimetres=min(sum(view.length_mm for view in views) / 100.0, 10.0),
    )


def edge_share(views: Sequence[PreparedView]) -> float:
    """Of the pictures' features, those that are edges of thick vessels."""
    edges = sum(len(view.edge) for view in views)
    return edges / max(1, edges + sum(len(view.centreline) for view in views))


def filled_depth_sigma_mm(fit: FilledFit) -> float:
    """Laplace approximation: spread of the pose along the first view's beam."""
    covariance = np.linalg.pinv(fit.information)
    return float(np.sqrt(max(covariance[5, 5], 0.0)) * SCALES[5])
