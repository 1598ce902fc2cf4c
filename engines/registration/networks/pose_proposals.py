"""The pose network on ONNX Runtime, as a search from scratch asks it: what `network_poses` does, without torch.

A search waits for its network: torch takes two seconds of processor time to import, this a fiftieth of that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from calibration.errors import InputError
from calibration.pose import RigidPose
from engines.anatomy.vessel_model import CenterlineTree, VesselModel
from engines.inference.model_files import verified_bytes
from engines.networks.pose_answer import DEPTH_LOG, PICTURE_PX, SHIFT_WIDTHS, SIGMA_PX, TURN_RAD
from engines.registration.alignment.rotations import rotation_matrix
from engines.registration.networks.pose_list import POSE_NETWORKS
from engines.registration.networks.shown_to_network import (
    STEP_MM,
    branches_shown,
    isocentre_from_camera,
    picture_with_vessels,
    small_intrinsics,
)
from engines.registration.view import RegistrationView

_MIN_DEPTH_MM = 1.0
_UNKNOWN_RADIUS_MM = 1.0

Answers = Callable[[Float32[np.ndarray, "n 2 96 96"]], Float[np.ndarray, "n 6"]]
Square = Float[np.ndarray, "96 96"]


def load_answers(path: Path) -> Answers:
    """The network of an ONNX file that the list beside it vouches for.

    Raises:
        InputError: the file is missing, not in the list, changed or damaged.
    """
    import onnxruntime

    record = POSE_NETWORKS.read(path.parent).get(path.stem)
    if record is None or not record.onnx:
        raise InputError(f"{path}: not listed in {POSE_NETWORKS.name}; make it with `guidance-app train {path.stem}`")
    content = verified_bytes(path, record.onnx, POSE_NETWORKS.name)
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises unrelated types of its own
        raise InputError(f"{path}: ONNX Runtime cannot load it ({error}); restore the model folder") from error
    name = session.get_inputs()[0].name
    return lambda pictures: np.asarray(session.run(None, {name: pictures})[0], dtype=np.float64)


def proposed_poses(
    answers: Answers, view: RegistrationView, model: VesselModel, begins: Sequence[RigidPose], *, rounds: int
) -> list[tuple[RigidPose, int]]:
    """For each beginning, the best overlapping pose on its way and the rounds to it (0: the beginning itself).

    Raises:
        InputError: the model has no centerlines of the view's classes, or the view shows no vessel.
    """
    tubes = _Tubes(branches_shown(model, view))
    seen, intrinsics = picture_with_vessels(view), small_intrinsics(view.geometry).astype(np.float64)
    arm = view.geometry.camera_from_isocentre()
    cameras = [(arm @ pose).matrix for pose in begins]
    ways: list[list[tuple[float, Float[np.ndarray, "4 4"]]]] = [[] for _ in begins]
    for asked in range(rounds + 1):
        drawn = [np.minimum(tubes.drawn(camera, intrinsics), 1.0) for camera in cameras]
        for way, picture, camera in zip(ways, drawn, cameras, strict=True):
            way.append((_dice(picture, seen), camera))
        if asked < rounds:
            outputs = answers(np.stack([(picture, seen) for picture in drawn]).astype(np.float32))
            cameras = [
                _moved(camera, output, tubes.middle_mm, intrinsics)
                for camera, output in zip(cameras, outputs, strict=True)
            ]
    best = [max(range(rounds + 1), key=lambda asked, way=way: way[asked][0]) for way in ways]
    return [(isocentre_from_camera(way[asked][1], view), asked) for way, asked in zip(ways, best, strict=True)]


class _Tubes:
    """Evenly spaced points of a tree, drawn as `engines.rendering.splat` draws a silhouette."""

    def __init__(self, tree: CenterlineTree) -> None:
        branches = tree.resampled(STEP_MM).branches
        steps = [np.linalg.norm(np.diff(branch.points_mm, axis=0), axis=1) for branch in branches]
        self.points_mm = np.concatenate([branch.points_mm for branch in branches])
        self.middle_mm = self.points_mm.mean(axis=0)
        radius_mm = np.concatenate([np.nan_to_num(branch.radius_mm, nan=_UNKNOWN_RADIUS_MM) for branch in branches])
        length_mm = np.concatenate([0.5 * (np.append(step, 0.0) + np.append(0.0, step)) for step in steps])
        self._variance_mm2, self._area_mm2 = radius_mm**2 / 3.0, 2.0 * radius_mm * length_mm

    def drawn(self, camera_from_lps: Float[np.ndarray, "4 4"], intrinsics_px: Float[np.ndarray, "3 3"]) -> Square:
        camera = self.points_mm @ camera_from_lps[:3, :3].T + camera_from_lps[:3, 3]
        ahead = camera[:, 2] > _MIN_DEPTH_MM
        depth = np.where(ahead, camera[:, 2], 1.0)[:, None]
        pixels = camera[:, :2] / depth * intrinsics_px.diagonal()[:2] + intrinsics_px[:2, 2]
        scale = np.abs(intrinsics_px.diagonal()[:2]) / depth
        sigma = np.sqrt(SIGMA_PX**2 + self._variance_mm2[:, None] * scale**2)
        amplitude = np.where(ahead, self._area_mm2 * scale.prod(axis=1) / (2.0 * math.pi * sigma.prod(axis=1)), 0.0)
        place = np.arange(PICTURE_PX)
        columns, rows = (
            np.exp(-0.5 * ((place - pixels[:, axis, None]) / sigma[:, axis, None]) ** 2) for axis in (0, 1)
        )
        return (rows * amplitude[:, None]).T @ columns


def _moved(
    camera_from_lps: Float[np.ndarray, "4 4"],
    outputs: Float[np.ndarray, " 6"],
    pivot_lps_mm: Float[np.ndarray, " 3"],
    intrinsics_px: Float[np.ndarray, "3 3"],
) -> Float[np.ndarray, "4 4"]:
    """`CameraView.moved` of one camera."""
    pivot = camera_from_lps[:3, :3] @ pivot_lps_mm + camera_from_lps[:3, 3]
    depth = pivot[2] * np.exp(outputs[5] * DEPTH_LOG)
    place = pivot[:2] / pivot[2] + outputs[3:5] * SHIFT_WIDTHS * PICTURE_PX / intrinsics_px.diagonal()[:2]
    moved = camera_from_lps.copy()
    moved[:3, :3] = rotation_matrix(outputs[:3] * TURN_RAD) @ camera_from_lps[:3, :3]
    moved[:3, 3] = np.append(place * depth, depth) - moved[:3, :3] @ pivot_lps_mm
    return moved


def _dice(a: Square, b: Square) -> float:
    """Soft Dice with squares below, as `image_similarity.dice`."""
    size = float((a**2 + b**2).sum())
    return 0.0 if size <= 0.0 else float(2.0 * (a * b).sum()) / size
