"""LV cavity, LV wall and RV from a contrast CT without masks: a rough ventricle, then star-shaped borders at the CT's
own edges.

Rays start in the middle of the ventricle. The inner border is the outermost edge of blood near the rough model, so
that papillary muscles count as cavity; the outer one is where muscle ends, in fat, lung or the blood of the right
ventricle. The basal plane is the one that best parts levels with a ring of muscle from levels without.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage, optimize

from engines.anatomy.vessel_model import CtVolume
from engines.anatomy.working_grid import WorkingGrid, averaged
from engines.cmr.heart.ventricle_search import RoughVentricle, TissueLevels, find_ventricle, profile, tissue_levels

_SEARCH_MM, _FINE_MM = 2.0, 1.0
_TILTS, _TURNS = 54, 72
_OPENEST_RAD = np.deg2rad(160.0)  # rays from the apex's direction up to beyond the base
_MIDDLE = 0.58  # level of the point that rays start from
_STEP_MM = 0.5
_REACH_MM = 80.0
_INNER_WINDOWS_MM = (12.0, 8.0, 5.0, 3.5)
_THINNEST_MM, _THICKEST_MM = 3.0, 18.0
_RIGHT_USUAL = np.array([-0.64, -0.76, 0.10])
_DOUBTFUL_EDGE = 0.35
_SLAB = 24
_LEAST_FALL = 0.6  # of likeness to muscle, from one where it is to minus one where it is not
_RIGHT_REACH_MM = 95.0


def segment_heart(
    ct: CtVolume, *, start: str = "edges"
) -> tuple[Mapping[str, Bool[np.ndarray, "i j k"]], tuple[str, ...]]:
    """Masks `lv_cavity`, `lv_wall` and, where it shows, `rv` on the CT's grid; flags.

    Args:
        start: where the borders' rough model comes from: "edges", a fit from many starts, or "network".

    Raises:
        InputError: no contrast, or no left ventricle.
    """
    coarse = averaged(ct, _SEARCH_MM)
    levels = tissue_levels(coarse)
    rough = _by_network(ct) if start == "network" else find_ventricle(coarse, levels)
    fine = averaged(ct, _FINE_MM)
    hu = ndimage.gaussian_filter(fine.hu.astype(np.float32), 0.7 / fine.spacing_mm)
    star = _Star(rough, fine, hu)
    levels = star.measured_levels(levels)
    inner, sharp = star.inner_border(levels)
    outer = star.outer_border(levels, inner)
    plane = star.basal_plane(levels, inner)
    flags = ["HEART_DOUBTFUL"] if sharp < _DOUBTFUL_EDGE or rough.score < 1.15 else []
    masks = star.masks(inner, outer, plane, ct)
    right = _right_ventricle(ct, hu, fine, masks, levels, star)
    if right is not None:
        masks["rv"] = right
    return masks, tuple(flags)


def _by_network(ct: CtVolume) -> RoughVentricle:
    from engines.cmr.heart.learned_heart import ventricle_by_network

    return ventricle_by_network(ct)


class _Star:
    """Rays from the middle of a rough ventricle; tilt 0 points to the apex."""

    def __init__(self, rough: RoughVentricle, grid: WorkingGrid, hu: np.ndarray) -> None:
        self.rough = rough
        self.middle = rough.apex_mm + _MIDDLE * rough.length_mm * rough.axis
        right = _RIGHT_USUAL - (_RIGHT_USUAL @ rough.axis) * rough.axis
        self.right = right / np.linalg.norm(right)
        self.ahead = np.cross(rough.axis, self.right)
        self.tilt = np.linspace(0.0, _OPENEST_RAD, _TILTS)
        self.turn = 2 * np.pi * np.arange(_TURNS) / _TURNS
        tilt, turn = self.tilt[:, None, None], self.turn[None, :, None]
        self.rays = -np.cos(tilt) * rough.axis + np.sin(tilt) * (np.cos(turn) * self.right + np.sin(turn) * self.ahead)
        self.radius = np.arange(1.0, _REACH_MM, _STEP_MM)
        self._picture, self._index_from_lps = hu, np.linalg.inv(grid.lps_from_index)
        self.hu = self._read(self.rays[:, :, None, :] * self.radius[:, None])
        self.start = self._model_radius()

    def _read(self, from_middle: Float[np.ndarray, "... 3"]) -> Float[np.ndarray, ...]:
        index = (self.middle + from_middle) @ self._index_from_lps[:3, :3].T + self._index_from_lps[:3, 3]
        values = ndimage.map_coordinates(self._picture, index.reshape(-1, 3).T, order=1, mode="nearest")
        return values.reshape(from_middle.shape[:-1])

    def _model_radius(self) -> np.ndarray:
        """Where rays leave the rough model's cavity."""
        along = -np.cos(self.tilt)[:, None] * self.radius[None] / self.rough.length_mm + _MIDDLE
        off = np.sin(self.tilt)[:, None] * self.radius[None]
        inside = (along > 0) & (off < self.rough.radius_mm * profile(np.clip(along, 0, 1.0)))
        last = np.where(inside.any(axis=1), len(self.radius) - 1 - np.argmax(inside[:, ::-1], axis=1), 20)
        return np.repeat(self.radius[last][:, None], _TURNS, axis=1)

    def measured_levels(self, levels: TissueLevels) -> TissueLevels:
        """Blood and muscle as this heart has them, inside and just outside the rough cavity."""
        inside = self.radius[None, None] < 0.7 * self.start[..., None]
        blood = float(np.median(self.hu[inside & (self.hu > levels.cut_hu)]))
        below = (self.tilt < np.deg2rad(85.0))[:, None, None]
        off = self.radius[None, None] - self.start[..., None]
        ring = below & (off > 2.0) & (off < 7.0) & (self.hu > 30.0) & (self.hu < levels.cut_hu)
        muscle = float(np.median(self.hu[ring])) if ring.any() else levels.muscle_hu
        return TissueLevels(blood_hu=blood, muscle_hu=muscle)

    def inner_border(self, levels: TissueLevels) -> tuple[Float[np.ndarray, "t a"], float]:
        share = np.clip((self.hu - levels.muscle_hu) / (levels.blood_hu - levels.muscle_hu), 0.0, 1.0)
        # Blood before, none behind, over three millimetres each: thin strands inside the cavity weigh little.
        n = round(3.0 / _STEP_MM)
        total = np.cumsum(share, axis=2)
        before = _windowed(total, n, 0) / n
        behind = _windowed(total, 0, n) / n
        edge = before - behind
        radius = self.start
        for window in _INNER_WINDOWS_MM:
            near = np.abs(self.radius[None, None] - radius[..., None])
            worth = np.where(near < window, edge - 0.25 * (near / window) ** 2, -np.inf)
            # Of two edges on one ray the outer one is the wall, the inner one a papillary muscle.
            worth = worth + 0.012 * np.clip(self.radius[None, None] - radius[..., None], 0, window)
            found = self.radius[np.argmax(worth, axis=2)]
            radius = _smoothed(found, 1.6)
        strength = np.take_along_axis(
            edge, np.argmin(np.abs(self.radius - radius[..., None]), axis=2)[..., None], axis=2
        )
        below = self.tilt < np.deg2rad(85.0)
        return radius, float(np.median(strength[below]))

    def outer_border(self, levels: TissueLevels, inner: np.ndarray) -> Float[np.ndarray, "t a"]:
        muscle = 2.0 * np.exp(-0.5 * ((self.hu - levels.muscle_hu) / 38.0) ** 2) - 1.0
        off = self.radius[None, None] - inner[..., None]
        counted = np.where(off > 1.5, muscle, 0.0)
        inside = np.cumsum(counted, axis=2)
        n = round(3.0 / _STEP_MM)
        behind = _windowed(np.cumsum(muscle, axis=2), 0, n)
        gain = inside - 0.7 * behind
        fall = (_windowed(np.cumsum(muscle, axis=2), n, 0) - behind) / n
        lower, upper = _THINNEST_MM, _THICKEST_MM
        thickness = np.full(inner.shape, 9.0)
        for strength in (0.0, 0.6, 1.5, 3.0):
            allowed = (off > lower) & (off < upper)
            worth = np.where(allowed, gain - strength * ((off - thickness[..., None]) / 3.0) ** 2, -np.inf)
            best = np.argmax(worth, axis=2)[..., None]
            found = np.take_along_axis(off, best, axis=2)[..., 0]
            # Beside an unenhanced right ventricle, or liver without fat between, muscle seems never to end.
            ends = np.take_along_axis(fall, best, axis=2)[..., 0] > _LEAST_FALL
            sides = ends & (self.tilt < np.deg2rad(85.0))[:, None]
            usual = float(np.median(found[sides])) if sides.any() else 9.0
            found = np.where(ends, found, usual)
            thickness = _smoothed(np.clip(found, 0.4 * usual, 1.7 * usual), 1.4)
        return inner + thickness

    def basal_plane(self, levels: TissueLevels, inner: np.ndarray) -> Float[np.ndarray, " 3"]:
        """Height over the middle (mm) and slopes of the plane where the ring of muscle ends."""
        place = self.rays * inner[..., None]
        # Straight outwards from the axis: along the rays, which lean upwards here, one would look beyond the base.
        out = np.cos(self.turn)[:, None] * self.right + np.sin(self.turn)[:, None] * self.ahead
        ring = place[:, :, None] + np.arange(2.0, 6.5, 0.5)[:, None] * out[None, :, None]
        likeness = (2.0 * np.exp(-0.5 * ((self._read(ring) - levels.muscle_hu) / 38.0) ** 2) - 1.0).mean(axis=2)
        height = place @ self.rough.axis
        x, y = place @ self.right, place @ self.ahead
        steep = np.maximum(np.gradient(height, axis=0), 0.2)  # rays are denser on some levels than on others
        weight = np.where(height > -5.0, steep, 0.0)

        def worth(p: np.ndarray) -> float:
            below = 1.0 / (1.0 + np.exp((height - p[0] - p[1] * x - p[2] * y) / 1.2))
            return -float((weight * likeness * (2 * below - 1)).sum()) + 6.0 * float(weight.sum() / 100.0) * (
                p[1] ** 2 + p[2] ** 2
            )

        best = min(np.arange(15.0, 75.0, 1.5), key=lambda h: worth(np.array([h, 0.0, 0.0])))
        start = np.array([best, 0.0, 0.0])
        simplex = np.concatenate([start[None], start + np.diag([3.0, 0.12, 0.12])])
        return optimize.minimize(
            worth, start, method="Nelder-Mead", options={"initial_simplex": simplex, "maxfev": 300}
        ).x

    def masks(self, inner: np.ndarray, outer: np.ndarray, plane: np.ndarray, ct: CtVolume) -> dict[str, np.ndarray]:
        shape = ct.voxels_hu.shape
        inverse = np.linalg.inv(ct.lps_from_index)
        ends = (self.middle + self.rays * (outer[..., None] + 3.0)).reshape(-1, 3) @ inverse[:3, :3].T + inverse[:3, 3]
        low = np.clip(np.floor(ends.min(axis=0)).astype(int), 0, np.array(shape) - 1)
        high = np.clip(np.ceil(ends.max(axis=0)).astype(int) + 1, 1, shape)
        masks = {"lv_cavity": np.zeros(shape, dtype=bool), "lv_wall": np.zeros(shape, dtype=bool)}
        for first in range(int(low[0]), int(high[0]), _SLAB):  # slab by slab: a fine CT would fill the memory
            ranges = [(first, min(first + _SLAB, int(high[0]))), *((int(low[k]), int(high[k])) for k in (1, 2))]
            cut = tuple(slice(start, stop) for start, stop in ranges)
            axes = (np.arange(start, stop, dtype=np.float64) for start, stop in ranges)
            grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
            inside, whole = self._inside(
                grid @ ct.lps_from_index[:3, :3].T + ct.lps_from_index[:3, 3], inner, outer, plane
            )
            masks["lv_cavity"][cut], masks["lv_wall"][cut] = inside, whole & ~inside
        return masks

    def _inside(
        self, points: Float[np.ndarray, "i j k 3"], inner: np.ndarray, outer: np.ndarray, plane: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Points below the basal plane and within the inner, and within the outer border."""
        from_middle = points - self.middle
        height, x, y = from_middle @ self.rough.axis, from_middle @ self.right, from_middle @ self.ahead
        far = np.sqrt(height**2 + x**2 + y**2)
        row = np.arccos(np.clip(-height / np.maximum(far, 1e-6), -1, 1)) / (self.tilt[1] - self.tilt[0])
        column = (np.arctan2(y, x) % (2 * np.pi)) / (2 * np.pi) * _TURNS
        # Inside the cone that no ray enters the opening lies far above: the last ray's border stands for it.
        below = height < plane[0] + plane[1] * x + plane[2] * y

        def at(border: np.ndarray) -> np.ndarray:
            wide = np.concatenate([border, border[:, :1]], axis=1)
            where = [row.ravel(), column.ravel()]
            return ndimage.map_coordinates(wide, where, order=1, mode="nearest").reshape(row.shape)

        return below & (far < at(inner)), below & (far < at(outer))


def _windowed(total: np.ndarray, before: int, behind: int) -> np.ndarray:
    """Sums over the last `before` and the next `behind` samples of a cumulative sum along the rays."""
    pad = max(before, behind)
    wide = np.concatenate([np.zeros((*total.shape[:2], pad)), total, np.repeat(total[..., -1:], pad, axis=2)], axis=2)
    n = total.shape[2]
    return wide[..., pad + behind : pad + behind + n] - wide[..., pad - before : pad - before + n]


def _smoothed(radius: np.ndarray, sigma: float) -> np.ndarray:
    """Median against outliers, then Gaussian; around the turn it wraps, at the apex all turns are one ray."""
    wide = np.concatenate([radius[:, -3:], radius, radius[:, :3]], axis=1)
    calm = ndimage.median_filter(wide, (5, 7), mode="nearest")[:, 3:-3]
    calm = ndimage.gaussian_filter(calm, sigma, mode=("nearest", "wrap"))  # pyright: ignore[reportArgumentType]
    calm[0] = calm[0].mean()
    return calm


def _right_ventricle(
    ct: CtVolume, hu: np.ndarray, fine: WorkingGrid, masks: Mapping[str, np.ndarray], levels: TissueLevels, star: _Star
) -> np.ndarray | None:
    """Blood beside the septum: what is neither fat nor lung next to the left ventricle on the patient's right."""
    # Within reach of the left ventricle alone: a whole chest at this grid would fill the memory.
    to_fine = np.linalg.inv(fine.lps_from_index)
    ends = star.middle + np.array([[-1.0], [1.0]]) * _RIGHT_REACH_MM
    corners = np.array(np.meshgrid(*ends.T)).reshape(3, -1).T @ to_fine[:3, :3].T + to_fine[:3, 3]
    low = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, np.array(hu.shape) - 2)
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int), low + 2, hu.shape)
    hu = hu[tuple(slice(int(start), int(stop)) for start, stop in zip(low, high, strict=True))]
    lps_from_index = fine.lps_from_index.copy()
    lps_from_index[:3, 3] = fine.lps_from_index[:3, :3] @ low + fine.lps_from_index[:3, 3]
    index = np.stack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in hu.shape), indexing="ij"), axis=-1)
    points = index @ lps_from_index[:3, :3].T.astype(np.float32) + lps_from_index[:3, 3].astype(np.float32)
    to_ct = np.linalg.inv(ct.lps_from_index)
    at = np.rint(points @ to_ct[:3, :3].T + to_ct[:3, 3]).astype(int)
    at = np.clip(at, 0, np.array(ct.voxels_hu.shape) - 1)
    ventricle = (masks["lv_wall"] | masks["lv_cavity"])[tuple(np.moveaxis(at, -1, 0))]
    away = np.asarray(ndimage.distance_transform_edt(~ventricle, sampling=fine.spacing_mm))
    from_middle = points - star.middle.astype(np.float32)
    height, x, y = from_middle @ star.rough.axis, from_middle @ star.right, from_middle @ star.ahead
    top = height[ventricle].max() if ventricle.any() else 0.0
    region = (
        (away > 0.4)
        & (away < 45.0)
        & (height < top + 2.0)
        & (x > -5.0)
        & (np.abs(np.arctan2(y, x)) < np.deg2rad(100.0))
    )
    touching = region & (away < 4.0) & (np.abs(np.arctan2(y, x)) < np.deg2rad(35.0)) & (hu > 30.0)
    if touching.sum() * fine.voxel_mm3 < 400.0:
        return None
    own = float(np.median(hu[touching]))
    # Where the right heart holds contrast it ends at its own half level; where it holds none, at fat and lung.
    cut = 0.5 * (own + levels.muscle_hu) if own > levels.muscle_hu + 45.0 else 25.0
    blood = region & (hu > cut)
    core = np.asarray(ndimage.binary_erosion(blood, iterations=fine.steps(3.0)))
    parts, count = ndimage.label(core)  # pyright: ignore[reportGeneralTypeIssues]
    if not count:
        return None
    near = np.logical_and(core, (away < 12.0) & (np.abs(np.arctan2(y, x)) < np.deg2rad(45.0)))
    votes = np.bincount(parts[near], minlength=count + 1)
    votes[0] = 0
    if not votes.any():
        return None
    best = parts == votes.argmax()
    if best.sum() * fine.voxel_mm3 < 3000.0:
        return None
    grown = np.asarray(ndimage.distance_transform_edt(~best, sampling=fine.spacing_mm)) < 4.2
    small = np.logical_and(grown, blood).astype(np.float32)
    back = np.linalg.inv(lps_from_index) @ ct.lps_from_index
    # affine_transform maps output index to input index: exactly the grid change wanted.
    turn, offset = back[:3, :3], back[:3, 3]
    return ndimage.affine_transform(small, turn, offset, output_shape=ct.voxels_hu.shape, order=1) >= 0.5  # pyright: ignore[reportArgumentType]
