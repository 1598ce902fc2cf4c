"""Measure how well a pose explains a picture, and the picture the model.

The measure chooses among the candidate poses of a search, and the confidence is computed from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from engines.registration.features.image_features import ORIENTATION_MM, PreparedView
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import FeaturePair, RigidState, feature_pairs, visible_share

_NEAR_MM = 1.5  # soft distance within which a point counts as explained: a coronary's width
_TIGHT_MM = 0.6  # soft distance for `tight`: another patient's tree often comes near a vessel, but seldom this near
_SLIDE = 0.1  # weight of a squared distance along the line
_FAR_MM = 1e3
_EVEN_SHARE = 1.0  # beta of the F measure: both shares count alike


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Measures of a fit, averaged over the views.

    Args:
        image_explained: share of the segmented vessel length that the model explains, 0..1, counted softly.
        model_explained: share of the visible model length that the segmentation explains.
        residual_mm: median distance of explained image points to the model, isocentre plane.
        visible_share: share of the model that lies inside the pictures.
        image_mm: segmented vessel length of all views.
        score: F measure of both explained shares, of the worst view.
        tight: as `image_explained`, but within the width of the line.
        edge_share: share of the picture's features that are edges of thick vessels.
    """

    image_explained: float
    model_explained: float
    residual_mm: float
    visible_share: float
    image_mm: float
    score: float
    tight: float
    edge_share: float


def agreement(state: RigidState, model: PreparedModel, views: Sequence[PreparedView]) -> Agreement:
    """Judge a pose on every view; all measures are 0 if no part of the model is visible or nothing is segmented."""
    single = [_of_view(state, model, view, index) for index, view in enumerate(views)]
    image, seen, residual, visible, _, tight = (float(np.mean([s[i] for s in single])) for i in range(6))
    edges = sum(len(view.edge) for view in views)
    # The worst view decides, because two contradictory views must not average to a good score.
    score = min(s[4] for s in single)
    return Agreement(
        image_explained=image,
        model_explained=seen,
        residual_mm=residual,
        visible_share=visible,
        image_mm=float(sum(view.length_mm for view in views)),
        score=score,
        tight=tight,
        edge_share=edges / max(1, edges + sum(len(view.centreline) for view in views)),
    )


def _of_view(
    state: RigidState, model: PreparedModel, view: PreparedView, index: int
) -> tuple[float, float, float, float, float, float]:
    """image_explained, model_explained, residual_mm, visible_share, score and tight of one view."""
    visible = visible_share(state, model, view, index)
    near_model, near_image = [np.zeros((0, 2))], [np.zeros((0, 2))]
    for pair in feature_pairs(state, model, view, index):
        part, image, usable = pair.model, pair.seen, pair.model.usable
        to_model, to_image = _distances(pair)
        near_model.append(np.column_stack([to_image, part.weight[usable]]))
        near_image.append(np.column_stack([to_model, image.weight]))
    model_mm, image_mm = np.concatenate(near_model), np.concatenate(near_image)
    if not len(model_mm) or not len(image_mm):
        return 0.0, 0.0, 10.0, visible, 0.0, 0.0
    seen = float(np.average(_soft(model_mm[:, 0]), weights=model_mm[:, 1]))
    explained = float(np.average(_soft(image_mm[:, 0]), weights=image_mm[:, 1]))
    close = image_mm[image_mm[:, 0] < 2 * _NEAR_MM, 0]
    residual = float(np.median(close)) if len(close) else 10.0
    f_measure = (1 + _EVEN_SHARE**2) * seen * explained / max(_EVEN_SHARE**2 * seen + explained, 1e-9)
    tight = float(np.average(_soft(image_mm[:, 0], _TIGHT_MM), weights=image_mm[:, 1]))
    return explained, seen, residual, visible, f_measure, tight


def _distances(pair: FeaturePair) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " n"]]:
    """The distance of each image feature to the model, and of each usable model feature to the picture, mm.

    Distances count across the line and hardly along it, so that the density of samples has no influence.
    """
    usable, image = np.flatnonzero(pair.model.usable), pair.seen
    plane, direction = pair.model.plane_mm[usable], pair.model.direction[usable]
    if not len(usable) or image.near is None:
        return np.full(len(image), _FAR_MM), np.full(len(usable), _FAR_MM)
    described = np.hstack([plane, ORIENTATION_MM * direction])
    to_image, to_model = image.near.nearest_to(described), image.near.nearest_among(described)

    def apart_mm(of_image: np.ndarray, of_model: np.ndarray) -> np.ndarray:
        offset, normal = plane[of_model] - image.points_mm[of_image], image.normal[of_image]
        across = (offset * normal).sum(axis=1)
        slide = offset[:, 1] * normal[:, 0] - offset[:, 0] * normal[:, 1]
        turned = ((direction[of_model] - image.direction[of_image]) ** 2).sum(axis=1)
        return np.sqrt(across**2 + _SLIDE * slide**2 + (0.5 * ORIENTATION_MM) ** 2 * turned)

    return apart_mm(np.arange(len(image)), to_model), apart_mm(to_image, np.arange(len(usable)))


def _soft(distance_mm: Float[np.ndarray, " n"], near_mm: float = _NEAR_MM) -> Float[np.ndarray, " n"]:
    return 1.0 / (1.0 + (distance_mm / near_mm) ** 2) ** 2
