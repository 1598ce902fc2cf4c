"""How far each branch of the model lies from the vessel in the picture that corresponds to it.

A plain distance to the nearest vessel flatters a wrong pose: in a tree some vessel is always near. So the branches are
cut into stretches, each is moved over the picture as stiff as it is projected, and the shortest move that brings it
and its surroundings onto vessel of its own direction is its residual. A branch that lies on no vessel even there is
not filled in this picture, and has none: there is nothing to judge it by.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from calibration.pose import RigidPose
from engines.registration.features.image_features import PreparedView
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import MIN_DEPTH_MM, RigidState, camera_points
from engines.registration.residuals.branch_evidence import Evidence, evidence_of, stretches_of

# The first four were chosen on simulated runs and on runs of another generator, see assets/results/judging.md.
_FILLED_SHARE = 0.5  # of a stretch that lies on vessel at its best place, counted softly
_FILLED_STRETCHES = 0.4  # of a branch's length; with less the branch is not filled
_NEIGHBOUR_MM = 20.0  # stretches this near to each other move together
_AS_GOOD = 0.95  # of the best agreement: along itself a branch slides without loss, and the shortest move counts
_HIDDEN_SHARE = 0.5  # of a stretch under vessels of another class: whether it is filled cannot be seen there
_LEAST_BRANCH_MM = 8.0  # a shorter piece of branch fits anywhere


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BranchResidual:
    """One vessel in one view; lengths in the isocentre plane.

    Args:
        branches: places in `PreparedModel.branch_names`: its pieces between the branches that leave it.
        name: "" where the model has none.
        vessel_class: of the model, "artery" or "vein" among others.
        residual_mm: length of the move; None where the branch is not filled, or lies under vessels of another class.
        move_mm: (2,) that move, camera axes; zeros without one.
        here, there: share of the branch that lies on vessel before and after the moves, counted softly, 0..1.
        visible_mm: length of its projection within the picture.
    """

    branches: tuple[int, ...]
    name: str
    vessel_class: str
    residual_mm: float | None
    move_mm: Float[np.ndarray, " 2"]
    here: float
    there: float
    visible_mm: float


def branch_residuals(
    isocentre_from_lps: RigidPose,
    model: PreparedModel,
    view: PreparedView,
    *,
    hidden: Bool[np.ndarray, "rows columns"] | None = None,
) -> tuple[BranchResidual, ...]:
    """All branches that fall on the picture, the worst first; those without a residual last.

    Args:
        view: shows vessels of the model's own classes alone; others nearby would be taken for them.
        hidden: (rows, columns) of the picture, where vessels of another class were seen.
    """
    state = RigidState.of(isocentre_from_lps, model)
    seen = evidence_of(state, model, view)
    if seen is None:
        return _unfilled(state, model, view)
    open_there = ~_hidden(isocentre_from_lps, model, view, hidden)[seen.stretch] | (seen.share[:, 0] >= _FILLED_SHARE)
    apart_mm2 = ((seen.middle_mm[:, None] - seen.middle_mm[None]) ** 2).sum(axis=2)
    near = np.exp(-0.5 * apart_mm2 / _NEIGHBOUR_MM**2) * (seen.length_mm * open_there)
    together = (near @ seen.share) / np.maximum(near.sum(axis=1, keepdims=True), 1e-9)
    # The moves come sorted by their length: the first that is as good is the shortest.
    chosen = (together >= _AS_GOOD * together.max(axis=1, keepdims=True)).argmax(axis=1)
    found = []
    for branches in _vessels(model):
        mine = np.flatnonzero(np.isin(seen.branch, branches))
        if seen.length_mm[mine].sum() >= _LEAST_BRANCH_MM:
            found.append(_of_vessel(branches, model, seen, mine, chosen, open_there))
    return worst_first(found)


def worst_first(residuals: Iterable[BranchResidual]) -> tuple[BranchResidual, ...]:
    """Those without a residual last, in the order they came."""
    return tuple(sorted(residuals, key=lambda one: (one.residual_mm is None, -(one.residual_mm or 0.0))))


def worst_mm(residuals: Sequence[BranchResidual]) -> float | None:
    """Of the branch that fits worst; None where no branch has a residual."""
    return max((one.residual_mm for one in residuals if one.residual_mm is not None), default=None)


def middle_mm(residuals: Sequence[BranchResidual]) -> float | None:
    """Median over the branches, each weighed by its length; None where no branch has a residual."""
    known = sorted((one.residual_mm, one.visible_mm) for one in residuals if one.residual_mm is not None)
    if not known:
        return None
    reached = np.cumsum([length for _, length in known])
    return known[int(np.searchsorted(reached, 0.5 * reached[-1]))][0]


def _vessels(model: PreparedModel) -> list[tuple[int, ...]]:
    """Branches that are one vessel: it is cut wherever another leaves it, and goes on under its own name.

    Where two branches of the name go on, it names a kind ("artery") and no vessel.
    """
    tree = () if model.model.centerlines is None else model.model.centerlines.branches
    kept = [at for at, branch in enumerate(tree) if branch.vessel_class in model.branch_classes]
    if len(kept) != len(model.branch_names):  # not made from this tree
        return [(branch,) for branch in range(len(model.branch_names))]
    place = {at: number for number, at in enumerate(kept)}
    goes_on: dict[int, list[int]] = {}
    for number, at in enumerate(kept):
        parent = place.get(tree[at].parent)
        if parent is not None and tree[at].name and tree[at].name == model.branch_names[parent]:
            goes_on.setdefault(parent, []).append(number)
    first_of = list(range(len(kept)))
    for parent, children in sorted(goes_on.items()):
        if len(children) == 1:
            first, last = sorted((first_of[parent], first_of[children[0]]))
            first_of = [first if of == last else of for of in first_of]
    return [tuple(at for at, of in enumerate(first_of) if of == first) for first in sorted(set(first_of))]


def _of_vessel(
    branches: tuple[int, ...],
    model: PreparedModel,
    seen: Evidence,
    mine: Int[np.ndarray, " k"],
    chosen: Int[np.ndarray, " stretches"],
    open_there: Bool[np.ndarray, " stretches"],
) -> BranchResidual:
    """The middle of its filled stretches, each weighed by its length."""
    length_mm, there = seen.length_mm[mine], seen.share[mine, chosen[mine]]
    moves = seen.moves_mm[chosen[mine]]
    away = np.hypot(*moves.T)
    filled = np.flatnonzero((there >= _FILLED_SHARE) & open_there[mine])
    residual, move = None, np.zeros(2)
    if length_mm[filled].sum() >= _FILLED_STRETCHES * length_mm.sum():
        ranked = filled[np.argsort(away[filled], kind="stable")]
        reached = np.cumsum(length_mm[ranked])
        middle = ranked[int(np.searchsorted(reached, 0.5 * reached[-1]))]
        residual, move = float(away[middle]), moves[middle]
    return BranchResidual(
        branches=branches, name=model.branch_names[branches[0]], vessel_class=model.branch_classes[branches[0]],
        residual_mm=residual, move_mm=move,
        here=float(np.average(seen.share[mine, 0], weights=length_mm)),
        there=float(np.average(there, weights=length_mm)), visible_mm=float(length_mm.sum()),
    )  # fmt: skip


def _hidden(
    isocentre_from_lps: RigidPose,
    model: PreparedModel,
    view: PreparedView,
    hidden: Bool[np.ndarray, "rows columns"] | None,
) -> Bool[np.ndarray, " stretches"]:
    """Which stretches lie, at this pose, under vessels of another class."""
    stretches = stretches_of(model)
    if hidden is None:
        return np.zeros(int(stretches.max()) + 1, dtype=bool)
    shown_px, depth_mm = view.geometry.projection(isocentre_from_lps).project(model.points_mm)
    at = np.rint(np.nan_to_num(shown_px, nan=-1.0)).clip(-1, 1e6).astype(int)
    inside = (at >= 0).all(axis=1) & (at < hidden.shape[::-1]).all(axis=1) & (depth_mm > 0.0)
    under = np.zeros(len(at), dtype=bool)
    under[inside] = hidden[at[inside, 1], at[inside, 0]]
    return np.bincount(stretches, under) >= _HIDDEN_SHARE * np.maximum(np.bincount(stretches, inside), 1)


def _unfilled(state: RigidState, model: PreparedModel, view: PreparedView) -> tuple[BranchResidual, ...]:
    """All branches on a picture in which no vessel of their class is filled."""
    camera = camera_points(state, model.points_mm - model.pivot_mm, view, 0)
    plane = camera[:, :2] * (view.sod_mm / np.maximum(camera[:, 2:], MIN_DEPTH_MM))
    shown = view.visible(plane) & (camera[:, 2] > MIN_DEPTH_MM)
    found = []
    for branches in _vessels(model):
        visible_mm = model.step_mm * float(shown[np.isin(model.branch, branches)].sum())
        if visible_mm >= _LEAST_BRANCH_MM:
            found.append(
                BranchResidual(
                    branches=branches, name=model.branch_names[branches[0]],
                    vessel_class=model.branch_classes[branches[0]], residual_mm=None, move_mm=np.zeros(2), here=0.0,
                    there=0.0, visible_mm=visible_mm,
                )
            )  # fmt: skip
    return tuple(found)
