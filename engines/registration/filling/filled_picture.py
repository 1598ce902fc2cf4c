"""A contrast picture at one size, and how well the vessels at a pose explain it when each part fills as it likes.

The darkening that contrast makes is linear in the thickness of filled lumen, so that for a pose the fillings are a
non-negative least squares fit: a part that is not filled gets 0 and costs nothing, contrast that no part explains
lowers the correlation. Both pictures lose what is smoother than `band_mm` (background, scatter, uneven filling).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Integer
from scipy.optimize import nnls

from engines.registration.features.projected_model import MIN_DEPTH_MM, RigidState
from engines.registration.filling.vessel_cloud import VesselCloud

_SMOOTH_PX = 1.0
_PAD_PX = 4
_RIM_PX = 4  # of the full picture, beside the collimator's blades
_EVEN_MM, _EVEN_FLOOR = 5.0, 0.5  # how near, and least share of the strongest contrast that counts as contrast
_LEAST_SIGNAL = 0.3  # of the energy; a picture with less would call anything a fit
_RIDGE = 1e-4  # of a part's own energy: parts that look alike share
_SEEN_SHARE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Filling:
    """Args:
    ncc: correlation with the best fillings, 0..1.
    clear: the same relative to what the picture's noise lets a perfect rendering reach, at most 1.
    amount: of each part, in units of the picture a mm of lumen; 0 where nothing shows it filled.
    energy: of each part's picture: 0 where it lies outside.
    """

    ncc: float
    clear: float
    amount: Float[np.ndarray, " parts"]
    energy: Float[np.ndarray, " parts"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilledPicture:
    """What a cloud is compared with; made by `filled_picture`.

    Args:
        target: (pixels,) band-passed contrast of the seen pixels, without its mean.
        seen: on the reduced picture, True where X-rays come through.
        focal_px, centre_px: of the reduced picture, (column, row).
        band_px: sigma of what is taken out; 0 takes nothing out.
        weight: of each pixel, in the target and in what is rendered.
        attainable: correlation that noise leaves to a perfect rendering.
    """

    target: Float[np.ndarray, " pixels"]
    seen: Bool[np.ndarray, "rows columns"]
    index: Integer[np.ndarray, " pixels"]
    camera_from_isocentre: Float[np.ndarray, "4 4"]
    focal_px: Float[np.ndarray, " 2"]
    centre_px: Float[np.ndarray, " 2"]
    mm_per_px: float
    band_px: float
    band_norm: Float[np.ndarray, "rows columns"]
    weight: Float[np.ndarray, " pixels"]
    attainable: float

    @property
    def shape_px(self) -> tuple[int, int]:
        return self.seen.shape[0], self.seen.shape[1]

    def rendered(
        self,
        state: RigidState,
        local_mm: Float[np.ndarray, "n 3"],
        cloud: VesselCloud,
        view: int,
        amount: Float[np.ndarray, " parts"] | None = None,
    ) -> Float[np.ndarray, "k pixels"]:
        """Band-passed pictures of all parts, or one of their sum with these fillings; each without its mean.

        Args:
            local_mm: the cloud's points relative to the model's pivot.
        """
        arm = self.camera_from_isocentre
        centre = arm[:3, :3] @ (state.pivot_mm + state.shifts_mm[view]) + arm[:3, 3]
        camera = local_mm @ (arm[:3, :3] @ state.rotation).T + centre
        depth = np.maximum(camera[:, 2], MIN_DEPTH_MM)
        column = camera[:, 0] * self.focal_px[0] / depth + self.centre_px[0] + _PAD_PX
        row = camera[:, 1] * self.focal_px[1] / depth + self.centre_px[1] + _PAD_PX
        rows, columns = (size + 2 * _PAD_PX for size in self.shape_px)
        inside = (column >= 0) & (column < columns - 1) & (row >= 0) & (row < rows - 1) & (camera[:, 2] > MIN_DEPTH_MM)
        weight = cloud.volume_mm3 if amount is None else cloud.volume_mm3 * amount[cloud.part]
        inside &= weight > 0
        column, row, depth = column[inside], row[inside], depth[inside]
        weight = weight[inside] * abs(float(self.focal_px[0] * self.focal_px[1])) / depth**2
        whole_column, whole_row = column.astype(np.int64), row.astype(np.int64)
        right, below = column - whole_column, row - whole_row
        cell = whole_row * columns + whole_column
        layers = 1
        if amount is None:
            layers = len(cloud.part_names)
            cell = cell + cloud.part[inside] * (rows * columns)
        size = layers * rows * columns
        picture = np.bincount(cell, weight * (1 - right) * (1 - below), size)
        picture += np.bincount(cell + 1, weight * right * (1 - below), size)
        picture += np.bincount(cell + columns, weight * (1 - right) * below, size)
        picture += np.bincount(cell + columns + 1, weight * right * below, size)
        return self._passed(picture.reshape(layers, rows, columns).astype(np.float32))

    def filled(
        self, state: RigidState, local_mm: Float[np.ndarray, "n 3"], cloud: VesselCloud, view: int
    ) -> tuple[Filling, Float[np.ndarray, "parts pixels"]]:
        """The best fillings at a pose, and the parts' pictures there."""
        parts = self.rendered(state, local_mm, cloud, view)
        gram, along = gram_of(parts), (parts @ self.target).astype(np.float64)
        amount, ncc = self.best(gram, along)
        clear = float(np.clip(ncc / self.attainable, 0.0, 1.0))
        return Filling(ncc=ncc, clear=clear, amount=amount, energy=np.diag(gram).copy()), parts

    def best(
        self, gram: Float[np.ndarray, "k k"], along: Float[np.ndarray, " k"]
    ) -> tuple[Float[np.ndarray, " k"], float]:
        """The best fillings, and the correlation of their sum with a target of this picture's energy."""
        amount = best_amounts(gram, along)
        norm = float(np.sqrt(max(amount @ gram @ amount, 0.0)) * np.linalg.norm(self.target))
        return amount, float(amount @ along) / norm if norm > 0 else 0.0

    def _passed(self, padded: Float[np.ndarray, "k rows columns"]) -> Float[np.ndarray, "k pixels"]:
        inner = slice(_PAD_PX, -_PAD_PX)
        found = np.empty((len(padded), len(self.index)), np.float32)
        for layer, picture in enumerate(padded):
            smooth = cv2.GaussianBlur(picture, (0, 0), _SMOOTH_PX)[inner, inner]
            found[layer] = _without_smooth(smooth, self.seen, self.band_px, self.band_norm).ravel()[self.index]
        found *= self.weight
        return found - found.mean(axis=1, keepdims=True)


