"""A vessel tree that has moved smoothly since its model was made, and an exact mask of where it is now."""

from dataclasses import dataclass, replace

import numpy as np

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.anatomy.vessel_model import CenterlineTree, VesselModel
from engines.evaluation.deformation.drawn_motion import smooth_motion, tubes
from engines.registration.motion.deform_basis import Deformation, influence_of
from engines.registration.registration import Registration, RegistrationBackend
from engines.registration.view import RegistrationView
from tests.engines.registration.vessel_bed import bed


@dataclass(frozen=True, kw_only=True)
class MovingBed:
    model: VesselModel
    moved_mm: np.ndarray
    geometry: CArmGeometry
    pose: RigidPose
    view: RegistrationView

    def errors_mm(self, deformation: Deformation | None) -> np.ndarray:
        """Distance of every shown point from where it is seen now, in the isocentre plane."""
        points = self.model.centerlines.points_mm()
        projection = self.geometry.projection(self.pose)
        if deformation is not None:
            points_now = points + deformation.offsets_mm(influence_of(deformation.knots_mm, points))
        else:
            points_now = points
        true, _ = projection.project(self.moved_mm)
        here, _ = projection.project(points_now)
        rows, columns = self.view.vessel.shape
        seen = ((true > 0) & (true < (columns - 1, rows - 1))).all(axis=1)
        return np.linalg.norm(here - true, axis=1)[seen] * self.geometry.isocentre_mm_per_px

    def registration(self, status="accepted") -> Registration:
        return Registration(
            case="bed",
            views=(),
            isocentre_from_lps=self.pose,
            status=status,
            confidence=0.97,
            expected_error_mm=0.5,
            depth_sigma_mm=5.0,
            reasons=(),
            stages=(),
            elapsed_ms=0.0,
            backend=RegistrationBackend(render="", inference="", device="cpu"),
        )


def moving_bed(seed: int, *, size_mm: float, missing: tuple[int, ...] = ()) -> MovingBed:
    """`size_mm` is the root mean square of the motion within the picture's plane; `missing` branches do not fill."""
    rigid = bed(seed, missing=0.0, false_curves=0)
    tree = rigid.model.centerlines
    rng = np.random.default_rng([seed, 7])
    motion = smooth_motion(rng, tree.points_mm())
    axes = rigid.geometry.camera_from_isocentre().rotation[:2] @ rigid.pose.rotation
    motion = motion * (size_mm / np.sqrt(((motion @ axes.T) ** 2).sum(axis=1).mean()))
    moved = tree.points_mm() + motion
    splits = np.cumsum([len(branch.points_mm) for branch in tree.branches])[:-1]
    now = CenterlineTree(
        branches=tuple(replace(b, points_mm=p) for b, p in zip(tree.branches, np.split(moved, splits), strict=True))
    )
    shown = CenterlineTree(branches=tuple(b for i, b in enumerate(now.branches) if i not in missing))
    mask = tubes(shown, rigid.geometry.projection(rigid.pose))
    return MovingBed(
        model=rigid.model,
        moved_mm=moved,
        geometry=rigid.geometry,
        pose=rigid.pose,
        view=replace(rigid.view, vessel=mask),
    )
