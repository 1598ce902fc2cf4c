"""Models as people have them, and contrast as runs show it: for simulated registrations whose confidence is fitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from engines.anatomy.surface import surface_from_labels
from engines.anatomy.vessel_model import CenterlineTree, LabelVolume, VesselModel
from engines.registration.view import RegistrationView

Defect = Callable[[VesselModel, np.random.Generator], VesselModel]
_MOST_LUMEN = 1.9  # of the true one, both lumina together


def with_unfilled_lumen(model: VesselModel, rng: np.random.Generator) -> VesselModel:
    """A second lumen beside the largest structure, which no injection fills, as in a dissection."""
    labels = model.labels
    assert labels is not None
    largest = max(labels.names, key=lambda value: int((labels.labels == value).sum()))
    own = labels.labels == largest
    thickness = rng.uniform(4.0, 14.0) / _voxel_mm(labels)
    around = np.asarray(ndimage.distance_transform_edt(~own)) <= thickness
    index = np.stack(np.meshgrid(*(np.arange(size) for size in own.shape), indexing="ij"), axis=-1)
    middle = np.argwhere(own).mean(axis=0)
    side = _unit(rng) * [1.0, 1.0, 0.3]
    beside = ((index - middle) @ side) > rng.uniform(-10.0, 5.0)
    along = _between(index[..., 2], own, rng)
    extra = around & (labels.labels == 0) & beside & along
    return _with(model, np.where(extra, _free(labels), labels.labels), {_free(labels): "aorta_false_lumen"})


def cut_short(model: VesselModel, rng: np.random.Generator) -> VesselModel:
    """What lies beyond a plane was left out."""
    labels = model.labels
    assert labels is not None
    filled = np.argwhere(labels.labels > 0)
    along = filled @ _unit(rng)
    gone = filled[along > np.quantile(along, rng.uniform(0.6, 0.9))]
    changed = labels.labels.copy()
    changed[tuple(gone.T)] = 0
    return _with(model, changed)


def thicker_or_thinner(model: VesselModel, rng: np.random.Generator) -> VesselModel:
    """A threshold set too low or too high: half a voxel to one and a half of it."""
    labels = model.labels
    assert labels is not None
    if rng.uniform() < 0.5:
        grown = ndimage.grey_dilation(labels.labels, footprint=ndimage.generate_binary_structure(3, 1))
        return _with(model, np.where(labels.labels > 0, labels.labels, grown))
    filled = np.asarray(labels.labels > 0)
    kept = np.asarray(ndimage.binary_erosion(filled), dtype=bool) | (
        np.asarray(ndimage.distance_transform_edt(filled)) > 1.5
    )
    # The thinnest vessels are one voxel wide: erosion alone would take them out.
    return _with(model, np.where(kept | (ndimage.uniform_filter(filled.astype(float), 5) < 0.12), labels.labels, 0))


def with_holes_and_debris(model: VesselModel, rng: np.random.Generator) -> VesselModel:
    """Balls taken out of the vessels, and balls of bone or calcium taken for vessel."""
    labels = model.labels
    assert labels is not None
    changed = labels.labels.copy()
    filled = np.argwhere(changed > 0)
    low, high = filled.min(axis=0), filled.max(axis=0)
    for number in range(int(rng.integers(4, 16))):
        radius = rng.uniform(2.0, 7.0) / _voxel_mm(labels)
        centre = filled[rng.integers(len(filled))] if number % 2 else rng.uniform(low, high)
        box = tuple(
            slice(max(0, int(c - radius)), min(size, int(c + radius) + 1))
            for c, size in zip(centre, changed.shape, strict=True)
        )
        grid = np.stack(np.meshgrid(*(np.arange(b.start, b.stop) for b in box), indexing="ij"), axis=-1)
        ball = ((grid - centre) ** 2).sum(axis=-1) <= radius**2
        changed[box] = np.where(ball, 0 if number % 2 else next(iter(labels.names)), changed[box])
    return _with(model, changed)


def merged_labels(model: VesselModel, rng: np.random.Generator) -> VesselModel:  # noqa: ARG001 - of a defect's form
    """One label for everything."""
    assert model.labels is not None
    return _with(model, (model.labels.labels > 0).astype(np.uint8), {1: "artery"})


def centerlines_only(model: VesselModel, rng: np.random.Generator) -> VesselModel:
    """Centerlines whose radii are off by one factor: to the nearest wall, or of a round vessel of the same area."""
    assert model.centerlines is not None
    factor = rng.uniform(0.75, 1.15)
    branches = tuple(replace(b, radius_mm=b.radius_mm * factor) for b in model.centerlines.branches)
    return replace(model, labels=None, surface=None, centerlines=CenterlineTree(branches=branches))


def surface_only(model: VesselModel, rng: np.random.Generator) -> VesselModel:
    """A surface without names: of what was simulated, or around a false lumen too."""
    with_more = with_unfilled_lumen(model, rng) if rng.uniform() < 0.5 else model
    assert with_more.labels is not None
    assert model.centerlines is not None
    nameless = tuple(replace(branch, name="") for branch in model.centerlines.branches)
    return replace(
        model,
        labels=None,
        surface=surface_from_labels(with_more.labels),
        centerlines=CenterlineTree(branches=nameless),
    )


def lumina_not_told(model: VesselModel, rng: np.random.Generator) -> VesselModel:
    """A false lumen beside the true one under one label; as it was where the false one would be the larger."""
    assert model.labels is not None
    both = with_unfilled_lumen(model, rng)
    assert both.labels is not None
    if np.count_nonzero(both.labels.labels) > _MOST_LUMEN * np.count_nonzero(model.labels.labels):
        return model
    return merged_labels(both, rng)


def bent(model: VesselModel, rng: np.random.Generator) -> VesselModel:
    """Labels bent by waves of 1 to 3 mm, as a patient lies otherwise on the table than in the scanner."""
    labels = model.labels
    assert labels is not None
    index = np.stack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in labels.labels.shape), indexing="ij"))
    place = index.copy()
    for axis in range(3):
        along = np.tensordot(_unit(rng).astype(np.float32), index, axes=1)
        wave = rng.uniform(60.0, 160.0) / _voxel_mm(labels)
        height = rng.uniform(1.0, 3.0) / _voxel_mm(labels)
        place[axis] += height * np.sin(2 * np.pi * along / wave + rng.uniform(0.0, 2 * np.pi))
    return _with(model, ndimage.map_coordinates(labels.labels, place, order=0, mode="nearest"))


DEFECTS: dict[str, Defect] = {
    "unfilled lumen": with_unfilled_lumen,
    "cut short": cut_short,
    "thickness": thicker_or_thinner,
    "holes and debris": with_holes_and_debris,
    "merged": merged_labels,
    "lumina not told": lumina_not_told,
    "bent": bent,
}


def spoilt_contrast(view: RegistrationView, rng: np.random.Generator) -> RegistrationView:
    """Noise, a part that does not fill, a patient who moved, another grey scale, a smaller field: some of them."""
    assert view.contrast is not None
    contrast = view.contrast.astype(np.float32)
    strong = float(np.percentile(np.abs(contrast), 99.5))
    if rng.uniform() < 0.4:
        noise = rng.normal(0.0, 1.0, contrast.shape).astype(np.float32)
        contrast = contrast + rng.uniform(0.05, 0.5) * strong * cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.4, 1.0))
    if rng.uniform() < 0.3:
        contrast = contrast * (1.0 - rng.uniform(0.5, 1.0) * _half_plane(contrast.shape, rng))
    if rng.uniform() < 0.3 and view.image is not None and view.image.shape == contrast.shape:
        contrast = contrast + _moved_edges(view.image, strong, rng)
    if rng.uniform() < 0.3:
        contrast = np.sign(contrast) * strong * (np.abs(contrast) / max(strong, 1e-9)) ** rng.uniform(0.7, 1.4)
    view = replace(view, contrast=contrast)
    return _smaller_field(view, rng) if rng.uniform() < 0.25 else view


def _half_plane(shape: tuple[int, ...], rng: np.random.Generator) -> Float[np.ndarray, "r c"]:
    """1 on one side of a line across the picture, 0 on the other, soft between."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] / max(shape) - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    away = np.cos(angle) * rows + np.sin(angle) * columns - rng.uniform(-0.1, 0.25)
    return 1.0 / (1.0 + np.exp(-away / 0.02))


