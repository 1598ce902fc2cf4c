"""From the contrast picture to a pose: search, fits from coarse to fine, and how the winner stands out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engines.registration.alignment.coarse_search import rotation_grid
from engines.registration.alignment.cold_start import apart_mm, prior_penalty, seen_in_second_view
from engines.registration.alignment.levenberg_marquardt import SCALES, PosePrior, moved
from engines.registration.features.image_features import PreparedView
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import RigidState
from engines.registration.filling.filled_fit import FilledFit, fit_filled
from engines.registration.filling.filled_picture import Filling
from engines.registration.filling.filled_search import filled_search
from engines.registration.filling.filled_views import FilledViews, filled_views
from engines.registration.filling.vessel_cloud import VesselCloud, vessel_cloud
from engines.registration.registration import Stage
from engines.registration.view import RegistrationView


@dataclass(frozen=True, slots=True, kw_only=True)
class _Level:
    """Pixel and band in mm of the isocentre plane; how many basins are carried so far and how long."""

    pixel_mm: float
    band_mm: float
    iterations: int
    keep: int


_SEARCH_PIXEL_MM, _SEARCH_BAND_MM, _SEARCH_CELL_MM, _CANDIDATES = 4.0, 12.0, 4.0, 8
MIDDLE_CELL_MM = 3.0
_COARSE = _Level(pixel_mm=4.0, band_mm=20.0, iterations=4, keep=10)
MIDDLE = _Level(pixel_mm=2.5, band_mm=8.0, iterations=5, keep=4)
FINE = _Level(pixel_mm=1.5, band_mm=5.0, iterations=6, keep=2)
_SAME_BASIN_MM, _OTHER_BASIN_MM = 2.0, 5.0
NUDGE_MM, NUDGE_RAD = 1.5, 0.04
_MODEL_POINTS = 260
_LEAST_CHANGE = 2e-3  # of correlation
_KEENEST = 0.9  # from here on, noise and an uneven filling decide


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledStanding:
    """How the winner fits and stands out.

    Args:
        fine, middle: correlation in the narrow and in the wider band, worst view.
        clear: the narrow band's, relative to what noise leaves attainable.
        rival: best middle correlation of another basin, relative to the winner's.
        share: of the basins that were carried on, those that ended in the winner's.
        filled_share: of the model's volume that lies in the pictures, what is filled at least a tenth as much as most.
        sharp, turn_sharp: share of the fine correlation that 1.5 mm in plane and 0.04 rad about the beam cost.
        keen, turn_keen: the same relative to what these moves cost where the model itself is seen, -1 to 0.9; near 1
            for vessels of any width in their place. Of a tracked pose over larger moves.
        solid: whether the model has walls of its own, not tubes about its centerlines: only then does `keen` tell.
        spread_mm: standard deviation that the fit's curvature leaves to the model's place, in the isocentre plane. It
            counts what is not filled too: parts far from all that is seen may lie well off a fit that looks exact.
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilledStart:
    """The best pose by rendering; `fit.information` is that of the finest pictures."""

    fit: FilledFit
    standing: FilledStanding
    stages: tuple[Stage, ...]


def filled_start(
    model: PreparedModel,
    views: Sequence[RegistrationView],
    ready: Sequence[PreparedView],
    prior: PosePrior,
    *,
    also: Sequence[RigidState] = (),
    held: RigidState | None = None,
    searched: bool = True,
) -> FilledStart | None:
    """Find the pose whose rendering explains the contrast; None where a view has no contrast picture or nothing filled.

    Args:
        also: poses found in other ways, to be judged beside those of the search.
        held: a pose that was found otherwise: it is the result, unmoved, and all that the search finds are its rivals.
        searched: whether there is a search; else only `also` is carried on.
    """
    began = time.perf_counter()
    levels = _pictures(model, views)
    if levels is None:
        return None
    search, coarse, middle, fine = levels
    candidates = filled_search(search, ready[0], prior, rotation_grid(prior), keep=_CANDIDATES) if searched else []
    small = model.thinned(_MODEL_POINTS)
    starts = [*also, *([prior.state] if searched else []), *(candidate.state for candidate in candidates)]
    if len(views) > 1:
        starts = [*also, *(seen_in_second_view(state, small, ready, prior) for state in starts[len(also) :])]
    looked = time.perf_counter()
    rough = _fitted(starts, coarse, _COARSE, ready, prior)
    basins = _distinct(rough, small, ready)[: MIDDLE.keep]
    carried = _fitted([fit.state for fit in basins], middle, MIDDLE, ready, prior)
    fitted = time.perf_counter()
    finalists = _distinct(carried, small, ready)[: FINE.keep]
    finals = _fitted([fit.state for fit in finalists], fine, FINE, ready, prior)
    best = finals[0] if held is None else fit_filled(held, fine, ready, prior, iterations=0)
    standing = _standing(best, carried, middle, fine, small, ready)
    done = time.perf_counter()
    return FilledStart(
        fit=best,
        standing=standing,
        stages=(
            Stage(
                name="filled search",
                similarity=candidates[0].ncc if candidates else 0.0,
                elapsed_ms=1e3 * (looked - began),
            ),
            Stage(name="filled basins", similarity=standing.middle, elapsed_ms=1e3 * (fitted - looked)),
            Stage(name="filled fit", similarity=standing.fine, elapsed_ms=1e3 * (done - fitted)),
        ),
    )


