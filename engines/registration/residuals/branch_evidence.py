"""What a picture says of each stretch of a model at each move within reach: how much of it lies on vessel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int
from scipy.spatial import KDTree

from engines.registration.features.image_features import FeatureSet, PreparedView
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import ModelInView, RigidState, camera_points, feature_pairs

REACH_MM = 10.0  # a pose that is further off is plainly wrong to the eye, and everything else in reach misleads
_STRETCH_MM = 25.0
_LEAST_STRETCH_MM = 4.0
_CELL_MM = 0.5
_NEAR_MM = 1.0  # soft distance within which a point lies on vessel
_FAR_MM = 50.0
_TURN_RAD = np.deg2rad(40.0)  # apart from its vessel's direction
_LINE_BINS, _EDGE_BINS = 4, 8  # a line has no sense, the outward normal of an edge has one


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What the picture says of each stretch at each move.

    Args:
        share: (stretches, moves) of the stretch that lies on vessel, counted softly.
        length_mm: of each stretch within the picture.
        middle_mm: (stretches, 2) in the isocentre plane.
        stretch: number of each, as `stretches_of` counts.
        branch: of each stretch.
        moves_mm: (moves, 2), the shortest first.
    """

    share: Float[np.ndarray, "stretches moves"]
    length_mm: Float[np.ndarray, " stretches"]
    middle_mm: Float[np.ndarray, "stretches 2"]
    stretch: Int[np.ndarray, " stretches"]
    branch: Int[np.ndarray, " stretches"]
    moves_mm: Float[np.ndarray, "moves 2"]


def evidence_of(state: RigidState, model: PreparedModel, view: PreparedView) -> Evidence | None:
    """None where nothing of the model falls on the picture, or nothing is segmented."""
    stretches, moves = stretches_of(model), _moves_mm()
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
    return Evidence(
        share=on_vessel[known] / length[known, None], length_mm=length[known],
        middle_mm=middle[known] / length[known, None], stretch=known, branch=branch[known],
        moves_mm=moves,
    )  # fmt: skip


def stretches_of(model: PreparedModel) -> Int[np.ndarray, " n"]:
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
