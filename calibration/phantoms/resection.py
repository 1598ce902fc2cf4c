"""Fit the positions of source and detector to points known in space and found in a picture.

Direct linear transformation with normalised coordinates (Hartley & Zisserman, Multiple View Geometry, 2nd ed.,
algorithm 7.1), then Levenberg-Marquardt on the reprojection error of a pinhole with square or known-aspect pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import rq
from scipy.spatial.transform import Rotation

from calibration.pose import RigidPose

_PARAMETERS = 9
_HUBER_PX = 1.0
_MOST_STEPS, _CONVERGED = 60, 1e-9
_SCALE = np.array([1e-3, 1e-3, 1e-3, 1.0, 1.0, 10.0, 1e-2, 10.0, 10.0])  # scales the parameters to similar effect


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pinhole:
    """A view of the phantom.

    Args:
        camera_from_phantom: camera as in `calibration`: origin in the source, z to the detector.
        focal_px: distance from source to detector in row spacings.
        aspect: row spacing over column spacing.
        principal_point_px: (column, row).
        mirrored: whether columns run against camera x.
    """

    camera_from_phantom: RigidPose
    focal_px: float
    aspect: float
    principal_point_px: tuple[float, float]
    mirrored: bool = False

    def intrinsics_px(self) -> Float[np.ndarray, "3 3"]:
        sign = -1.0 if self.mirrored else 1.0
        column, row = self.principal_point_px
        return np.array(
            [[sign * self.focal_px * self.aspect, 0.0, column], [0.0, -self.focal_px, row], [0.0, 0.0, 1.0]]
        )

    def matrix(self) -> Float[np.ndarray, "3 4"]:
        return self.intrinsics_px() @ self.camera_from_phantom.matrix[:3]

    def project(self, points_mm: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 2"]:
        """Pixels of points; NaN for points that are not in front of the source."""
        camera = self.camera_from_phantom.apply(points_mm)
        depth = np.where(camera[:, 2] > 1.0, camera[:, 2], np.nan)
        homogeneous = camera @ self.intrinsics_px().T
        return homogeneous[:, :2] / depth[:, None]

    def source_mm(self) -> Float[np.ndarray, " 3"]:
        """Focal spot in the phantom frame."""
        return self.camera_from_phantom.inverse().translation_mm


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resection:
    """A fitted pinhole with its uncertainty.

    Args:
        residual_px: found minus projected, one row per point.
        covariance: of (rotation in the camera frame, rad; translation, mm; log focal length; principal point, px).
    """

    pinhole: Pinhole
    residual_px: Float[np.ndarray, "n 2"]
    covariance: Float[np.ndarray, "9 9"]

    @property
    def rms_px(self) -> float:
        """Root mean square of the residual's length."""
        return float(np.sqrt((self.residual_px**2).sum(axis=1).mean()))

    def sigma_of(self, quantity: Callable[[Pinhole], Float[np.ndarray, " k"]]) -> Float[np.ndarray, " k"]:
        """One sigma of any quantity computed from the pinhole, by first-order propagation."""
        steps = np.sqrt(np.diag(self.covariance)) * 0.1 + 1e-12
        start = quantity(self.pinhole)
        columns = []
        for k, step in enumerate(steps):
            change = np.zeros(_PARAMETERS)
            change[k] = step
            columns.append((quantity(_moved(self.pinhole, change)) - start) / step)
        jacobian = np.stack(columns, axis=1)
        return np.sqrt(np.clip(np.diag(jacobian @ self.covariance @ jacobian.T), 0, None))


