"""Trees after a smooth random motion, with the exact mask of a view."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float

from calibration.pose import RigidPose
from calibration.projection import Projection
from engines.anatomy.cases.case import load_case
from engines.anatomy.vessel_model import CenterlineTree
from engines.evaluation.deformation.moving_runs import MovingFrame, MovingRun, heart_runs, inside_picture
from engines.evaluation.registration.subject import StartSpread, drawn_start, true_pose

_WAVES = 12
_WAVE_MM = (60.0, 150.0)


def drawn_runs(folder: Path | str, *, count: int, seed: int, size_mm: float) -> Iterator[MovingRun]:
    """For each run of a simulated coronary case, `count` motions of its tree, each with a drawn start.

    Args:
        size_mm: root mean square of the motion within the picture's plane, over the injected tree.
    """
    truth = load_case(folder).folder / "truth"
    for index, run in enumerate(heart_runs(folder, None)):
        view = run.frames[run.begin].view
        pose = true_pose(truth / f"{run.run}.json", view.frame, view.geometry)
        for number in range(count):
            rng = np.random.default_rng([seed, index, number])
            start = drawn_start(pose, run.model.centroid_mm(), view.geometry, StartSpread(), rng)
            yield drawn_run(run, pose, start, rng, size_mm=size_mm)


def drawn_run(
    run: MovingRun, pose: RigidPose, start: RigidPose, rng: np.random.Generator, *, size_mm: float
) -> MovingRun:
    """A run of one frame: the tree after a motion, seen at `pose`, to be registered from `start`."""
    tree, frame = run.model.centerlines, run.frames[run.begin]
    assert tree is not None
    geometry = frame.view.geometry
    owner = np.repeat(np.arange(len(tree.branches)), [len(branch.points_mm) for branch in tree.branches])
    injected = (np.bincount(owner, weights=frame.counted) > 0)[owner]
    motion = smooth_motion(rng, tree.points_mm())
    axes = geometry.camera_from_isocentre().rotation[:2] @ pose.rotation
    motion *= size_mm / np.sqrt(((motion[injected] @ axes.T) ** 2).sum(axis=1).mean())
    moved = tree.points_mm() + motion
    now = [
        replace(branch, points_mm=moved[owner == index])
        for index, branch in enumerate(tree.branches)
        if injected[owner == index].all()
    ]
    projection = geometry.projection(pose)
    true_px, _ = projection.project(moved)
    counted = injected & inside_picture(true_px, geometry.shape_px)
    mask = tubes(CenterlineTree(branches=tuple(now)), projection)
    seen = MovingFrame(
        view=replace(frame.view, vessel=mask, image=None, field_of_view=None),
        true_px=true_px,
        counted=counted,
        filled=counted,
        contraction=float("nan"),
    )
    return replace(run, masks="drawn", frames=(seen,), begin=0, start=start)


def smooth_motion(rng: np.random.Generator, points_mm: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """A sum of spatial waves of 60 to 150 mm, not scaled; it differs from the motion that the modes expect."""
    motion = np.zeros((len(points_mm), 3))
    for _ in range(_WAVES):
        wave = rng.normal(size=3)
        wave *= 2 * np.pi / (rng.uniform(*_WAVE_MM) * np.linalg.norm(wave))
        motion += rng.normal(size=3) * np.sin(points_mm @ wave + rng.uniform(0, 2 * np.pi))[:, None]
    return motion


def tubes(tree: CenterlineTree, projection: Projection) -> Float[np.ndarray, "rows columns"]:
    """The mask of all branches at their projected width, drawn to a sixteenth of a pixel."""
    mask = np.zeros(projection.shape_px, np.float32)
    for branch in tree.branches:
        px, depth_mm = projection.project(branch.points_mm)
        if not np.isfinite(px).all():
            continue
        width_px = 2 * branch.radius_mm * abs(projection.intrinsics_px[0, 0]) / depth_mm
        at = np.rint(px * 16).astype(int)
        for k, width in enumerate(np.maximum(1, np.rint(width_px[:-1])).astype(int).tolist()):
            cv2.line(mask, at[k].tolist(), at[k + 1].tolist(), 1.0, width, shift=4)
    return mask
