"""An aorta-like arch with a false lumen along it and a branch; contrast in the true lumen alone, seen from one side."""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.anatomy.vessel_model import Branch, CenterlineTree, LabelVolume, VesselModel
from engines.registration.view import RegistrationView

VOXEL_MM = 1.5
NAMES = {1: "aorta", 2: "aorta_false_lumen", 3: "brachiocephalic_trunk"}


@dataclass(frozen=True, kw_only=True)
class FilledBed:
    model: VesselModel
    geometry: CArmGeometry
    pose: RigidPose
    view: RegistrationView

    def error_mm(self, pose: RigidPose) -> float:
        points = self.model.centerlines.points_mm()
        here, _ = self.geometry.projection(pose).project(points)
        true, _ = self.geometry.projection(self.pose).project(points)
        return float(np.linalg.norm(here - true, axis=1).mean() * self.geometry.isocentre_mm_per_px)

    def moved(self, *, turn_deg: tuple[float, float, float], move_mm: tuple[float, float, float]) -> RigidPose:
        pivot = self.model.centerlines.points_mm().mean(axis=0)
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_rotvec(np.deg2rad(turn_deg)).as_matrix() @ self.pose.rotation
        there = self.pose.apply(pivot[None])[0] + self.geometry.camera_from_isocentre().rotation.T @ np.array(move_mm)
        matrix[:3, 3] = there - matrix[:3, :3] @ pivot
        return RigidPose(matrix=matrix, target="isocentre", source="lps")


def filled_bed(*, noise: float = 0.0, filled: tuple[int, ...] = (1, 3), seed: int = 0) -> FilledBed:
    """`filled` are the structures that hold contrast; `noise` is its share of the strongest contrast."""
    model = _model()
    geometry = CArmGeometry(
        primary_rad=np.deg2rad(35.0),
        secondary_rad=np.deg2rad(5.0),
        sid_mm=1050.0,
        sod_mm=740.0,
        column_spacing_mm=0.6,
        row_spacing_mm=0.6,
        shape_px=(400, 400),
        principal_point_px=(199.5, 199.5),
    )
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(np.deg2rad([2.0, -3.0, 1.5])).as_matrix()
    matrix[:3, 3] = np.array([4.0, -6.0, 5.0]) - matrix[:3, :3] @ model.centerlines.points_mm().mean(axis=0)
    pose = RigidPose(matrix=matrix, target="isocentre", source="lps")
    contrast = _thickness(model.labels, geometry, pose, filled)
    rng = np.random.default_rng(seed)
    contrast = contrast + noise * contrast.max() * rng.normal(size=contrast.shape)
    view = RegistrationView(
        file="run.dcm",
        sop_instance_uid="1.2.3",
        frame=7,
        geometry=geometry,
        vessel=np.clip(contrast / (0.2 * contrast.max() + 1e-9), 0.0, 1.0).astype(np.float32),
        contrast=contrast.astype(np.float32),
        branch_classes=("aorta", "artery"),
    )
    return FilledBed(model=model, geometry=geometry, pose=pose, view=view)


def _model() -> VesselModel:
    shape = np.array([90, 70, 110])
    grid = np.stack(np.meshgrid(*(np.arange(size) for size in shape), indexing="ij"), axis=-1) * VOXEL_MM
    angle = np.linspace(0.0, np.pi, 40)
    arch = np.column_stack([65 + 28 * np.cos(angle), 50 + 14 * np.cos(angle), 105 + 28 * np.sin(angle)])
    down = np.column_stack([np.full(40, 37.0), np.full(40, 36.0) + np.linspace(0, 16, 40), np.linspace(105, 12, 40)])
    up = np.column_stack([np.full(15, 93.0), np.full(15, 64.0), np.linspace(70, 105, 15)])
    true = np.concatenate([up, arch, down])
    false = np.column_stack([down[:, 0] - 15.0, down[:, 1] - 6.0, down[:, 2]])
    branch = np.column_stack([np.linspace(80, 92, 15), np.linspace(58, 52, 15), np.linspace(130, 160, 15)])
    labels = np.zeros(shape, np.uint8)
    for value, line, radius in ((2, false, 10.0), (1, true, 11.0), (3, branch, 4.5)):
        near = np.full(tuple(shape), np.inf)
        for point in line:
            near = np.minimum(near, ((grid - point) ** 2).sum(axis=-1))
        labels[(near <= radius**2) & (labels != 1)] = value
    branches = tuple(
        Branch(points_mm=line, radius_mm=np.full(len(line), radius), name=NAMES[value], vessel_class=kind)
        for value, line, radius, kind in (
            (1, true, 11.0, "aorta"),
            (2, false, 10.0, "aorta"),
            (3, branch, 4.5, "artery"),
        )
    )
    volume = LabelVolume(labels=labels, lps_from_index=np.diag([VOXEL_MM] * 3 + [1.0]), names=NAMES)
    return VesselModel(centerlines=CenterlineTree(branches=branches), labels=volume)


def _thickness(labels: LabelVolume, geometry: CArmGeometry, pose: RigidPose, filled: tuple[int, ...]) -> np.ndarray:
    """Every voxel split in eight and drawn where it projects."""
    index = np.argwhere(np.isin(labels.labels, filled)).astype(float)
    offsets = np.stack(np.meshgrid(*[[-0.25, 0.25]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    fine = (index[:, None] + offsets).reshape(-1, 3) * VOXEL_MM
    picture = np.zeros(geometry.shape_px)
    if len(fine):
        px, _ = geometry.projection(pose).project(fine)
        column, row = np.rint(px).astype(int).T
        rows, columns = geometry.shape_px
        seen = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
        np.add.at(picture, (row[seen], column[seen]), 1.0)
    return cv2.GaussianBlur(picture, (0, 0), 1.5)
