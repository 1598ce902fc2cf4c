"""How far each branch of the model lies from the vessel in the picture that corresponds to it.

A plain distance to the nearest vessel flatters a wrong pose: in a tree some vessel is always near. So the branches are
cut into stretches, each is moved over the picture as stiff as it is projected, and the shortest move that brings it
and its surroundings onto vessel of its own direction is its residual. A branch that lies on no vessel even there is
not filled, and has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int
from scipy.spatial import KDTree

from calibration.pose import RigidPose
from engines.registration.features.image_features import FeatureSet, PreparedView
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import ModelInView, RigidState, camera_points, feature_pairs

REACH_MM = 10.0  # a pose that is further off is plainly wrong to the eye, and everything else in reach misleads
# The next four were chosen on simulated runs and on runs of another generator, see assets/results/judging.md.
_FILLED_SHARE = 0.5  # of a stretch that lies on vessel at its best place, counted softly
_FILLED_STRETCHES = 0.4  # of a branch's length; with less the branch is not filled
_NEIGHBOUR_MM = 20.0  # stretches this near to each other move together
_AS_GOOD = 0.95  # of the best agreement: along itself a branch slides without loss, and the shortest move counts
_STRETCH_MM = 25.0
_LEAST_STRETCH_MM = 4.0
_LEAST_BRANCH_MM = 8.0  # a shorter piece of branch fits anywhere
_CELL_MM = 0.5
_NEAR_MM = 1.0  # soft distance within which a point lies on vessel
_FAR_MM = 50.0
_TURN_RAD = np.deg2rad(40.0)  # apart from its vessel's direction
_LINE_BINS, _EDGE_BINS = 4, 8  # a line has no sense, the outward normal of an edge has one


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BranchResidual:
    """One vessel in one view; lengths in the isocentre plane.

    Args:
        branches: places in `PreparedModel.branch_names`: its pieces between the branches that leave it.
        name: "" where the model has none.
        residual_mm: length of the move; None where no vessel in reach corresponds to the branch.
        move_mm: (2,) that move, camera axes; zeros without one.
        here, there: share of the branch that lies on vessel before and after the moves, counted softly, 0..1.
        visible_mm: length of its projection within the picture.
    """

    branches: tuple[int, ...]
    name: str
    residual_mm: float | None
    move_mm: Float[np.ndarray, " 2"]
    here: float
    there: float
    visible_mm: float


def branch_residuals(
    isocentre_from_lps: RigidPose, model: PreparedModel, view: PreparedView
) -> tuple[BranchResidual, ...]:
    """All branches that fall on the picture, the worst first; those without a residual last."""
    seen = _evidence(RigidState.of(isocentre_from_lps, model), model, view)
    if seen is None:
        return ()
    apart_mm2 = ((seen.middle_mm[:, None] - seen.middle_mm[None]) ** 2).sum(axis=2)
    near = np.exp(-0.5 * apart_mm2 / _NEIGHBOUR_MM**2) * seen.length_mm
    together = (near @ seen.share) / near.sum(axis=1, keepdims=True)
    # The moves come sorted by their length: the first that is as good is the shortest.
    chosen = (together >= _AS_GOOD * together.max(axis=1, keepdims=True)).argmax(axis=1)
    found = []
    for branches in _vessels(model):
        mine = np.flatnonzero(np.isin(seen.branch, branches))
        if seen.length_mm[mine].sum() >= _LEAST_BRANCH_MM:
            found.append(_of_vessel(branches, model.branch_names[branches[0]], seen, mine, chosen))
    return tuple(sorted(found, key=lambda one: (one.residual_mm is None, -(one.residual_mm or 0.0))))


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Evidence:
    """What the picture says of each stretch at each move.

    Args:
        share: (stretches, moves) of the stretch that lies on vessel, counted softly.
        length_mm: of each stretch within the picture.
        middle_mm: (stretches, 2) in the isocentre plane.
        branch: of each stretch.
        moves_mm: (moves, 2), the shortest first.
    """

    share: Float[np.ndarray, "stretches moves"]
    length_mm: Float[np.ndarray, " stretches"]
    middle_mm: Float[np.ndarray, "stretches 2"]
    branch: Int[np.ndarray, " stretches"]
    moves_mm: Float[np.ndarray, "moves 2"]


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
    name: str,
    seen: _Evidence,
    mine: Int[np.ndarray, " k"],
    chosen: Int[np.ndarray, " stretches"],
) -> BranchResidual:
    """The middle of its filled stretches, each weighed by its length."""
    length_mm, there = seen.length_mm[mine], seen.share[mine, chosen[mine]]
    moves = seen.moves_mm[chosen[mine]]
    away = np.hypot(*moves.T)
    filled = np.flatnonzero(there >= _FILLED_SHARE)
    residual, move = None, np.zeros(2)
    if length_mm[filled].sum() >= _FILLED_STRETCHES * length_mm.sum():
        ranked = filled[np.argsort(away[filled], kind="stable")]
        reached = np.cumsum(length_mm[ranked])
        middle = ranked[int(np.searchsorted(reached, 0.5 * reached[-1]))]
        residual, move = float(away[middle]), moves[middle]
    return BranchResidual(
        branches=branches, name=name, residual_mm=residual, move_mm=move,
        here=float(np.average(seen.share[mine, 0], weights=length_mm)),
        there=float(np.average(there, weights=length_mm)), visible_mm=float(length_mm.sum()),
    )  # fmt: skip


def _evidence(state: RigidState, model: PreparedModel, view: PreparedView) -> _Evidence | None:
    """None where nothing of the model falls on the picture, or nothing is segmented."""
    stretches, moves = _stretches(model), _moves_mm()
    count = int(stretches.max()) + 1
    on_vessel, length, middle = np.zeros((count, len(moves))), np.zeros(count), np.zeros((count, 2))
    for pair in feature_pairs(state, model, view, 0):
        edges = pair.seen is view.edge
        part = _Part.of(pair.model, pair.seen, stretches, state, model, view, edges=edges)
        for stretch in np.unique(part.stretch):
            mine = np.flatnonzero(part.stretch == stretch)
            on_vessel[stretch] += part.point_mm * part.on_vessel(mine, moves)
            length[stretch] += part.point_mm * len(mine)
            middle[stretch] += part.point_mm * part.plane_mm[mine].sum(axis=0)
    known = np.flatnonzero(length >= _LEAST_STRETCH_MM)
    if not len(known):
        return None
    branch = np.zeros(count, dtype=int)
    branch[stretches] = model.branch
    return _Evidence(
        share=on_vessel[known] / length[known, None], length_mm=length[known],
        middle_mm=middle[known] / length[known, None], branch=branch[known], moves_mm=moves,
    )  # fmt: skip


def _stretches(model: PreparedModel) -> Int[np.ndarray, " n"]:
    """Number of the stretch that each point belongs to: branches cut into pieces of about equal length."""
    stretches, first = np.zeros(len(model.branch), dtype=int), 0
    for branch in range(len(model.branch_names)):
        mine = np.flatnonzero(model.branch == branch)
        pieces = max(1, round(len(mine) * model.step_mm / _STRETCH_MM))
        stretches[mine] = first + np.arange(len(mine)) * pieces // max(1, len(mine))
        first += pieces
    return stretches


def _moves_mm() -> Float[np.ndarray, "moves 2"]:
    """All moves within reach on the grid of the distances, the shortest first."""
    steps = np.arange(-REACH_MM, REACH_MM + 0.5 * _CELL_MM, _CELL_MM)
    moves = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    length = np.hypot(*moves.T)
    inside = length <= REACH_MM
    return moves[inside][np.argsort(length[inside], kind="stable")]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """Usable points of one kind (centrelines, or borders of thick vessels), and how far every cell is from vessel.

    Args:
        plane_mm: (n, 2) of the points.
        cell: (n, 2) column and row of each point among the cells.
        bin: (n,) direction of each.
        stretch: (n,) of the model.
        distance_mm: (bins, rows, columns) from each cell to the nearest feature of about that direction.
        point_mm: length that one point stands for.
    """

    plane_mm: Float[np.ndarray, "n 2"]
    cell: Int[np.ndarray, "n 2"]
    bin: Int[np.ndarray, " n"]
    stretch: Int[np.ndarray, " n"]
    distance_mm: Float32[np.ndarray, "bins rows columns"]
    point_mm: float

    @classmethod
    def of(
        cls, shown: ModelInView, seen: FeatureSet, stretches: Int[np.ndarray, " m"], state: RigidState,
        model: PreparedModel, view: PreparedView, *, edges: bool,
    ) -> _Part:  # fmt: skip
        usable = np.flatnonzero(shown.usable)
        low, size = _cells(view)
        bins = _EDGE_BINS if edges else _LINE_BINS
        # A centreline's points are the model's own; points on a border belong where the nearest centerline does.
        of_model = _nearest(shown.camera_mm[usable], state, model, view) if edges else usable
        return cls(
            plane_mm=shown.plane_mm[usable],
            cell=np.rint((shown.plane_mm[usable] - low) / _CELL_MM).astype(int),
            bin=np.rint(_angle(shown.direction[usable]) / (2.0 * np.pi) * bins).astype(int) % bins,
            stretch=stretches[of_model],
            distance_mm=_distances_mm(seen, low, size, bins),
            point_mm=_spacing_mm(shown.plane_mm[usable], model, edges=edges),
        )

    def on_vessel(
        self, mine: Int[np.ndarray, " k"], moves_mm: Float[np.ndarray, "moves 2"]
    ) -> Float[np.ndarray, " moves"]:
        """How many of these points lie on vessel after each move, counted softly."""
        steps = np.rint(moves_mm / _CELL_MM).astype(int)
        _, rows, columns = self.distance_mm.shape
        column = (self.cell[mine, 0][None] + steps[:, :1]).clip(0, columns - 1)
        row = (self.cell[mine, 1][None] + steps[:, 1:]).clip(0, rows - 1)
        away = self.distance_mm[self.bin[mine][None], row, column]
        return (1.0 / (1.0 + (away / _NEAR_MM) ** 2) ** 2).sum(axis=1)


def _cells(view: PreparedView) -> tuple[Float[np.ndarray, " 2"], Int[np.ndarray, " 2"]]:
    """Corner of the cells that cover the picture and the reach around it, and how many columns and rows there are."""
    far_px = np.array([[0.0, 0.0], view.field_of_view.shape[::-1]])
    low, high = np.sort(view.plane_from_px(far_px), axis=0) + np.array([[-REACH_MM], [REACH_MM]])
    return low, np.ceil((high - low) / _CELL_MM).astype(int) + 1


def _distances_mm(
    seen: FeatureSet, low: Float[np.ndarray, " 2"], size: Int[np.ndarray, " 2"], bins: int
) -> Float32[np.ndarray, "bins rows columns"]:
    columns, rows = (int(count) for count in size)
    maps = np.full((bins, rows, columns), _FAR_MM, np.float32)
    at = np.rint((seen.points_mm - low) / _CELL_MM).astype(int).clip(0, size - 1)
    angle = _angle(seen.direction)
    # Lines are described by the doubled angle, so that their tolerance doubles too.
    reach = _TURN_RAD * (2.0 if bins == _LINE_BINS else 1.0) + 0.5 * np.pi / bins
    for number in range(bins):
        apart = np.abs(np.angle(np.exp(1j * (angle - 2.0 * np.pi * number / bins))))
        near = at[apart <= reach]
        if len(near):
            empty = np.ones((rows, columns), np.uint8)
            empty[near[:, 1], near[:, 0]] = 0
            away = np.asarray(cv2.distanceTransform(empty, cv2.DIST_L2, 3))
            maps[number] = np.minimum(_CELL_MM * away, _FAR_MM)
    return maps


def _angle(direction: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
    return np.arctan2(direction[:, 1], direction[:, 0])


def _nearest(
    camera_mm: Float[np.ndarray, "n 3"], state: RigidState, model: PreparedModel, view: PreparedView
) -> Int[np.ndarray, " n"]:
    core = camera_points(state, model.points_mm - model.pivot_mm, view, 0)
    return np.asarray(KDTree(core).query(camera_mm)[1])


def _spacing_mm(plane_mm: Float[np.ndarray, "n 2"], model: PreparedModel, *, edges: bool) -> float:
    if not edges or model.outline is None or len(plane_mm) < 2:
        return model.step_mm
    # Points of a surface's outline lie as its vertices happen to.
    return float(np.median(np.asarray(KDTree(plane_mm).query(plane_mm, k=2)[0])[:, 1]))
