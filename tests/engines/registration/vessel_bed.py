"""A small vessel tree, its exact pose and a messy mask of it: branches missing, a false curve, ragged edges."""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from calibration.projection import Projection
from engines.anatomy.vessel_model import Branch, CenterlineTree, VesselModel
from engines.registration.view import RegistrationView


@dataclass(frozen=True, kw_only=True)
class Bed:
    model: VesselModel
    geometry: CArmGeometry
    pose: RigidPose
    view: RegistrationView

    def error_mm(self, pose: RigidPose) -> float:
        points = self.model.centerlines.points_mm()
        here, _ = self.geometry.projection(pose).project(points)
        true, _ = self.geometry.projection(self.pose).project(points)
        return float(np.linalg.norm(here - true, axis=1).mean() * self.geometry.isocentre_mm_per_px)

    def moved(self, seed: int, *, deg: float, mm: float, depth_mm: float) -> RigidPose:
        rng = np.random.default_rng(seed)
        pivot = self.model.centroid_mm()
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_rotvec(np.deg2rad(rng.normal(0, deg, 3))).as_matrix() @ self.pose.rotation
        camera = rng.normal(0, 1, 3) * (mm, mm, depth_mm)
        there = self.pose.apply(pivot[None])[0] + self.geometry.camera_from_isocentre().rotation.T @ camera
        matrix[:3, 3] = there - matrix[:3, :3] @ pivot
        return RigidPose(matrix=matrix, target="isocentre", source="lps")


def bed(seed: int, *, missing: float = 0.25, false_curves: int = 1, only_root: int | None = None, **geometry) -> Bed:
    """`only_root` draws one of the two trees alone; `geometry` overrides the C-arm's values."""
    rng = np.random.default_rng(seed)
    model = _model(rng)
    shown = {
        "primary_rad": np.deg2rad(rng.uniform(-40, 40)),
        "secondary_rad": np.deg2rad(rng.uniform(-25, 25)),
        "sid_mm": 1000.0,
        "sod_mm": 740.0,
        "column_spacing_mm": 0.39,
        "row_spacing_mm": 0.39,
        "shape_px": (512, 512),
        "principal_point_px": (255.5, 255.5),
    } | geometry
    arm = CArmGeometry(**shown)
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(np.deg2rad(rng.normal(0, 4, 3))).as_matrix()
    matrix[:3, 3] = rng.normal(0, 12, 3) - matrix[:3, :3] @ model.centroid_mm()
    pose = RigidPose(matrix=matrix, target="isocentre", source="lps")
    mask = _drawn(model, arm.projection(pose), rng, missing, false_curves, only_root)
    view = RegistrationView(file="run.dcm", sop_instance_uid="1.2.3", frame=4, geometry=arm, vessel=mask)
    return Bed(model=model, geometry=arm, pose=pose, view=view)


def _model(rng: np.random.Generator) -> VesselModel:
    branches: list[Branch] = []

    def grow(start, heading, length_mm, radius_mm, level, parent):
        count = max(8, int(length_mm / 1.5))
        points, bend = [start], rng.normal(0, 0.05, 3)
        heading = heading / np.linalg.norm(heading)
        for _ in range(count):
            bend = 0.93 * bend + rng.normal(0, 0.02, 3)
            heading = (heading + bend) / np.linalg.norm(heading + bend)
            points.append(points[-1] + heading * length_mm / count)
        here = len(branches)
        radius = np.linspace(radius_mm, 0.7 * radius_mm, len(points))
        branches.append(Branch(points_mm=np.array(points), radius_mm=radius, name=f"b{here}", parent=parent))
        for _ in range((4, 2, 0)[level]):
            at = points[rng.integers(count // 5, count - 1)]
            grow(
                at, heading + rng.normal(0, 1, 3), length_mm * rng.uniform(0.4, 0.8), radius_mm * 0.65, level + 1, here
            )

    offset = rng.normal(0, 100, 3)
    grow(offset, rng.normal(0, 1, 3), 60, 1.8, 0, -1)
    grow(offset + np.array([8.0, 3.0, 2.0]), rng.normal(0, 1, 3), 70, 1.7, 0, -1)
    return VesselModel(centerlines=CenterlineTree(branches=tuple(branches)))


def _root(model: VesselModel, index: int) -> int:
    while model.centerlines.branches[index].parent >= 0:
        index = model.centerlines.branches[index].parent
    return index


def _drawn(model: VesselModel, projection: Projection, rng, missing, false_curves, only_root) -> np.ndarray:
    mask = np.zeros(projection.shape_px, np.float32)
    roots = sorted({_root(model, i) for i in range(len(model.centerlines.branches))})
    for index, branch in enumerate(model.centerlines.branches):
        lost = branch.parent >= 0 and rng.uniform() < missing
        if lost or (only_root is not None and _root(model, index) != roots[only_root]):
            continue
        px, depth = projection.project(branch.points_mm)
        px = px + rng.normal(0, 0.4, px.shape)
        width = np.maximum(1, np.rint(2 * branch.radius_mm * abs(projection.intrinsics_px[0, 0]) / depth)).astype(int)
        at = np.rint(px * 16).astype(int)
        for k in range(len(at) - 1):
            cv2.line(mask, at[k].tolist(), at[k + 1].tolist(), 1.0, int(width[k]), shift=4)
    for _ in range(false_curves):
        at, heading, line = rng.uniform(60, 450, 2), rng.uniform(0, 6.28), []
        for _ in range(30):
            heading += rng.normal(0, 0.15)
            at = at + 6 * np.array([np.cos(heading), np.sin(heading)])
            line.append(at)
        cv2.polylines(mask, [np.rint(np.array(line)).astype(np.int32)[:, None]], False, 1.0, 5)
    return mask
