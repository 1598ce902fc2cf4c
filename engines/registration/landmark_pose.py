"""A pose from pairs that a person set: a point of the model, and its place in the picture.

A robust perspective-n-point problem: OpenCV's closed form (SQPnP, Terzakis and Lourakis 2020) and the pose before are
both refined with a loss that a single bad pair cannot dominate. Few points in a narrow beam hardly tell depth and tilt,
so a weak prior keeps those near where they were.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from calibration.pose import RigidPose

LEAST_PAIRS = 3
DISAGREE_MM = 4.0  # in the isocentre plane; a click is good to 1 mm, a moving vessel to 2
_COLLINEAR_SHARE = 0.12  # of the longest spread; below it turns about that line are free
_COLLINEAR_MM = 4.0
_TURNED_RAD = np.deg2rad(45.0)  # a patient on the table does not turn further: a pair is mistaken
_SOFT_MM = 1.5
# Of the pose before: wide enough that pairs which tell better overrule it at once.
_PRIOR_TURN_RAD, _PRIOR_IN_PLANE_MM, _PRIOR_DEPTH_MM = np.deg2rad(15.0), 200.0, 40.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LandmarkPose:
    """Args:
    isocentre_from_lps: the pose.
    residuals_mm: (n,) of each pair in the isocentre plane.
    """

    isocentre_from_lps: RigidPose
    residuals_mm: Float[np.ndarray, " n"]


def pose_from_landmarks(
    points_lps_mm: Float[np.ndarray, "n 3"],
    places_px: Float[np.ndarray, "n 2"],
    geometry: CArmGeometry,
    start: RigidPose,
) -> LandmarkPose:
    """The pose that brings the points to their places.

    Args:
        start: isocentre_from_lps before.

    Raises:
        InputError: too few pairs, nearly on one line, or pairs that disagree.
    """
    points, places = np.asarray(points_lps_mm, dtype=np.float64), np.asarray(places_px, dtype=np.float64)
    if len(points) < LEAST_PAIRS:
        raise InputError(f"{len(points)} landmark pairs: a pose needs {LEAST_PAIRS}; set more")
    _refuse_one_line(points)
    problem = _Problem(points, places, geometry, start)
    solved = min((problem.refined(at) for at in problem.starts()), key=lambda found: found.cost)
    pose = problem.pose(solved.x)
    away_mm = np.hypot(*problem.offsets_mm(solved.x))
    turned = float(Rotation.from_matrix(pose.rotation @ start.rotation.T).magnitude())
    if turned > _TURNED_RAD:
        raise InputError(
            f"the landmark pairs turn the model by {np.rad2deg(turned):.0f} degrees: one is mistaken; set it anew"
        )
    worst = int(away_mm.argmax())
    if away_mm[worst] > DISAGREE_MM:
        raise InputError(
            f"the landmark pairs disagree: pair {worst + 1} is {away_mm[worst]:.1f} mm off; set it anew or remove it"
        )
    return LandmarkPose(isocentre_from_lps=pose, residuals_mm=away_mm)


def _refuse_one_line(points_mm: Float[np.ndarray, "n 3"]) -> None:
    spread = np.linalg.svd(points_mm - points_mm.mean(axis=0), compute_uv=False) / np.sqrt(len(points_mm))
    if spread[1] < max(_COLLINEAR_SHARE * spread[0], _COLLINEAR_MM):
        raise InputError("the landmarks lie nearly on one line: set one well beside it")


class _Problem:
    """In the camera's axes: a turn about the points' middle and its place, as six numbers scaled to the prior."""

    def __init__(
        self,
        points_mm: Float[np.ndarray, "n 3"],
        places_px: Float[np.ndarray, "n 2"],
        geometry: CArmGeometry,
        start: RigidPose,
    ) -> None:
        self._arm = geometry.camera_from_isocentre()
        intrinsics, self._sod_mm = geometry.intrinsics_px(), geometry.sod_mm
        self._rays = (places_px - intrinsics[:2, 2]) / np.diag(intrinsics)[:2]
        self._middle = points_mm.mean(axis=0)
        self._around = points_mm - self._middle
        camera = self._arm @ start
        self._rotation, self._place = camera.rotation, camera.apply(self._middle[None])[0]
        self._scale = np.array([*[_PRIOR_TURN_RAD] * 3, _PRIOR_IN_PLANE_MM, _PRIOR_IN_PLANE_MM, _PRIOR_DEPTH_MM])

    def starts(self) -> list[Float[np.ndarray, " 6"]]:
        found = [np.zeros(6)]
        solved, turn, place = cv2.solvePnP(
            self._around, self._rays, np.eye(3), np.zeros(4), flags=cv2.SOLVEPNP_SQPNP
        )  # fmt: skip
        rotation = np.asarray(cv2.Rodrigues(turn)[0]) if solved else self._rotation
        if solved and float(place[2, 0]) > 0.0:
            turned = Rotation.from_matrix(rotation @ self._rotation.T).as_rotvec()
            found.append(np.concatenate([turned, place[:, 0] - self._place]) / self._scale)
        return found

    def refined(self, start: Float[np.ndarray, " 6"]):
        return least_squares(self._residuals, start, loss="soft_l1", x_scale=1.0, max_nfev=200)

    def offsets_mm(self, values: Float[np.ndarray, " 6"]) -> tuple[np.ndarray, np.ndarray]:
        rotation, place = self._camera(values)
        camera = self._around @ rotation.T + place
        depth = np.maximum(camera[:, 2], 1.0)
        off = (camera[:, :2] / depth[:, None] - self._rays) * self._sod_mm
        return off[:, 0], off[:, 1]

    def pose(self, values: Float[np.ndarray, " 6"]) -> RigidPose:
        rotation, place = self._camera(values)
        matrix = np.eye(4)
        matrix[:3, :3] = rotation
        matrix[:3, 3] = place - rotation @ self._middle
        return self._arm.inverse() @ RigidPose(matrix=matrix, target="camera", source="lps")

    def _camera(self, values: Float[np.ndarray, " 6"]) -> tuple[np.ndarray, np.ndarray]:
        scaled = values * self._scale
        return Rotation.from_rotvec(scaled[:3]).as_matrix() @ self._rotation, self._place + scaled[3:]

    def _residuals(self, values: Float[np.ndarray, " 6"]) -> Float[np.ndarray, " m"]:
        across, down = self.offsets_mm(values)
        return np.concatenate([across / _SOFT_MM, down / _SOFT_MM, values])
