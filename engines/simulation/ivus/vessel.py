"""An invented coronary artery on an invented heart: lumen, wall, plaque, calcium and side branches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter

from engines.anatomy.centerlines.moving_frame import MovingFrame, moving_frame
from engines.simulation.ivus.physics import smooth_noise

STEP_MM = 0.25
ANGLES = 96  # of the wall's maps
_HEART_MM = np.array([45.0, 40.0, 55.0])  # half axes of the epicardium


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SideBranch:
    """A tube that leaves the artery.

    Args:
        arc_mm: of the artery where its axis starts.
        azimuth_rad: about the artery, from u towards v.
        points_mm: its axis from the artery's middle outwards.
        radius_mm: along it.
    """

    arc_mm: float
    azimuth_rad: float
    points_mm: Float[np.ndarray, "n 3"]
    radius_mm: Float[np.ndarray, " n"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calcium:
    arc_mm: float
    length_mm: float
    azimuth_rad: float
    width_rad: float
    depth_mm: float
    thickness_mm: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Vessel:
    """The artery from its ostium outwards.

    Args:
        frame: of its axis; arc length from the ostium.
        lumen_mm, wall_mm: radius of the lumen and of the external elastic membrane by (arc, angle from u towards v).
        branches, calcium: what leaves it and what lies in its wall.
    """

    frame: MovingFrame
    lumen_mm: Float[np.ndarray, "n a"]
    wall_mm: Float[np.ndarray, "n a"]
    branches: tuple[SideBranch, ...]
    calcium: tuple[Calcium, ...]

    def radii(
        self, arc_mm: Float[np.ndarray, " m"], angle_rad: Float[np.ndarray, " m"]
    ) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
        """Lumen and outer radius at places along and about the artery."""
        from scipy.ndimage import map_coordinates

        row = np.clip((arc_mm - self.frame.arc_mm[0]) / STEP_MM, 0, len(self.lumen_mm) - 1)
        column = np.mod(angle_rad, 2 * np.pi) / (2 * np.pi) * ANGLES
        at = np.stack([row, column])
        padded = [np.concatenate([grid, grid[:, :1]], axis=1) for grid in (self.lumen_mm, self.wall_mm)]
        lumen, wall = (map_coordinates(grid, at, order=1, mode="nearest") for grid in padded)
        return lumen, wall

    def calcified(
        self, arc_mm: Float[np.ndarray, " m"], angle_rad: Float[np.ndarray, " m"], beyond_lumen_mm: np.ndarray
    ) -> Bool[np.ndarray, " m"]:
        """Which places lie within a calcification."""
        found = np.zeros(arc_mm.shape, dtype=bool)
        for piece in self.calcium:
            along = (arc_mm - piece.arc_mm) / (piece.length_mm / 2)
            turn = np.angle(np.exp(1j * (angle_rad - piece.azimuth_rad))) / (piece.width_rad / 2)
            depth = beyond_lumen_mm - piece.depth_mm
            found |= (along**2 + turn**2 < 1.0) & (depth > 0) & (depth < piece.thickness_mm)
        return found


def outward_mm(points_mm: Float[np.ndarray, "m 3"], centre_mm: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " m"]:
    """About how far outside the epicardium a place is."""
    scaled = (points_mm - centre_mm) / _HEART_MM
    size = np.linalg.norm(scaled, axis=1)
    return (size - 1.0) * float(_HEART_MM.mean())


def draw_vessel(rng: np.random.Generator, centre_mm: Float[np.ndarray, " 3"], *, poor: bool, rich: bool) -> Vessel:
    """One artery.

    Args:
        centre_mm: of the heart.
        poor: hardly any landmark.
        rich: more landmarks than usual.
    """
    frame = _course(rng, centre_mm)
    count = len(frame.arc_mm)
    branches, lumen = _branches_and_size(rng, frame, centre_mm, poor=poor, rich=rich)
    angle = np.arange(ANGLES) * 2 * np.pi / ANGLES
    lumen = lumen * np.exp(0.08 * smooth_noise(rng, count, STEP_MM, 4.0))
    lumen = lumen * _narrowings(rng, frame.arc_mm)
    oval = 0.07 + 0.05 * smooth_noise(rng, count, STEP_MM, 8.0)
    turn = 1.5 * smooth_noise(rng, count, STEP_MM, 12.0) + rng.uniform(0, np.pi)
    shape = lumen[:, None] * (1.0 + oval[:, None] * np.cos(2 * (angle - turn[:, None])))
    rough = gaussian_filter(rng.standard_normal(shape.shape), (6, 5), mode=("nearest", "wrap"))  # pyright: ignore[reportArgumentType]
    shape = np.maximum(shape * (1.0 + 0.05 * rough / max(float(rough.std()), 1e-9)), 0.45)
    plaque_side = 1.2 * smooth_noise(rng, count, STEP_MM, 15.0) + rng.uniform(0, 2 * np.pi)
    plaque = np.clip(0.5 + 0.5 * smooth_noise(rng, count, STEP_MM, 8.0), 0, 1.5)
    eccentric = 0.5 * (1 + np.cos(angle - plaque_side[:, None]))
    thickness = rng.uniform(0.25, 0.45) + plaque[:, None] * eccentric**1.5
    calcium = _calcium(rng, frame.arc_mm, plaque_side, poor=poor, rich=rich)
    return Vessel(
        frame=frame, lumen_mm=shape, wall_mm=shape + thickness, branches=tuple(branches), calcium=tuple(calcium)
    )


def _course(rng: np.random.Generator, centre_mm: Float[np.ndarray, " 3"]) -> MovingFrame:
    length = rng.uniform(85.0, 140.0)
    t = np.linspace(0.0, 1.0, 400)
    step = length / 400
    latitude = np.deg2rad(55) - t * length / 48.0
    longitude = rng.uniform(0, 2 * np.pi) + 0.25 * smooth_noise(rng, 400, step, 28.0)
    on_heart = np.column_stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
    )
    points = on_heart * _HEART_MM * 1.04
    for correlation, size in ((rng.uniform(10, 16), 0.6), (rng.uniform(16, 25), 1.2)):
        points += size * np.column_stack([smooth_noise(rng, 400, step, correlation) for _ in range(3)])
    return moving_frame(points + centre_mm, step_mm=STEP_MM, smooth_mm=1.5)


def _branches_and_size(
    rng: np.random.Generator, frame: MovingFrame, centre_mm: np.ndarray, *, poor: bool, rich: bool
) -> tuple[list[SideBranch], np.ndarray]:
    arc = frame.arc_mm
    length = arc[-1]
    ostial, distal = rng.uniform(1.6, 2.3), rng.uniform(0.8, 1.1)
    size = ostial + (distal - ostial) * (arc / length) ** rng.uniform(0.8, 1.3)
    mean_gap = 45.0 if poor else rng.uniform(6.0, 9.0) if rich else rng.uniform(8.0, 15.0)
    branches: list[SideBranch] = []
    place = rng.uniform(4.0, 10.0) + (rng.uniform(0, 30.0) if poor else 0.0)
    while place < length - 6.0 and len(branches) < (1 if poor else 9):
        here = int(place / STEP_MM)
        inward = centre_mm - frame.points_mm[here]
        towards = np.arctan2(inward @ frame.v[here], inward @ frame.u[here])
        # Diagonals and septals: to either side and into the muscle, hardly ever away from the heart.
        azimuth = towards + rng.choice([-1.1, 0.0, 1.1]) + rng.vonmises(0.0, 5.0)
        share = rng.uniform(0.32, 0.75)
        radius = max(share * size[here], 0.42)
        branches.append(_branch(rng, frame, here, azimuth, radius))
        size[here:] *= (1.0 - 0.35 * share**3) ** (1 / 3)
        place += max(rng.exponential(mean_gap), 3.0)
    return branches, np.maximum(size, 0.75)


def _branch(rng: np.random.Generator, frame: MovingFrame, here: int, azimuth: float, radius: float) -> SideBranch:
    rise = np.deg2rad(rng.uniform(30, 80))
    side = np.cos(azimuth) * frame.u[here] + np.sin(azimuth) * frame.v[here]
    out = np.cos(rise) * frame.tangent[here] + np.sin(rise) * side
    along = np.arange(0.0, rng.uniform(9.0, 20.0), 0.25)
    # It bends back along the artery, as branches do.
    bend = rng.uniform(0.0, 0.02) * along**2
    points = frame.points_mm[here] + along[:, None] * out + bend[:, None] * frame.tangent[here]
    return SideBranch(
        arc_mm=float(frame.arc_mm[here]), azimuth_rad=float(azimuth), points_mm=points,
        radius_mm=radius * (1.0 - 0.015 * along),
    )  # fmt: skip


def _narrowings(rng: np.random.Generator, arc: np.ndarray) -> np.ndarray:
    share = np.ones(len(arc))
    for _ in range(rng.integers(0, 4)):
        depth, width = rng.uniform(0.15, 0.5), rng.uniform(2.0, 6.0)
        share *= 1.0 - depth * np.exp(-0.5 * ((arc - rng.uniform(8, arc[-1] - 8)) / (width / 2)) ** 2)
    return share


def _calcium(
    rng: np.random.Generator, arc: np.ndarray, plaque_side: np.ndarray, *, poor: bool, rich: bool
) -> list[Calcium]:
    count = 0 if poor else int(rng.integers(3, 8)) if rich else int(rng.integers(0, 6))
    found = []
    for _ in range(count):
        place = rng.uniform(5.0, arc[-1] - 5.0)
        found.append(
            Calcium(
                arc_mm=float(place),
                length_mm=rng.uniform(1.0, 10.0),
                azimuth_rad=float(plaque_side[int(place / STEP_MM)] + rng.normal(0, 0.6)),
                width_rad=float(np.deg2rad(rng.uniform(25, 180))),
                depth_mm=rng.uniform(0.0, 0.25),
                thickness_mm=rng.uniform(0.2, 0.6),
            )
        )
    return found
