"""Walk along a bright tube and measure it with rays in its cross-section."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage
from scipy.spatial import KDTree

_RAYS = 36
_STEP_SHARE = 0.3  # step length relative to the radius
_LOOK_SHARE = 1.8  # length of the rays in radii; a ray that meets no wall has leaked
_WALLED_SHARE = 0.5  # share of rays that must meet a wall; the walk ends where fewer do
_GROWS = 1.45  # largest growth of the radius over about three radii of the walk
_WINDOW = 10
_INERTIA = 0.5  # share of the previous direction that each step keeps
_LONGEST_MM = 900.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TubeWalk:
    """Cross-sections along a tube.

    Args:
        points_mm: centres, as voxel index times spacing.
        radius_mm: median length of the rays to the wall.
        directions: unit vectors, along the walk.
        sides: unit vectors across the walk, along the first ray.
        rays_mm: distance to the wall, by angle from `sides` towards `directions x sides`; short if no wall was met.
        step_mm: approximate distance between points.
    """

    points_mm: Float[np.ndarray, "n 3"]
    radius_mm: Float[np.ndarray, " n"]
    directions: Float[np.ndarray, "n 3"]
    sides: Float[np.ndarray, "n 3"]
    rays_mm: Float[np.ndarray, "n r"]
    step_mm: float

    @property
    def length_mm(self) -> float:
        return float(np.linalg.norm(np.diff(self.points_mm, axis=0), axis=1).sum())

    def covers(self, point_mm: Float[np.ndarray, " 3"]) -> bool:
        far_mm = np.linalg.norm(self.points_mm - point_mm, axis=1)
        return bool((far_mm < self.radius_mm).any())


def walk_tube(
    inside: Bool[np.ndarray, "i j k"],
    spacing_mm: Float[np.ndarray, " 3"],
    start: Float[np.ndarray, " 3"],
    direction: Float[np.ndarray, " 3"],
    radius_mm: float,
    *,
    narrowest_mm: float,
) -> TubeWalk:
    """Walk both ways from a start inside a tube, until its walls are missing or the volume ends.

    Args:
        inside: mask of the lumen.
        spacing_mm: voxel spacing.
        start: voxel index, in the tube.
        direction: roughly along the tube, in voxel axes.
        radius_mm: approximate radius of the tube.
        narrowest_mm: radius below which the walk ends.
    """
    halves = [
        _walk(inside, spacing_mm, start * spacing_mm, sign * direction, radius_mm, narrowest_mm) for sign in (-1.0, 1.0)
    ]
    steps = [step.turned() for step in halves[0][::-1]] + halves[1][1:]
    points = np.array([step.centre for step in steps]).reshape(-1, 3)
    gaps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return TubeWalk(
        points_mm=points,
        radius_mm=np.array([step.radius_mm for step in steps]),
        directions=np.array([step.heading for step in steps]).reshape(-1, 3),
        sides=np.array([step.side for step in steps]).reshape(-1, 3),
        rays_mm=np.array([step.rays_mm for step in steps]).reshape(-1, _RAYS),
        step_mm=float(np.median(gaps)) if len(gaps) else 0.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Step:
    centre: Float[np.ndarray, " 3"]
    radius_mm: float
    heading: Float[np.ndarray, " 3"]
    side: Float[np.ndarray, " 3"]
    rays_mm: Float[np.ndarray, " r"]

    def turned(self) -> _Step:
        """The same step seen in the opposite direction: the ray angles run backwards."""
        return replace(self, heading=-self.heading, rays_mm=np.roll(self.rays_mm[::-1], 1))


def _walk(
    inside: Bool[np.ndarray, "i j k"],
    spacing_mm: Float[np.ndarray, " 3"],
    point: Float[np.ndarray, " 3"],
    heading: Float[np.ndarray, " 3"],
    radius_mm: float,
    narrowest_mm: float,
) -> list[_Step]:
    steps: list[_Step] = []
    walked_mm = 0.0
    while walked_mm < _LONGEST_MM:
        recent = [step.radius_mm for step in steps[-_WINDOW:]]
        usual_mm = float(np.median(recent)) if recent else radius_mm
        centre = point
        for again in (True, True, False):  # two cross-sections find the centre, the third measures from it
            rays = _cross_section(inside, spacing_mm, centre, heading, usual_mm)
            if rays.hit.mean() < _WALLED_SHARE:
                return steps
            shift = (rays.lengths_mm[:, None] * rays.directions)[rays.hit].mean(axis=0)
            if again:
                centre = centre + np.clip(shift, -0.6 * usual_mm, 0.6 * usual_mm)
        measured_mm = float(np.median(rays.lengths_mm[rays.hit]))
        if measured_mm < narrowest_mm or measured_mm > _GROWS * usual_mm:
            return steps
        if steps:
            moved = centre - steps[-1].centre
            length = float(np.linalg.norm(moved))
            if length < 0.05 * usual_mm:
                return steps
            heading = _INERTIA * heading + (1.0 - _INERTIA) * moved / length
            heading = heading / np.linalg.norm(heading)
        lengths_mm = np.where(rays.hit, np.minimum(rays.lengths_mm, 1.35 * measured_mm), 1.05 * measured_mm)
        steps.append(_Step(centre=centre, radius_mm=measured_mm, heading=rays.heading, side=rays.directions[0],
                           rays_mm=lengths_mm))  # fmt: skip
        step_mm = max(_STEP_SHARE * usual_mm, float(spacing_mm.min()))
        point = centre + step_mm * heading
        walked_mm += step_mm
        if (point < 0).any() or (point / spacing_mm > np.array(inside.shape) - 1).any():
            return steps
    return steps


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Rays:
    directions: Float[np.ndarray, "r 3"]
    lengths_mm: Float[np.ndarray, " r"]
    hit: Bool[np.ndarray, " r"]
    heading: Float[np.ndarray, " 3"]


def _cross_section(
    inside: Bool[np.ndarray, "i j k"],
    spacing_mm: Float[np.ndarray, " 3"],
    centre: Float[np.ndarray, " 3"],
    heading: Float[np.ndarray, " 3"],
    radius_mm: float,
) -> _Rays:
    side = np.cross(heading, np.eye(3)[np.argmin(np.abs(heading))])
    side /= np.linalg.norm(side)
    up = np.cross(heading, side)
    angle = np.linspace(0.0, 2.0 * np.pi, _RAYS, endpoint=False)
    rays = np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * up
    lengths = np.arange(0.5, _LOOK_SHARE * radius_mm + 1.0, 0.5)
    places = centre + lengths[:, None, None] * rays
    values = ndimage.map_coordinates(
        inside.view(np.uint8), (places / spacing_mm).reshape(-1, 3).T, order=0, mode="constant"
    ).reshape(len(lengths), _RAYS)
    out = values == 0
    hit = out.any(axis=0)
    first = lengths[np.argmax(out, axis=0)] - 0.25
    return _Rays(directions=rays, lengths_mm=first, hit=hit, heading=heading)


def inside_walk(walk: TubeWalk, points_mm: Float[np.ndarray, "n 3"], *, slack_mm: float) -> Bool[np.ndarray, " n"]:
    """Which points lie within the star of rays around the nearest centre, and not beyond the walk's ends."""
    farthest_mm = 1.5 * float(walk.rays_mm.max()) + 5.0
    found = KDTree(walk.points_mm).query(points_mm, distance_upper_bound=farthest_mm)
    far_mm, nearest = (np.asarray(part) for part in found)
    result = np.zeros(len(points_mm), dtype=bool)
    close = np.flatnonzero(np.isfinite(far_mm))
    at = nearest[close]
    offset = points_mm[close] - walk.points_mm[at]
    along = np.einsum("ni,ni->n", offset, walk.directions[at])
    across = offset - along[:, None] * walk.directions[at]
    u = np.einsum("ni,ni->n", across, walk.sides[at])
    v = np.einsum("ni,ni->n", across, np.cross(walk.directions[at], walk.sides[at]))
    count = walk.rays_mm.shape[1]
    place = np.mod(np.arctan2(v, u) / (2.0 * np.pi) * count, count)
    low = np.floor(place).astype(int) % count
    part = place - np.floor(place)
    wall_mm = (1.0 - part) * walk.rays_mm[at, low] + part * walk.rays_mm[at, (low + 1) % count]
    ends = ((at == 0) & (along < -0.5 * walk.step_mm)) | (
        (at == len(walk.points_mm) - 1) & (along > 0.5 * walk.step_mm)
    )
    result[close] = (np.hypot(u, v) < wall_mm + slack_mm) & ~ends
    return result
