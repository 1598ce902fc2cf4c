"""How well a pose explains a picture, both ways; the judge that chooses among basins and feeds the confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from engines.registration.image_features import ORIENTATION_MM, PreparedView
from engines.registration.prepared_model import PreparedModel
from engines.registration.projected_model import RigidState, feature_pairs, visible_share

_NEAR_MM = 1.5  # soft radius of "explained": a coronary's width
_EVEN_SHARE = 1.0  # beta of the F measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Averages over the views.

    Args:
        image_explained: share of the segmented vessel length that the model explains, 0..1, softly counted.
        model_explained: share of the visible model length that the segmentation explains.
        residual_mm: median distance of explained image points to the model, isocentre plane.
        visible_share: share of the model that lies in the pictures.
        image_mm: segmented vessel length, all views.
        score: F measure of both shares.
    """

    image_explained: float
    model_explained: float
    residual_mm: float
    visible_share: float
    image_mm: float
    score: float


def agreement(state: RigidState, model: PreparedModel, views: Sequence[PreparedView]) -> Agreement:
    """Judge a pose on every view; 0 throughout where nothing of the model is visible or nothing is segmented."""
    single = [_of_view(state, model, view, index) for index, view in enumerate(views)]
    image, seen, residual, visible = (float(np.mean([s[i] for s in single])) for i in range(4))
    # The worst view decides: two views that disagree must not average to a good one.
    score = min(s[4] for s in single)
    return Agreement(
        image_explained=image,
        model_explained=seen,
        residual_mm=residual,
        visible_share=visible,
        image_mm=float(sum(view.length_mm for view in views)),
        score=score,
    )


def _of_view(
    state: RigidState, model: PreparedModel, view: PreparedView, index: int
) -> tuple[float, float, float, float, float]:
    visible = visible_share(state, model, view, index)
    near_model, near_image = [np.zeros((0, 2))], [np.zeros((0, 2))]
    for pair in feature_pairs(state, model, view, index):
        part, image, usable = pair.model, pair.image, pair.model.usable
        described = np.hstack([part.plane_mm[usable], ORIENTATION_MM * part.direction[usable]])
        model_tree = KDTree(described) if len(described) else None
        of_image = np.zeros((0, 4)) if image.tree is None else image.tree.data
        near_model.append(np.column_stack([_distances(described, image.tree), part.weight[usable]]))
        near_image.append(np.column_stack([_distances(of_image, model_tree), image.weight]))
    model_mm, image_mm = np.concatenate(near_model), np.concatenate(near_image)
    if not len(model_mm) or not len(image_mm):
        return 0.0, 0.0, 10.0, visible, 0.0
    seen = float(np.average(_soft(model_mm[:, 0]), weights=model_mm[:, 1]))
    explained = float(np.average(_soft(image_mm[:, 0]), weights=image_mm[:, 1]))
    close = image_mm[image_mm[:, 0] < 2 * _NEAR_MM, 0]
    residual = float(np.median(close)) if len(close) else 10.0
    f_measure = (1 + _EVEN_SHARE**2) * seen * explained / max(_EVEN_SHARE**2 * seen + explained, 1e-9)
    return explained, seen, residual, visible, f_measure


def _distances(described: Float[np.ndarray, "n 4"], tree: KDTree | None) -> Float[np.ndarray, " n"]:
    if tree is None or not len(described):
        return np.full(len(described), 1e3)
    return tree.query(described)[0]


def _soft(distance_mm: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return 1.0 / (1.0 + (distance_mm / _NEAR_MM) ** 2) ** 2
