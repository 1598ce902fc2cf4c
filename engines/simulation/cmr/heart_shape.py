"""The shape of one heart in its own frame: nested half ellipsoids with a flattened septum, a bend and a crescent RV.

Frame of the heart (mm): origin at the endocardial apex, x towards the mid-septum, y towards the anterior wall, z
towards the base. `theta` is the angle about z from x to y; the septum faces 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

_WIDEST = 0.75  # level of the largest radius, as a share of the length
_BISECTIONS = 14


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeartShape:
    """Measures of a heart in one phase.

    Args:
        length_mm: endocardial apex to the middle of the base.
        radius_mm: of the cavity where it is widest.
        wall_mm: thickness of the lateral wall.
        apex_wall_mm: thickness at the apex.
        septal_flattening: share of the radius that the septum lacks.
        harmonics: (k, 2) cosine and sine shares of the radius for angular frequencies 2, 3, ...
        bend_mm: sideways bow of the long axis at half length, x and y.
        base_tilt: slope of the basal plane along x and y.
        rv_width: scale of the right ventricle.
        rv_shift: turn of the right ventricle about the long axis, rad.
    """

    length_mm: float
    radius_mm: float
    wall_mm: float
    apex_wall_mm: float
    septal_flattening: float
    harmonics: Float[np.ndarray, "k 2"]
    bend_mm: tuple[float, float]
    base_tilt: tuple[float, float]
    rv_width: float
    rv_shift: float

    def bow(self, z: np.ndarray) -> np.ndarray:
        """Sideways place of the long axis, (..., 2)."""
        share = np.clip(z / self.length_mm, 0.0, 1.0)
        return (4.0 * share * (1.0 - share))[..., None] * np.array(self.bend_mm)

    def radius(self, z: np.ndarray, theta: np.ndarray, depth: np.ndarray | float) -> np.ndarray:
        """Distance of the surface of one depth (0 endocardium, 1 epicardium) from the bowed axis; 0 beyond its apex."""
        around = 1.0 - self.septal_flattening * np.exp(-((theta / 0.8) ** 2))
        for k, (cosine, sine) in enumerate(self.harmonics, start=2):
            around = around + cosine * np.cos(k * theta) + sine * np.sin(k * theta)
        widest = self.radius_mm * around + depth * self.wall_mm * (1.0 - 0.12 * np.exp(-((theta / 0.8) ** 2)))
        level = (z + depth * self.apex_wall_mm) / (self.length_mm + depth * self.apex_wall_mm)
        below = np.sqrt(np.clip(1.0 - (1.0 - level / _WIDEST) ** 2, 0.0, 1.0))
        above = 1.0 - 0.12 * ((level - _WIDEST) / (1.0 - _WIDEST)) ** 2
        return np.where(level < 0, 0.0, widest * np.where(level < _WIDEST, below, above))

    def polar(self, points: Float[np.ndarray, "... 3"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Distance from the bowed axis, angle and level of points."""
        z = points[..., 2]
        x, y = np.moveaxis(points[..., :2] - self.bow(z), -1, 0)
        return np.hypot(x, y), np.arctan2(y, x), z

    def below_base(self, points: Float[np.ndarray, "... 3"]) -> Bool[np.ndarray, ...]:
        return points[..., 2] <= self.length_mm + points[..., :2] @ np.array(self.base_tilt)

    def in_cavity(self, points: Float[np.ndarray, "... 3"]) -> Bool[np.ndarray, ...]:
        r, theta, z = self.polar(points)
        return self.below_base(points) & (z > 0) & (r < self.radius(z, theta, 0.0))

    def in_epicardium(self, points: Float[np.ndarray, "... 3"]) -> Bool[np.ndarray, ...]:
        r, theta, z = self.polar(points)
        return self.below_base(points) & (z > -self.apex_wall_mm) & (r < self.radius(z, theta, 1.0))

    def depth(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        """Depth in the wall of points that lie in it: 0 at the endocardium, 1 at the epicardium."""
        r, theta, z = self.polar(points)
        low, high = np.zeros(len(points)), np.ones(len(points))
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            outside = r > self.radius(z, theta, middle)
            low, high = np.where(outside, middle, low), np.where(outside, high, middle)
        return 0.5 * (low + high)

    def surface(self, z: np.ndarray, theta: np.ndarray, *, depth: float = 1.0, off_mm: float = 0.0) -> np.ndarray:
        """Points at a depth, or so far outside it: (..., 3)."""
        z, theta = np.broadcast_arrays(np.asarray(z, dtype=np.float64), np.asarray(theta, dtype=np.float64))
        r = self.radius(z, theta, depth) + off_mm
        bow = self.bow(z)
        return np.stack([bow[..., 0] + r * np.cos(theta), bow[..., 1] + r * np.sin(theta), z], axis=-1)

    def _rv_scale(self, z: np.ndarray) -> np.ndarray:
        top, bottom = self.length_mm + 8.0, 0.15 * self.length_mm
        share = np.clip((z - bottom) / (0.65 * self.length_mm), 0.0, 1.0)
        return np.where((z < bottom) | (z > top), 0.0, np.sqrt(1.0 - (1.0 - share) ** 2))

    def in_right_ventricle(self, points: Float[np.ndarray, "... 3"], *, wall_mm: float = 0.0) -> np.ndarray:
        """Inside the right ventricle's blood, or within its wall too; the left ventricle is not taken out."""
        z = points[..., 2]
        scale = self._rv_scale(z)
        outer = self.radius_mm + self.wall_mm
        x, y = np.moveaxis(points[..., :2] - self.bow(z), -1, 0)
        cosine, sine = np.cos(self.rv_shift), np.sin(self.rv_shift)
        x, y = cosine * x + sine * y, -sine * x + cosine * y
        ax, ay = 0.82 * outer * scale * self.rv_width + wall_mm, 1.12 * outer * scale + wall_mm
        inside = ((x - 1.03 * outer * scale) / np.maximum(ax, 1e-6)) ** 2 + (y / np.maximum(ay, 1e-6)) ** 2 < 1.0
        return inside & (scale > 0)

    def insertions(self) -> tuple[float, float]:
        """`theta` of the anterior and the inferior RV insertion, mean over the middle levels."""
        found = []
        for z in np.linspace(0.45, 0.8, 8) * self.length_mm:
            theta = np.deg2rad(np.arange(-170, 170, 0.25))
            inside = self.in_right_ventricle(self.surface(np.full_like(theta, z), theta, off_mm=0.2))
            found.append((theta[inside].max(), theta[inside].min()))
        anterior, inferior = np.mean(found, axis=0)
        return float(anterior), float(inferior)

    def mitral_centre(self) -> Float[np.ndarray, " 3"]:
        """Centroid of the cavity's whole basal opening."""
        theta = np.deg2rad(np.arange(0.5, 360, 1.0) - 180.0)
        tilt = np.array(self.base_tilt)
        z = np.full_like(theta, self.length_mm)
        for _ in range(20):  # the rim lies where the wall meets the tilted plane
            rim = self.surface(z, theta, depth=0.0)
            z = self.length_mm + rim[:, :2] @ tilt
        rim = self.surface(z, theta, depth=0.0)
        x, y = rim[:, 0], rim[:, 1]
        cross = x * np.roll(y, -1) - np.roll(x, -1) * y
        centre = np.array([((x + np.roll(x, -1)) * cross).sum(), ((y + np.roll(y, -1)) * cross).sum()]) / (
            3 * cross.sum()
        )
        return np.array([*centre, self.length_mm + float(centre @ tilt)])


def draw_shape(random: np.random.Generator) -> HeartShape:
    """A heart in the phase of the CT, at rest."""
    length = random.uniform(76, 95)
    return HeartShape(
        length_mm=length,
        radius_mm=random.uniform(20.5, 27.0),
        wall_mm=random.uniform(8.0, 11.5),
        apex_wall_mm=random.uniform(4.5, 7.0),
        septal_flattening=random.uniform(0.02, 0.12),
        harmonics=random.normal(0.0, (0.02, 0.012), size=(2, 2)).T.copy(),
        bend_mm=(random.normal(0, 1.2), random.normal(0, 1.2)),
        base_tilt=(random.normal(0, 0.06), random.normal(0, 0.06)),
        rv_width=random.uniform(0.85, 1.2),
        rv_shift=random.normal(0.0, 0.08),
    )


def other_phase(shape: HeartShape, random: np.random.Generator) -> HeartShape:
    """The same heart as the CMR meets it: smaller cavity, thicker wall, a little deformed."""
    return HeartShape(
        length_mm=shape.length_mm * random.uniform(0.93, 1.0),
        radius_mm=shape.radius_mm * random.uniform(0.74, 0.90),
        wall_mm=shape.wall_mm * random.uniform(1.08, 1.32),
        apex_wall_mm=shape.apex_wall_mm * random.uniform(1.0, 1.2),
        septal_flattening=float(np.clip(shape.septal_flattening + random.normal(0, 0.03), 0.0, 0.2)),
        harmonics=shape.harmonics + random.normal(0.0, (0.02, 0.01), size=(2, 2)).T,
        bend_mm=(shape.bend_mm[0] + random.normal(0, 0.8), shape.bend_mm[1] + random.normal(0, 0.8)),
        base_tilt=shape.base_tilt,
        rv_width=shape.rv_width * random.uniform(0.9, 1.05),
        rv_shift=shape.rv_shift,
    )