def filled_picture(
    contrast: Float[np.ndarray, "rows columns"],
    field_of_view: Bool[np.ndarray, "rows columns"],
    *,
    intrinsics_px: Float[np.ndarray, "3 3"],
    camera_from_isocentre: Float[np.ndarray, "4 4"],
    sod_mm: float,
    pixel_mm: float,
    band_mm: float,
) -> FilledPicture | None:
    """Reduce a contrast picture so that a pixel is about `pixel_mm` in the isocentre plane; None where it is empty.

    Args:
        contrast: darkening by contrast, any unit linear in the logarithm of the X-rays; rises with contrast.
    """
    full_mm = sod_mm / abs(float(intrinsics_px[0, 0]))
    rows, columns = contrast.shape
    shape = tuple(max(8, round(size * min(1.0, full_mm / pixel_mm))) for size in (rows, columns))
    rim = np.ones((2 * _RIM_PX + 1, 2 * _RIM_PX + 1), np.uint8)
    open_field = cv2.erode(np.pad(field_of_view, 1).astype(np.uint8), rim)[1:-1, 1:-1].astype(np.float32)
    size = (shape[1], shape[0])
    share = cv2.resize(open_field, size, interpolation=cv2.INTER_AREA)
    mean = cv2.resize((contrast * open_field).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    seen = share > _SEEN_SHARE
    if not seen.any():
        return None
    mean = np.where(seen, mean / np.maximum(share, 1e-3), 0.0)
    smooth = cv2.GaussianBlur(mean.astype(np.float64), (0, 0), _SMOOTH_PX)
    scale = np.array([shape[1] / columns, shape[0] / rows])
    pixel = full_mm / float(scale[0])
    band_px = band_mm / pixel
    norm = _blurred(seen.astype(np.float64), band_px) if band_px > 0 else np.ones(shape)
    index = np.flatnonzero(seen)
    passed = _without_smooth(smooth, seen, band_px, norm)
    weight = _evened(passed, seen, _EVEN_MM / pixel).ravel()[index]
    target = passed.ravel()[index] * weight
    target = target - target.mean()
    if not np.linalg.norm(target) > 0:
        return None
    # Single precision from here on: cameras count to 4096, and fits take half the time.
    return FilledPicture(
        target=target.astype(np.float32),
        seen=seen,
        index=index,
        camera_from_isocentre=camera_from_isocentre,
        focal_px=np.diag(intrinsics_px)[:2] * scale,
        centre_px=(intrinsics_px[:2, 2] + 0.5) * scale - 0.5,
        mm_per_px=pixel,
        band_px=band_px,
        band_norm=norm.astype(np.float32),
        weight=weight.astype(np.float32),
        attainable=_attainable(passed.ravel()[index], weight),
    )


def best_correlation(
    gram: Float[np.ndarray, "k k"], parts: Float[np.ndarray, "k pixels"], target: Float[np.ndarray, " pixels"]
) -> float:
    """Of the parts' best sum with the target, whose mean is taken out; 0 where they show nothing of it."""
    target = target - target.mean()
    along = (parts @ target).astype(np.float64)
    amount = best_amounts(gram, along)
    norm = math.sqrt(max(float(amount @ gram @ amount), 0.0)) * float(np.linalg.norm(target))
    return float(amount @ along) / norm if norm > 0 else 0.0


def gram_of(parts: Float[np.ndarray, "k pixels"]) -> Float[np.ndarray, "k k"]:
    """Inner products of the parts' pictures with each other."""
    return (parts @ parts.T).astype(np.float64)


def best_amounts(gram: Float[np.ndarray, "k k"], along: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """Non-negative least squares from the parts' inner products with each other and with the target."""
    amount = np.zeros(len(along))
    scale = np.sqrt(np.diag(gram))
    shown = scale > 1e-9 * max(float(scale.max(initial=0.0)), 1e-12)
    if not shown.any():
        return amount
    scaled = gram[np.ix_(shown, shown)] / np.outer(scale[shown], scale[shown])
    lower = np.linalg.cholesky(scaled + _RIDGE * np.eye(len(scaled)))
    amount[shown] = nnls(lower.T, np.linalg.solve(lower, along[shown] / scale[shown]))[0] / scale[shown]
    return amount


def _without_smooth(
    picture: Float[np.ndarray, "r c"],
    seen: Bool[np.ndarray, "r c"],
    band_px: float,
    norm: Float[np.ndarray, "r c"],
) -> Float[np.ndarray, "r c"]:
    if band_px <= 0:
        return picture
    smooth = _blurred(picture * seen, band_px)
    return picture - smooth / np.maximum(norm, 1e-3)


def _evened(
    passed: Float[np.ndarray, "r c"], seen: Bool[np.ndarray, "r c"], sigma_px: float
) -> Float[np.ndarray, "r c"]:
    """Weights that give thin vessels a say beside thick ones: one over the contrast nearby, limited."""
    near = np.sqrt(np.maximum(_blurred(passed**2 * seen, sigma_px), 0.0))
    strong = float(np.percentile(near[seen], 99))
    return 1.0 / (near / max(strong, 1e-12) + _EVEN_FLOOR)


def _attainable(passed: Float[np.ndarray, " pixels"], weight: Float[np.ndarray, " pixels"]) -> float:
    """From the typical size of band-passed pixels, most of which show no vessel."""
    noise = 1.4826 * float(np.median(np.abs(passed - np.median(passed))))
    share = noise**2 * float((weight**2).sum()) / max(float(((weight * passed) ** 2).sum()), 1e-30)
    return float(np.sqrt(max(1.0 - share, _LEAST_SIGNAL)))


def _blurred(picture: Float[np.ndarray, "r c"], sigma_px: float) -> Float[np.ndarray, "r c"]:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma_px, borderType=cv2.BORDER_CONSTANT))
