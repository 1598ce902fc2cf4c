"""The pinhole projection of an X-ray view: LPS millimetres to pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from calibration.pose import RigidPose

_MIN_DEPTH_MM = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Projection:
    """Maps points of the patient to pixels of a picture.

    Args:
        intrinsics_px: 3x3; focal lengths (signed: a mirrored axis is negative) and principal point in pixels.
        camera_from_lps: pose of the camera (origin in the source, z along the central ray to the detector).
        shape_px: (rows, columns) of the picture.
    """

    intrinsics_px: Float[np.ndarray, "3 3"]
    camera_from_lps: RigidPose
    shape_px: tuple[int, int]

    def __post_init__(self) -> None:
        intrinsics = np.array(self.intrinsics_px, dtype=np.float64)
        intrinsics.flags.writeable = False
        object.__setattr__(self, "intrinsics_px", intrinsics)

    def matrix(self) -> Float[np.ndarray, "3 4"]:
        """`projection_px_from_lps_mm` of CONTRACT files: homogeneous (column, row, 1) from (x, y, z, 1)."""
        return self.intrinsics_px @ self.camera_from_lps.matrix[:3]

    def project(self, points_mm: Float[np.ndarray, "n 3"]) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"]]:
        """Pixels (column, row) and depth from the source in mm; points at or behind the source become NaN."""
        camera = self.camera_from_lps.apply(points_mm)
        depth_mm = camera[:, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            normalised = camera[:, :2] / np.where(depth_mm > _MIN_DEPTH_MM, depth_mm, np.nan)[:, None]
        return normalised @ self.intrinsics_px[:2, :2].T + self.intrinsics_px[:2, 2], depth_mm

    def back_project(
        self, points_px: Float[np.ndarray, "n 2"], depth_mm: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, "n 3"]:
        """LPS points at the given depths (camera z) along the rays through pixels."""
        points_px = np.asarray(points_px, dtype=np.float64)
        homogeneous = np.column_stack([points_px, np.ones(len(points_px))])
        rays = homogeneous @ np.linalg.inv(self.intrinsics_px).T
        return self.camera_from_lps.inverse().apply(rays * np.asarray(depth_mm)[:, None])

    def with_camera(self, camera_from_lps: RigidPose) -> Projection:
        return Projection(intrinsics_px=self.intrinsics_px, camera_from_lps=camera_from_lps, shape_px=self.shape_px)

    def resized(self, shape_px: tuple[int, int]) -> Projection:
        """The same view for a picture resampled to (rows, columns) with its edges in place."""
        scale_row, scale_column = shape_px[0] / self.shape_px[0], shape_px[1] / self.shape_px[1]
        # Pixel edges stay and centres move, so (c + 1/2) scales, not c.
        resample = np.array(
            [
                [scale_column, 0.0, 0.5 * scale_column - 0.5],
                [0.0, scale_row, 0.5 * scale_row - 0.5],
                [0.0, 0.0, 1.0],
            ]
        )
        return Projection(
            intrinsics_px=resample @ self.intrinsics_px, camera_from_lps=self.camera_from_lps, shape_px=shape_px
        )


def camera_from_projection_matrix(
    matrix: Float[np.ndarray, "3 4"], intrinsics_px: Float[np.ndarray, "3 3"]
) -> RigidPose:
    """The camera pose of a 3x4 projection, given the frame's intrinsics.

    The matrix may have any overall scale or sign. The rotation is the nearest proper one.

    Raises:
        ValueError: no rigid camera with these intrinsics explains the matrix (another picture size or SID).
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    if matrix.shape != (3, 4) or not np.isfinite(matrix).all():
        raise ValueError(f"a projection is a finite 3x4 matrix, found shape {matrix.shape}")
    camera = np.linalg.inv(intrinsics_px) @ matrix
    determinant = np.linalg.det(camera[:, :3])
    if abs(determinant) < np.finfo(float).tiny:
        raise ValueError("the projection is degenerate: its left 3x3 block is singular")
    camera /= np.cbrt(determinant)
    u, scales, vt = np.linalg.svd(camera[:, :3])
    if np.ptp(scales) > 0.05:
        raise ValueError(
            "the projection does not fit this frame's intrinsics: its axes are scaled by "
            f"{scales.min():.3f} to {scales.max():.3f} (is it for another picture size, spacing or SID?)"
        )
    pose = np.eye(4)
    pose[:3, :3] = u @ vt
    pose[:3, 3] = camera[:, 3]
    return RigidPose(matrix=pose, target="camera", source="lps")