def _pictures(model: PreparedModel, views: Sequence[RegistrationView]) -> tuple[FilledViews, ...] | None:
    cloud = vessel_cloud(model.model)
    if cloud is None:
        return None
    rough, medium = cloud.thinned(_SEARCH_CELL_MM), cloud.thinned(MIDDLE_CELL_MM)
    wanted = (
        (rough, _SEARCH_PIXEL_MM, _SEARCH_BAND_MM),
        (rough, _COARSE.pixel_mm, _COARSE.band_mm),
        (medium, MIDDLE.pixel_mm, MIDDLE.band_mm),
        (cloud, FINE.pixel_mm, FINE.band_mm),
    )
    made = [
        filled_views(views, points, model.pivot_mm, pixel_mm=pixel_mm, band_mm=band_mm)
        for points, pixel_mm, band_mm in wanted
    ]
    found = tuple(pictures for pictures in made if pictures is not None)
    return found if len(found) == len(made) else None


def _fitted(
    starts: Sequence[RigidState],
    pictures: FilledViews,
    level: _Level,
    ready: Sequence[PreparedView],
    prior: PosePrior,
) -> list[FilledFit]:
    """One fit a start, the best first."""
    fits = [fit_filled(state, pictures, ready, prior, iterations=level.iterations) for state in starts]
    return sorted(fits, key=lambda fit: prior_penalty(fit.state, ready, prior) - fit.ncc)


def _distinct(fits: Sequence[FilledFit], model: PreparedModel, ready: Sequence[PreparedView]) -> list[FilledFit]:
    kept: list[FilledFit] = []
    for fit in fits:
        if all(apart_mm(fit.state, other.state, model, ready) > _SAME_BASIN_MM for other in kept):
            kept.append(fit)
    return kept


def _standing(
    best: FilledFit,
    carried: Sequence[FilledFit],
    middle: FilledViews,
    fine: FilledViews,
    model: PreparedModel,
    ready: Sequence[PreparedView],
) -> FilledStanding:
    own = max(middle.ncc(best.state), 1e-6)
    apart = np.array([apart_mm(fit.state, best.state, model, ready) for fit in carried])
    rivals = [fit.ncc for fit, far in zip(carried, apart, strict=True) if far > _OTHER_BASIN_MM]
    filled = fine.filled(best.state)
    fillings = [filling for filling, _ in filled]
    shown = [(filling.amount @ parts).astype(np.float32) for filling, parts in filled]

    def beside(turn_rad: float, x_mm: float, y_mm: float) -> tuple[float, float]:
        step = np.array([*(turn_rad * ready[0].camera_from_isocentre[2, :3]), x_mm, y_mm, 0.0]) / SCALES
        return fine.ncc_and_own(moved(best.state, step, ready), shown)

    shifts = [beside(0.0, x, y) for x, y in ((NUDGE_MM, 0.0), (-NUDGE_MM, 0.0), (0.0, NUDGE_MM), (0.0, -NUDGE_MM))]
    turns = [beside(side * NUDGE_RAD, 0.0, 0.0) for side in (-1.0, 1.0)]
    here = max(best.ncc, 1e-6)
    sharp, turn_sharp = (1.0 - float(np.mean([seen for seen, _ in moves])) / here for moves in (shifts, turns))
    return FilledStanding(
        fine=best.ncc,
        clear=min(filling.clear for filling in fillings),
        middle=own,
        rival=float(np.clip(max(rivals, default=0.0) / own, 0.0, 1.5)),
        share=float((apart <= _OTHER_BASIN_MM).mean()) if len(apart) else 0.0,
        filled_share=filled_share(fine.cloud, fillings),
        sharp=sharp,
        turn_sharp=turn_sharp,
        keen=keen(sharp, 1.0 - float(np.mean([itself for _, itself in shifts]))),
        turn_keen=keen(turn_sharp, 1.0 - float(np.mean([itself for _, itself in turns]))),
        solid=is_solid(model),
        spread_mm=spread_mm(best, model, ready),
    )


def is_solid(model: PreparedModel) -> bool:
    return model.model.labels is not None or model.model.surface is not None


def spread_mm(fit: FilledFit, model: PreparedModel, views: Sequence[PreparedView]) -> float:
    """See `FilledStanding`; Laplace approximation."""
    variances, directions = np.linalg.eigh(np.linalg.pinv(fit.information, hermitian=True))
    steps = directions * np.sqrt(np.maximum(variances, 0.0))
    apart = [apart_mm(fit.state, moved(fit.state, step, views), model, views) for step in steps.T]
    return float(np.linalg.norm(apart))


def keen(lost: float, lost_itself: float) -> float:
    """See `FilledStanding`; 0 where a move changes nothing of the model's own picture."""
    return float(np.clip(lost / lost_itself, -1.0, _KEENEST)) if lost_itself > _LEAST_CHANGE else 0.0


def filled_share(cloud: VesselCloud, fillings: Sequence[Filling]) -> float:
    """See `FilledStanding`; mean over the views."""
    volume = np.bincount(cloud.part, cloud.volume_mm3, len(cloud.part_names))
    shares = []
    for filling in fillings:
        seen = filling.energy > 1e-6 * max(float(filling.energy.max(initial=0.0)), 1e-12)
        filled = seen & (filling.amount > 0.1 * filling.amount.max(initial=0.0))
        shares.append(float(volume[filled].sum() / max(volume[seen].sum(), 1e-9)))
    return float(np.mean(shares))