def direct_linear(
    points_mm: Float[np.ndarray, "n 3"], points_px: Float[np.ndarray, "n 2"], *, aspect: float = 1.0
) -> Pinhole | None:
    """The pinhole in closed form from six or more points; None if they do not determine one."""
    space, normal_space = _normalised(points_mm)
    picture, normal_picture = _normalised(points_px)
    zero = np.zeros_like(space)
    rows = np.concatenate(
        [
            np.hstack([space, zero, -picture[:, :1] * space]),
            np.hstack([zero, space, -picture[:, 1:2] * space]),
        ]
    )
    _, _, vt = np.linalg.svd(rows)
    matrix = np.linalg.inv(normal_picture) @ vt[-1].reshape(3, 4) @ normal_space
    depth = np.column_stack([points_mm, np.ones(len(points_mm))]) @ matrix[2]
    if np.median(depth) < 0:
        matrix = -matrix
    return _decomposed(matrix, aspect)


def fit_pinhole(
    start: Pinhole,
    points_mm: Float[np.ndarray, "n 3"],
    points_px: Float[np.ndarray, "n 2"],
    *,
    robust: bool = False,
    most_steps: int = _MOST_STEPS,
) -> Resection:
    """Fit by Levenberg-Marquardt from a start; `robust` reduces the weight of residuals beyond a pixel (Huber).

    Raises:
        ValueError: there are fewer than five points.
    """
    if 2 * len(points_px) <= _PARAMETERS:
        raise ValueError(f"{len(points_px)} points do not determine {_PARAMETERS} parameters")
    pinhole, damping = start, 1e-3
    rest = _residual(pinhole, points_mm, points_px)
    cost = _cost(rest, robust)
    for _ in range(most_steps):
        weight = _weights(rest, robust)[:, None, None]
        jacobian = _jacobian(pinhole, points_mm) * _SCALE
        normal = (weight * jacobian).reshape(-1, _PARAMETERS).T @ jacobian.reshape(-1, _PARAMETERS)
        gradient = (weight * jacobian).reshape(-1, _PARAMETERS).T @ rest.ravel()
        change = _SCALE * np.linalg.lstsq(normal + damping * np.diag(np.diag(normal)), gradient, rcond=None)[0]
        trial = _moved(pinhole, change)
        trial_rest = _residual(trial, points_mm, points_px)
        trial_cost = _cost(trial_rest, robust)
        if not trial_cost < cost:
            damping *= 8
            if damping > 1e8:
                break
            continue
        gained = cost - trial_cost
        pinhole, rest, cost, damping = trial, trial_rest, trial_cost, max(damping / 8, 1e-12)
        if gained <= _CONVERGED * cost:
            break
    jacobian = (_jacobian(pinhole, points_mm) * _SCALE).reshape(-1, _PARAMETERS)
    variance = float((rest**2).sum()) / (rest.size - _PARAMETERS)
    covariance = variance * np.linalg.pinv(jacobian.T @ jacobian) * np.outer(_SCALE, _SCALE)
    return Resection(pinhole=pinhole, residual_px=rest, covariance=covariance)


def _residual(
    pinhole: Pinhole, points_mm: Float[np.ndarray, "n 3"], points_px: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, "n 2"]:
    return np.nan_to_num(points_px - pinhole.project(points_mm), nan=1e4)


def _weights(rest: Float[np.ndarray, "n 2"], robust: bool) -> Float[np.ndarray, " n"]:
    length = np.linalg.norm(rest, axis=1)
    return np.minimum(1.0, _HUBER_PX / np.maximum(length, 1e-12)) if robust else np.ones(len(rest))


def _cost(rest: Float[np.ndarray, "n 2"], robust: bool) -> float:
    length = np.linalg.norm(rest, axis=1)
    if not robust:
        return float((length**2).sum())
    return float(np.where(length <= _HUBER_PX, length**2, 2 * _HUBER_PX * length - _HUBER_PX**2).sum())


