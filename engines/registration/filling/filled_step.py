"""Tracking by rendering: from the last pose to the next frame's, with the same verdict as a cold start by rendering."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float

from engines.registration.alignment.cold_start import apart_mm
from engines.registration.alignment.levenberg_marquardt import PosePrior
from engines.registration.confidence import ENOUGH_DM, Verdict, judge_filled, judged_as_thick
from engines.registration.features.image_features import PreparedView
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import RigidState
from engines.registration.filling.filled_features import FilledFeatures, edge_share, features_of, filled_depth_sigma_mm
from engines.registration.filling.filled_fit import fit_filled
from engines.registration.filling.filled_picture import FilledPicture, Filling, best_correlation, gram_of
from engines.registration.filling.filled_stage import (
    FINE,
    MIDDLE,
    MIDDLE_CELL_MM,
    NUDGE_MM,
    NUDGE_RAD,
    FilledStanding,
    filled_share,
    is_solid,
    keen,
    spread_mm,
)
from engines.registration.filling.filled_views import FilledViews, filled_views
from engines.registration.filling.vessel_cloud import VesselCloud, vessel_cloud
from engines.registration.view import RegistrationView

_ITERATIONS = 1  # a frame: the next one goes on from there
_MODEL_POINTS = 120
# A warm step starts where the last frame's pose was, so that its start tells nothing. The confidence was fitted with
# starts from headers and from people; this is their middle.
_TYPICAL_PRIOR = 2.3
# A tracked pose lies 0.5 to 3 mm off the fine picture's best, for which smaller moves tell right from wrong less well.
_FAR_MM, _FAR_RAD = 3.0, 0.06
_LEAST_SEEN = 0.4  # of the picture's energy above its noise; with less there is no contrast to speak for any pose


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilledStep:
    """One warm step.

    Args:
        moved_mm: mean move of the model in the isocentre plane since the last pose.
    """

    state: RigidState
    verdict: Verdict
    features: FilledFeatures
    moved_mm: float


class FilledTracker:
    """Follows one model by rendering; what is the same for all frames is made once.

    Args:
        prepared: of the branch classes that the views show.
        cloud: its lumen.
    """

    def __init__(self, prepared: PreparedModel, cloud: VesselCloud) -> None:
        self._prepared = prepared
        self._fine, self._middle = cloud, cloud.thinned(MIDDLE_CELL_MM)
        self._small = prepared.thinned(_MODEL_POINTS)

    @classmethod
    def of(cls, prepared: PreparedModel) -> FilledTracker | None:
        """None where the model has no volume to render."""
        cloud = vessel_cloud(prepared.model)
        return None if cloud is None else cls(prepared, cloud)

    def step(
        self, view: RegistrationView, ready: PreparedView, last: RigidState, prior: PosePrior
    ) -> FilledStep | None:
        """Fit from the last pose, and judge; None where the view does not tell contrast, or shows none.

        Args:
            ready: the view's features, for the share of thick vessels and the length seen.
        """
        middle = self._pictures(view, self._middle, MIDDLE.pixel_mm, MIDDLE.band_mm)
        if middle is None or middle.pictures[0].attainable < _LEAST_SEEN:
            return None
        fine = self._pictures(view, self._fine, FINE.pixel_mm, FINE.band_mm)
        if fine is None:
            return None
        fit = fit_filled(last, middle, [ready], prior, iterations=_ITERATIONS)
        filling, parts = fine.pictures[0].filled(fit.state, fine.local_mm, fine.cloud, 0)
        at = (fine.pictures[0], filling, parts, self._pivot_px(fine.pictures[0], fit.state))
        # Thick vessels are judged by how keen the fit is, thin ones by how sharp: the other is not measured.
        thick = judged_as_thick(edge_share([ready]), solid=is_solid(self._prepared))
        sharp, turn_sharp = (0.0, 0.0) if thick else sharpness_of(*at)
        keen_, turn_keen = keenness_of(*at) if thick else (0.0, 0.0)
        standing = FilledStanding(
            fine=filling.ncc, clear=filling.clear, middle=fit.ncc, rival=0.0, share=1.0,
            filled_share=filled_share(fine.cloud, [filling]), sharp=sharp, turn_sharp=turn_sharp,
            keen=keen_, turn_keen=turn_keen, solid=is_solid(self._prepared),
            spread_mm=spread_mm(fit, self._small, [ready]),
        )  # fmt: skip
        depth_mm = filled_depth_sigma_mm(fit)
        features = features_of(standing, [ready], start_sigmas=_TYPICAL_PRIOR, depth_mm=depth_mm)
        return FilledStep(
            state=fit.state,
            verdict=of_one_frame(judge_filled(features, depth_mm, tracked=True), features),
            features=features,
            moved_mm=apart_mm(fit.state, last, self._small, [ready]),
        )

    def _pictures(
        self, view: RegistrationView, cloud: VesselCloud, pixel_mm: float, band_mm: float
    ) -> FilledViews | None:
        return filled_views([view], cloud, self._prepared.pivot_mm, pixel_mm=pixel_mm, band_mm=band_mm)

    def _pivot_px(self, picture: FilledPicture, state: RigidState) -> tuple[float, float]:
        arm = picture.camera_from_isocentre
        x, y, depth = arm[:3, :3] @ state.pivot_mm + arm[:3, 3]
        column, row = picture.focal_px * (x, y) / depth + picture.centre_px
        return float(column), float(row)


def prior_of_step(last: RigidState) -> PosePrior:
    """The motion of a head or a trunk between two frames; no heart's beat, and a table's move is followed by tags."""
    return PosePrior(state=last, rotation_rad=np.deg2rad(0.7), in_plane_mm=2.5, depth_mm=2.5)


def of_one_frame(verdict: Verdict, features: FilledFeatures) -> Verdict:
    """A stump of the tree confirms no pose, but it contradicts none either."""
    little = features.image_decimetres < ENOUGH_DM and verdict.status == "rejected"
    return replace(verdict, status="caution") if little else verdict


def sharpness_of(
    picture: FilledPicture, filling: Filling, parts: Float[np.ndarray, "k pixels"], pivot_px: tuple[float, float]
) -> tuple[float, float]:
    """`FilledStanding.sharp` and `.turn_sharp` of one view, with the seen picture moved in place of the model.

    Args:
        filling, parts: of `FilledPicture.filled` at the pose.
        pivot_px: (column, row) of the model's pivot, about which it turns.
    """
    ((shift, turn),) = _lost([picture.target], picture, filling, parts, pivot_px, NUDGE_MM, NUDGE_RAD)
    return shift, turn


def keenness_of(
    picture: FilledPicture, filling: Filling, parts: Float[np.ndarray, "k pixels"], pivot_px: tuple[float, float]
) -> tuple[float, float]:
    """`FilledStanding.keen` and `.turn_keen` of a tracked pose, over moves that are larger than what it may be off."""
    itself = (filling.amount @ parts).astype(np.float32)
    seen, own = _lost([picture.target, itself], picture, filling, parts, pivot_px, _FAR_MM, _FAR_RAD)
    return keen(seen[0], own[0]), keen(seen[1], own[1])


def _lost(
    targets: Sequence[Float[np.ndarray, " pixels"]],
    picture: FilledPicture,
    filling: Filling,
    parts: Float[np.ndarray, "k pixels"],
    pivot_px: tuple[float, float],
    step_mm: float,
    turn_rad: float,
) -> list[tuple[float, float]]:
    """Share of each target's correlation that a step in the plane and a turn about the beam cost.

    A small move in the plane is the same for both, and the parts need not be rendered again. Only the border differs:
    what is near it was band-passed without its surroundings and would move away from where the parts show the same.
    So only what lies inside before and after the move is compared; else every pose would look sharp in a collimated
    field.
    """
    if not filling.ncc > 0:
        return [(0.0, 0.0)] * len(targets)
    inner = _inner(picture)
    laid_out = [_laid_out(target, picture) for target in targets]
    step_px = step_mm / picture.mm_per_px

    def lost(column_px: float, row_px: float, turn_rad: float) -> list[float]:
        matrix = cv2.getRotationMatrix2D(pivot_px, math.degrees(turn_rad), 1.0)
        matrix[:, 2] += (column_px, row_px)
        still_inside = cv2.warpAffine(inner, matrix, inner.shape[::-1]) > 0.99
        common = (still_inside & (inner > 0)).ravel()[picture.index]
        if not common.any():
            return [0.0] * len(targets)
        shown = parts[:, common]
        shown = shown - shown.mean(axis=1, keepdims=True)
        gram = gram_of(shown)
        found = []
        for target, laid in zip(targets, laid_out, strict=True):
            there = cv2.warpAffine(laid, matrix, inner.shape[::-1]).ravel()[picture.index]
            here = best_correlation(gram, shown, target[common])
            # Where the inner part alone shows no fit, a share of that little would be any number.
            found.append((here - best_correlation(gram, shown, there[common])) / max(here, 0.5 * filling.ncc))
        return found

    shifted = [lost(step_px, 0, 0), lost(-step_px, 0, 0), lost(0, step_px, 0), lost(0, -step_px, 0)]
    turned = [lost(0, 0, turn_rad), lost(0, 0, -turn_rad)]
    shift, turn = np.mean(shifted, axis=0), np.mean(turned, axis=0)
    return [(float(s), float(t)) for s, t in zip(shift, turn, strict=True)]


def _laid_out(target: Float[np.ndarray, " pixels"], picture: FilledPicture) -> Float[np.ndarray, "rows columns"]:
    laid = np.zeros(picture.shape_px, np.float32)
    laid.ravel()[picture.index] = target
    return laid


def _inner(picture: FilledPicture) -> Float[np.ndarray, "rows columns"]:
    """1 where the band-pass had all of its surroundings, else 0."""
    size = 2 * math.ceil(picture.band_px) + 1
    closed = np.pad(picture.seen, 1).astype(np.uint8)
    return cv2.erode(closed, np.ones((size, size), np.uint8))[1:-1, 1:-1].astype(np.float32)
