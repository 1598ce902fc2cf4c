"""Where the left ventricle lies in a contrast CT: a half ellipsoid of blood in a shell of muscle, fitted from many
starts.

Atria, aorta and right ventricle hold as much contrast, but only the left ventricle has a centimetre of muscle around
it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import ndimage, optimize

from calibration.errors import InputError
from engines.anatomy.working_grid import WorkingGrid

_USUAL_AXIS = np.array([-0.62, 0.60, 0.50])  # apex to base, LPS, patient on the back
_FARTHEST_RAD = np.deg2rad(50.0)
_WALL_MM = 9.0
_LENGTHS_MM, _RADII_MM = (50.0, 115.0), (13.0, 42.0)
_SEEDS = 10
_LEAST_SCORE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TissueLevels:
    """HU of blood and muscle.

    Args:
        blood_hu: of the left heart.
        muscle_hu: of its wall.
        cut_hu: between both.
    """

    blood_hu: float
    muscle_hu: float

    @property
    def cut_hu(self) -> float:
        return 0.5 * (self.blood_hu + self.muscle_hu)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoughVentricle:
    apex_mm: Float[np.ndarray, " 3"]
    axis: Float[np.ndarray, " 3"]
    length_mm: float
    radius_mm: float
    score: float


def tissue_levels(grid: WorkingGrid) -> TissueLevels:
    """Blood as the brightest large thing that is no bone, muscle at its usual place until the wall itself tells it.

    Raises:
        InputError: nothing is as bright as contrast-filled blood.
    """
    hu = ndimage.gaussian_filter(grid.hu.astype(np.float32), 0.7)
    bright = (hu > 180.0) & (hu < 800.0)
    core = np.asarray(ndimage.binary_erosion(bright, iterations=grid.steps(5.0)))
    parts, count = ndimage.label(core)  # pyright: ignore[reportGeneralTypeIssues]
    if not count:
        raise InputError(
            "the CT holds no large contrast-filled chamber (nothing of 1 cm is brighter than 180 HU); "
            "give a contrast CT or --ct-masks"
        )
    sizes = ndimage.sum_labels(core, parts, np.arange(1, count + 1))
    medians = np.asarray(ndimage.median(hu, parts, np.arange(1, count + 1)))
    large = sizes > 0.15 * sizes.max()
    blood = float(medians[large].max())
    return TissueLevels(blood_hu=blood, muscle_hu=110.0)


def find_ventricle(grid: WorkingGrid, levels: TissueLevels) -> RoughVentricle:
    """Best fit of the model.

    Raises:
        InputError: no place in the CT looks like a left ventricle.
    """
    hu = ndimage.gaussian_filter(grid.hu.astype(np.float32), 0.6)
    blood = np.tanh((hu - levels.cut_hu) / 50.0)
    middle = levels.muscle_hu
    muscle = 2.0 * np.exp(-0.5 * ((hu - middle) / 45.0) ** 2) - 1.0
    deep = ndimage.distance_transform_edt(hu > levels.cut_hu, sampling=grid.spacing_mm)
    inverse = np.linalg.inv(grid.lps_from_index)
    best: RoughVentricle | None = None
    for seed in _seeds(grid, np.asarray(deep)):
        found = _fit(seed, blood, muscle, inverse)
        if best is None or found.score > best.score:
            best = found
    if best is None or best.score < _LEAST_SCORE:
        score = 0.0 if best is None else best.score
        raise InputError(
            f"no left ventricle was found in the CT (best likeness {score:.2f} of 2, expected {_LEAST_SCORE}); "
            "is the heart in it, with contrast? Give --ct-masks otherwise"
        )
    return best


def _seeds(grid: WorkingGrid, deep: np.ndarray) -> list[np.ndarray]:
    """Middles of large blood-filled rooms, the largest first, apart from each other."""
    peaks = (deep == ndimage.maximum_filter(deep, grid.steps(10.0))) & (deep > 9.0)
    index = np.argwhere(peaks)
    index = index[np.argsort(-deep[peaks])]
    points = index @ grid.lps_from_index[:3, :3].T + grid.lps_from_index[:3, 3]
    kept: list[np.ndarray] = []
    for point in points:
        if all(np.linalg.norm(point - other) > 12.0 for other in kept):
            kept.append(point)
        if len(kept) == _SEEDS:
            break
    return kept


def _model_points() -> tuple[np.ndarray, np.ndarray]:
    """Unit samples (level, angle, share of the radius) of cavity and (level, angle, mm outside) of wall."""
    angle = 2 * np.pi * np.arange(14) / 14
    cavity = np.array([(u, a, r) for u in np.linspace(0.08, 0.95, 9) for a in angle[::2] for r in (0.3, 0.65, 0.9)])
    wall = np.array([(u, a, d) for u in np.linspace(0.0, 0.95, 11) for a in angle for d in (2.0, 4.5, 7.0)])
    return cavity, wall


_PROFILE = (0.75, 0.12)


def profile(level: np.ndarray) -> np.ndarray:
    """Radius by level as a share of the widest: an ellipsoid that narrows a little towards the base."""
    widest, narrow = _PROFILE
    below = np.sqrt(np.clip(1.0 - (1.0 - level / widest) ** 2, 0.0, 1.0))
    return np.where(level < widest, below, 1.0 - narrow * ((level - widest) / (1.0 - widest)) ** 2)


def _fit(seed: np.ndarray, blood: np.ndarray, muscle: np.ndarray, inverse: np.ndarray) -> RoughVentricle:
    cavity, wall = _model_points()
    usual = _USUAL_AXIS / np.linalg.norm(_USUAL_AXIS)
    side = np.cross(usual, [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side)
    up = np.cross(side, usual)

    def unpack(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float]:
        axis = usual + np.tan(np.clip(x[3], -1.2, 1.2)) * side + np.tan(np.clip(x[4], -1.2, 1.2)) * up
        axis = axis / np.linalg.norm(axis)
        length, radius = float(np.clip(x[5], *_LENGTHS_MM)), float(np.clip(x[6], *_RADII_MM))
        return seed + x[:3] - 0.5 * length * axis, axis, length, radius

    def read(volume: np.ndarray, points: np.ndarray) -> np.ndarray:
        index = points @ inverse[:3, :3].T + inverse[:3, 3]
        return ndimage.map_coordinates(volume, index.T, order=1, mode="constant", cval=-1.0)

    def score(x: np.ndarray) -> float:
        apex, axis, length, radius = unpack(x)
        first = np.cross(axis, [0.0, 0.0, 1.0] if abs(axis[2]) < 0.9 else [1.0, 0.0, 0.0])
        first /= np.linalg.norm(first)
        second = np.cross(axis, first)

        def points(samples: np.ndarray, distance: np.ndarray, lower: np.ndarray) -> np.ndarray:
            u, a = samples[:, 0], samples[:, 1]
            return (
                apex
                + (u * length - lower)[:, None] * axis
                + (distance * np.cos(a))[:, None] * first
                + (distance * np.sin(a))[:, None] * second
            )

        inside = points(cavity, cavity[:, 2] * radius * profile(cavity[:, 0]), np.zeros(len(cavity)))
        # Near the apex the wall lies below the cavity as much as beside it.
        tilt = np.clip(1.0 - wall[:, 0] / 0.35, 0.0, 1.0)
        around = points(wall, radius * profile(wall[:, 0]) + wall[:, 2] * (1.0 - tilt), wall[:, 2] * tilt)
        likeness = float(read(blood, inside).mean() + read(muscle, around).mean())
        size = 0.10 * np.log(length * radius**2 / (80.0 * 24.0**2))  # of two that fit, the larger
        far = np.arccos(np.clip(axis @ usual, -1, 1)) / _FARTHEST_RAD
        return -(likeness + min(size, 0.05) - 0.15 * far**4)

    found = None
    for length, radius in ((75.0, 22.0), (92.0, 28.0)):
        start = np.array([0.0, 0.0, 0.0, 0.0, 0.0, length, radius])
        simplex = np.concatenate([start[None], start + np.diag([10.0, 10.0, 10.0, 0.3, 0.3, 12.0, 5.0])])
        result = optimize.minimize(
            score,
            start,
            method="Nelder-Mead",
            options={"initial_simplex": simplex, "maxfev": 320, "xatol": 0.2, "fatol": 1e-3},
        )
        if found is None or result.fun < found.fun:
            found = result
    assert found is not None
    apex, axis, length, radius = unpack(found.x)
    return RoughVentricle(apex_mm=apex, axis=axis, length_mm=length, radius_mm=radius, score=-float(found.fun))
