"""What a perfect reader would mark in a simulated case, about the places where the estimator looks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from scipy.spatial import KDTree

from engines.anatomy.centerlines.moving_frame import MovingFrame
from engines.ivus.features.landmark_maps import ANGLES
from engines.simulation.ivus.case import IvusCase
from engines.simulation.ivus.contours import border_radii
from engines.simulation.ivus.ultrasound import REACH_MM, Shapes, true_shapes

_CT_RIM_MM = 0.1  # what lies nearer to the artery's border is its own unevenness
_LEAST_CELLS = 3  # of the truth's grid, that a landmark covers at an angle
_WIRE_SHADOW_RAD = np.deg2rad(8.0)
_WIRE_NEAR_MM = 0.4  # of the lumen's border, where a wire's shadow is told


def landmark_cells(shapes: Shapes) -> Bool[np.ndarray, "2 f a r"]:
    """Where side branches open and where calcium lies, about the catheter."""
    return np.stack([(shapes.branch_mm < 0) & (shapes.main_mm > 0), shapes.calcium > 0.5])


def wire_cells(case: IvusCase) -> Bool[np.ndarray, "f a r"]:
    """What guidewires hide of the lumen's border, about the catheter."""
    near = np.abs(case.shapes.main_mm) < _WIRE_NEAR_MM
    angle = np.arange(near.shape[1]) * 2.0 * np.pi / near.shape[1]
    apart = np.abs(np.angle(np.exp(1j * (angle[None, None, :] - case.wires_rad[:, :, None]))))
    return (apart < _WIRE_SHADOW_RAD).any(axis=0)[:, :, None] & near


def lumen_radii(shapes: Shapes) -> Float[np.ndarray, "f b"]:
    """Distance of the artery's own border from the place the shapes are about, at 48 angles."""
    every = shapes.main_mm.shape[1] // ANGLES
    return np.stack([border_radii(cut) for cut in shapes.main_mm])[:, ::every]


def angles_about(cells: Bool[np.ndarray, "f a r"], centre_mm: Float[np.ndarray, "f 2"]) -> Float32[np.ndarray, "f b"]:
    """1 at the angles about another place that some cells about the catheter cover."""
    frame, angle, depth = np.nonzero(cells)
    turn = angle * 2.0 * np.pi / cells.shape[1]
    radius = (depth + 0.5) * REACH_MM / cells.shape[2]
    x, y = radius * np.cos(turn) - centre_mm[frame, 0], radius * np.sin(turn) - centre_mm[frame, 1]
    bins = np.rint(np.arctan2(y, x) / (2.0 * np.pi) * ANGLES).astype(int) % ANGLES
    counts = np.zeros((len(cells), ANGLES))
    np.add.at(counts, (frame, bins), 1.0)
    return (counts >= _LEAST_CELLS).astype(np.float32)


def course_labels(case: IvusCase, frame: MovingFrame) -> tuple[Float32[np.ndarray, "2 n b"], Float[np.ndarray, "n b"]]:
    """About a line in the CT: openings and calcium, and the radius of the artery's own lumen."""
    row = np.asarray(KDTree(case.vessel.frame.points_mm).query(frame.points_mm)[1])
    across = replace(case.pullback, arc_mm=case.vessel.frame.arc_mm[row], points_mm=frame.points_mm, u=frame.u,
                     v=frame.v)  # fmt: skip
    shapes = true_shapes(case.vessel, across)
    open_there = ((shapes.branch_mm < 0) & (shapes.main_mm > _CT_RIM_MM)).sum(axis=2) >= 4
    calcified = (shapes.calcium > 0.5).any(axis=2)
    fine = np.stack([open_there, calcified])
    every = fine.shape[2] // ANGLES
    near = np.stack([np.roll(fine, by, axis=2)[:, :, ::every] for by in range(-(every // 2), every // 2 + 1)])
    return near.mean(axis=0).round().astype(np.float32), lumen_radii(shapes)


def true_states(case: IvusCase, frame: MovingFrame) -> tuple[Int[np.ndarray, " f"], Int[np.ndarray, " f"], int]:
    """Row, angle bin and handedness of each frame in a course's maps."""
    pull = case.pullback
    row = np.asarray(KDTree(frame.points_mm).query(pull.points_mm)[1])
    along_u, along_v = (np.sum(pull.u * axis[row], axis=1) for axis in (frame.u, frame.v))
    turn = np.rint(np.arctan2(along_v, along_u) / (2 * np.pi) * ANGLES).astype(int) % ANGLES
    sign = np.median(np.sign(np.sum(np.cross(pull.u, pull.v) * frame.tangent[row], axis=1)))
    return row, turn, int(sign)
