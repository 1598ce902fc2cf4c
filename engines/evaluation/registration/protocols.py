"""The starts of an evaluation, and named spreads of starts, so that figures of different days are comparable."""

from __future__ import annotations

import difflib

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from calibration.pose import RigidPose
from engines.anatomy.vessel_model import VesselModel
from engines.evaluation.registration.metrics import box_corners_mm, projection_error_mm
from engines.evaluation.registration.subject import DrawnStart, StartSpread, Subject, drawn_start, turned_and_moved
from engines.registration.initial_pose import radiological_start, start_near

# Downs et al. 2025: initial offsets with a mean of 26 px, stated as 22.7 mm, and a 95th percentile of 55 px.
PAPER_MM_PER_PX = 22.7 / 26.0
# A gamma distribution of this shape has that mean and that percentile (54.6 px).
_PAPER_SHAPE = 3.0
_PAPER_MEAN_MM = 22.7
# Only the proportions count: by the paper, heads are off more along anterior-posterior than superior-inferior.
_PAPER_TURN_DEG = (10.0, 6.0, 6.0)
_PAPER_MOVE_MM = (18.0, 30.0, 18.0)

PROTOCOLS: dict[str, StartSpread] = {
    # Segmentations are the network's, with all their faults. Each offset is uniform up to these limits.
    "messy": StartSpread(rotation_deg=10.0, in_plane_mm=10.0, depth_mm=20.0, distribution="uniform"),
    "paper001": StartSpread(rotation_deg=0.0, in_plane_mm=_PAPER_MEAN_MM, depth_mm=0.0, distribution="paper001"),
}


def protocol_named(name: str) -> StartSpread:
    """The spread of a protocol.

    Raises:
        InputError: there is no such protocol.
    """
    if name not in PROTOCOLS:
        near = difflib.get_close_matches(name, PROTOCOLS, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else "choose one of them"
        raise InputError(f"--protocol {name}: there are {', '.join(PROTOCOLS)}; {hint}")
    return PROTOCOLS[name]


def starts_of(
    subject: Subject, count: int, spread: StartSpread, rng: np.random.Generator, *, header: bool = True
) -> list[DrawnStart]:
    """The header's start, if asked for, and `count` drawn starts; the same for every method."""
    true, geometry = subject.true_isocentre_from_lps, subject.view.geometry
    poses = (drawn_pose(true, subject.model, geometry, spread, rng) for _ in range(count))
    drawn = [DrawnStart(number=number, init=start_near(pose)) for number, pose in enumerate(poses)]
    return [DrawnStart(number=-1, init=radiological_start()), *drawn] if header else drawn


def drawn_pose(
    true: RigidPose, model: VesselModel, geometry: CArmGeometry, spread: StartSpread, rng: np.random.Generator
) -> RigidPose:
    """A start drawn around the true pose with this spread; the model needs centerlines."""
    if spread.distribution == "paper001":
        assert model.centerlines is not None
        return _paper_start(true, model.centerlines.points_mm(), model.centroid_mm(), geometry, rng)
    return drawn_start(true, model.centroid_mm(), geometry, spread, rng)


def _paper_start(
    true: RigidPose,
    points_lps_mm: Float[np.ndarray, "n 3"],
    pivot_mm: Float[np.ndarray, " 3"],
    geometry: CArmGeometry,
    rng: np.random.Generator,
) -> RigidPose:
    """An offset about the patient's axes, scaled to an MPE drawn from the paper's distribution."""
    wanted_mm = rng.gamma(_PAPER_SHAPE, _PAPER_MEAN_MM / _PAPER_SHAPE)
    turn_rad = true.rotation @ np.deg2rad(rng.normal(size=3) * _PAPER_TURN_DEG)
    move = true.rotation @ (rng.normal(size=3) * _PAPER_MOVE_MM)
    corners, reference = box_corners_mm(points_lps_mm), geometry.projection(true)

    def scaled(by: float) -> RigidPose:
        return turned_and_moved(true, pivot_mm, Rotation.from_rotvec(by * turn_rad).as_matrix(), by * move)

    low, high = 0.0, 8.0
    for _ in range(18):
        middle = 0.5 * (low + high)
        off_mm = projection_error_mm(geometry.projection(scaled(middle)), reference, corners, geometry)
        low, high = (middle, high) if off_mm < wanted_mm else (low, middle)
    return scaled(low)