def _jacobian(pinhole: Pinhole, points_mm: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 2 9"]:
    """Derivative of the projected pixels by the parameters of `_moved`."""
    turned = np.asarray(points_mm) @ pinhole.camera_from_phantom.rotation.T
    camera = turned + pinhole.camera_from_phantom.translation_mm
    focal = np.diag(pinhole.intrinsics_px())[:2]
    depth = np.maximum(camera[:, 2], 1.0)
    across = camera[:, :2] / depth[:, None]
    by_camera = np.zeros((len(camera), 2, 3))
    by_camera[:, [0, 1], [0, 1]] = focal / depth[:, None]
    by_camera[:, :, 2] = -focal * across / depth[:, None]
    skew = np.zeros((len(camera), 3, 3))  # cross-product matrices of d(rotation vector) x turned
    skew[:, 0, 1], skew[:, 0, 2], skew[:, 1, 2] = turned[:, 2], -turned[:, 1], turned[:, 0]
    skew -= skew.transpose(0, 2, 1)
    jacobian = np.zeros((len(camera), 2, _PARAMETERS))
    jacobian[:, :, :3] = by_camera @ skew
    jacobian[:, :, 3:6] = by_camera
    jacobian[:, :, 6] = focal * across
    jacobian[:, [0, 1], [7, 8]] = 1.0
    return jacobian


def _moved(pinhole: Pinhole, change: Float[np.ndarray, " 9"]) -> Pinhole:
    old = pinhole.camera_from_phantom.matrix
    # Rotating about the phantom's origin keeps rotation and translation nearly independent.
    rotation = Rotation.from_rotvec(change[:3]).as_matrix()
    matrix = np.eye(4)
    matrix[:3, :3] = rotation @ old[:3, :3]
    matrix[:3, 3] = old[:3, 3] + change[3:6]
    return Pinhole(
        camera_from_phantom=RigidPose(matrix=matrix, target="camera", source="phantom"),
        focal_px=float(pinhole.focal_px * np.exp(change[6])),
        aspect=pinhole.aspect,
        principal_point_px=(pinhole.principal_point_px[0] + change[7], pinhole.principal_point_px[1] + change[8]),
        mirrored=pinhole.mirrored,
    )


def _normalised(points: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, "n e"], Float[np.ndarray, "e e"]]:
    middle = points.mean(axis=0)
    size = points.shape[1]
    spread = np.sqrt(((points - middle) ** 2).sum(axis=1).mean() / size)
    transform = np.eye(size + 1)
    transform[:size, :size] /= spread
    transform[:size, size] = -middle / spread
    return np.column_stack([points, np.ones(len(points))]) @ transform.T, transform


def _decomposed(matrix: Float[np.ndarray, "3 4"], aspect: float) -> Pinhole | None:
    """The intrinsics and pose of a projection matrix; a mirror becomes part of the intrinsics."""
    determinant = np.linalg.det(matrix[:, :3])
    if not np.isfinite(determinant) or abs(determinant) < np.finfo(float).tiny:
        return None
    # Rows run against camera y, so a picture that is not mirrored has a negative determinant.
    mirrored = determinant > 0
    upper, rotation = rq(matrix[:, :3])
    wanted = np.array([-1.0 if mirrored else 1.0, -1.0, 1.0])
    sign = np.diag(np.sign(np.diag(upper)) * wanted)
    upper, rotation = upper @ sign, sign @ rotation
    translation = np.linalg.inv(upper) @ matrix[:, 3]
    upper = upper / upper[2, 2]
    if np.linalg.det(rotation) < 0 or translation[2] <= 0 or not np.isfinite(upper).all():
        return None
    pose = np.eye(4)
    u, _, vt = np.linalg.svd(rotation)
    pose[:3, :3], pose[:3, 3] = u @ vt, translation
    focal = float(np.sqrt(abs(upper[0, 0] / aspect * upper[1, 1])))
    return Pinhole(
        camera_from_phantom=RigidPose(matrix=pose, target="camera", source="phantom"),
        focal_px=focal,
        aspect=aspect,
        principal_point_px=(float(upper[0, 2]), float(upper[1, 2])),
        mirrored=bool(mirrored),
    )
