"""An aortic arch is nearly a tube: its outline determines its turn about its axis and its shift along it."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.anatomy.surface import surface_from_labels
from engines.anatomy.vessel_model import Branch, CenterlineTree, LabelVolume, VesselModel
from engines.evaluation.segmentation.phantom_pictures import silhouette
from engines.registration.engine import register
from engines.registration.initial_pose import start_near
from engines.registration.view import RegistrationView

RADIUS_MM, VOXEL_MM = 12.0, 2.0
GEOMETRY = CArmGeometry(
    primary_rad=np.deg2rad(30.0),
    secondary_rad=0.0,
    sid_mm=1050.0,
    sod_mm=750.0,
    column_spacing_mm=0.55,
    row_spacing_mm=0.55,
    shape_px=(512, 512),
    principal_point_px=(255.5, 255.5),
)
POSE = RigidPose.from_rotation_vector(
    np.deg2rad([3.0, -2.0, 4.0]), np.array([5.0, -8.0, 10.0]), target="isocentre", source="lps"
)


def _line_mm() -> np.ndarray:
    """An arch that goes up, over from front right to back left, and down; it does not lie in a plane."""
    turn = np.linspace(0.0, np.pi, 60)
    over = np.column_stack([30 * np.cos(turn) + 4 * np.sin(2 * turn), -22 * np.cos(turn), 30 * np.sin(turn) + 40])
    up = np.column_stack([np.full(25, 30.0), np.full(25, -22.0), np.linspace(0, 39, 25)])
    down = np.column_stack([np.full(60, -30.0), np.full(60, 22.0), np.linspace(39, -70, 60)])
    return np.concatenate([up, over, down])


@pytest.fixture(scope="module")
def arch():
    line = _line_mm()
    low = line.min(axis=0) - RADIUS_MM - 2 * VOXEL_MM
    shape = np.ceil((line.max(axis=0) + RADIUS_MM + 2 * VOXEL_MM - low) / VOXEL_MM).astype(int)
    centres = np.stack(np.meshgrid(*[np.arange(size) for size in shape], indexing="ij"), axis=-1) * VOXEL_MM + low
    away = np.asarray(KDTree(line).query(centres)[0])
    lps_from_index = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    lps_from_index[:3, 3] = low
    labels = LabelVolume(labels=(away <= RADIUS_MM).astype(np.uint8), lps_from_index=lps_from_index)
    branch = Branch(points_mm=line, radius_mm=np.full(len(line), RADIUS_MM), vessel_class="aorta", name="aorta")
    model = VesselModel(centerlines=CenterlineTree(branches=(branch,)), surface=surface_from_labels(labels))
    return model, _view(model, POSE)


def _view(model: VesselModel, pose: RigidPose) -> RegistrationView:
    assert model.surface is not None
    mask = silhouette(model.surface, GEOMETRY.projection(pose))
    return RegistrationView(
        file="run.dcm", sop_instance_uid="", frame=0, geometry=GEOMETRY, vessel=mask.astype(np.float32)
    )


def _error_mm(model: VesselModel, pose: RigidPose) -> float:
    points = model.centerlines.points_mm()
    here, there = (GEOMETRY.projection(p).project(points)[0] for p in (pose, POSE))
    return float(np.linalg.norm(here - there, axis=1).mean() * GEOMETRY.isocentre_mm_per_px)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_arch_is_found_from_ten_degrees_away(arch, seed):
    model, view = arch
    rng = np.random.default_rng(seed)
    matrix = POSE.matrix.copy()
    matrix[:3, :3] = Rotation.from_rotvec(np.deg2rad(rng.choice([-1, 1], 3) * 7.0)).as_matrix() @ matrix[:3, :3]
    matrix[:3, 3] += rng.normal(0, 10, 3)
    start = RigidPose(matrix=matrix, target="isocentre", source="lps")
    found = register([view], model, case_id="x", init=start_near(start))
    assert _error_mm(model, start) > 5.0
    assert _error_mm(model, found.isocentre_from_lps) < 1.0


def test_a_mask_drawn_too_wide_hardly_moves_the_arch(arch):
    model, view = arch
    wide = cv2.dilate(view.vessel, np.ones((5, 5), np.uint8))
    found = register([replace(view, vessel=wide)], model, case_id="x", init=start_near(POSE))
    assert _error_mm(model, found.isocentre_from_lps) < 1.0


def test_a_model_without_a_surface_is_matched_by_its_radii_less_well(arch):
    model, view = arch
    bare = VesselModel(centerlines=model.centerlines)
    found = register([view], bare, case_id="x", init=start_near(POSE))
    assert _error_mm(model, found.isocentre_from_lps) < 3.0