def _moved_edges(image: np.ndarray, strong: float, rng: np.random.Generator) -> Float[np.ndarray, "r c"]:
    picture = image.astype(np.float32)
    shift = np.array([[1.0, 0.0, rng.normal(0.0, 1.5)], [0.0, 1.0, rng.normal(0.0, 1.5)]])
    moved = cv2.warpAffine(picture, shift, picture.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    edges = moved - picture
    return edges / max(float(np.percentile(np.abs(edges), 99.5)), 1e-9) * rng.uniform(0.1, 0.6) * strong


def _smaller_field(view: RegistrationView, rng: np.random.Generator) -> RegistrationView:
    rows, columns = view.vessel.shape
    height, width = (int(rng.uniform(0.4, 0.8) * size) for size in (rows, columns))
    top, left = int(rng.integers(rows - height)), int(rng.integers(columns - width))
    open_: Bool[np.ndarray, "r c"] = np.zeros((rows, columns), bool)
    open_[top : top + height, left : left + width] = True
    if view.field_of_view is not None:
        open_ &= view.field_of_view
    return replace(view, field_of_view=open_) if open_.any() else view


def _between(place: np.ndarray, own: Bool[np.ndarray, "i j k"], rng: np.random.Generator) -> np.ndarray:
    filled = np.flatnonzero(own.any(axis=(0, 1)))
    low, high = np.sort(rng.uniform(filled[0], filled[-1], 2))
    reach = 0.25 * (filled[-1] - filled[0])
    return (place >= low - reach) & (place <= high + reach)


def _with(model: VesselModel, labels: np.ndarray, names: dict[int, str] | None = None) -> VesselModel:
    assert model.labels is not None
    known = model.labels.names | (names or {})
    present = {value: name for value, name in known.items() if (labels == value).any()}
    volume = LabelVolume(labels=labels, lps_from_index=model.labels.lps_from_index, names=present)
    return replace(model, labels=volume) if present else model


def _free(labels: LabelVolume) -> int:
    return max(labels.names) + 1


def _voxel_mm(labels: LabelVolume) -> float:
    return float(np.linalg.norm(labels.lps_from_index[:3, 0]))


def _unit(rng: np.random.Generator) -> Float[np.ndarray, " 3"]:
    direction = rng.standard_normal(3)
    return direction / np.linalg.norm(direction)
