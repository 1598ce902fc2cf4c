"""Search for places of the vessel tree by correlating its drawn shadow with the vessel probability.

One fast Fourier transform evaluates every in-plane shift at once, so the patient may lie anywhere on the table. The
rotations and depths around the start are tried one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from jaxtyping import Float
from scipy.fft import next_fast_len
from scipy.spatial.transform import Rotation

from engines.registration.alignment.levenberg_marquardt import PosePrior
from engines.registration.features.image_features import PreparedView
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import RigidState

_CELLS = 96  # longer side of the coarse picture
_BLUR_MM = 3.0
_SURE_RADIUS_MM = 1.2
_PEAKS = 3
_DEEPENED = 6
_PRIOR_COST = 0.01  # loss of correlation for half a squared standard deviation from the prior
_FLOOR = 0.35  # smallest visible share of the shadow's energy; a shift that shows less of the tree cannot win


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """A promising pose, and the searched system that it matched."""

    state: RigidState
    system: int
    correlation: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _CoarsePicture:
    cell_mm: float
    origin_mm: Float[np.ndarray, " 2"]
    padded: tuple[int, int]
    picture: np.ndarray
    field: np.ndarray
    norm: float
    shape: tuple[int, int]


def rotation_grid(prior: PosePrior, *, reach: float = 1.4) -> list[Float[np.ndarray, "3 3"]]:
    """The start's rotation and its neighbours, turned about one or two axes by `reach` sigmas; 19 in all."""
    step = reach * prior.rotation_rad
    turns = [np.array(t, float) for t in product((-1, 0, 1), repeat=3) if np.abs(t).sum() <= 2]
    turns.sort(key=lambda t: float(np.abs(t).sum()))
    return [
        Rotation.from_rotvec(step * t / max(1.0, np.linalg.norm(t))).as_matrix() @ prior.state.rotation for t in turns
    ]


def search(
    systems: Sequence[PreparedModel],
    view: PreparedView,
    prior: PosePrior,
    *,
    depths_mm: Sequence[float],
    keep: int,
) -> list[Candidate]:
    """The `keep` best poses over systems, rotations, depth offsets and every in-plane shift; best first.

    Depths are tried for the best rotations only. Distance from the prior lowers the correlation only a little, because
    a picture seldom shows more than part of the tree and its correlation is small.

    Args:
        systems: trees with a common pivot, one of which is filled (the whole model may be one of them).
        depths_mm: offsets along the beam that are tried besides 0.
    """
    coarse = _coarse_picture(view, reach_mm=3.0 * prior.in_plane_mm)
    if coarse.norm <= 0:
        return []
    found = [
        candidate
        for system, model in enumerate(systems)
        for rotation in rotation_grid(prior)
        for candidate in _best_shifts(model, system, view, prior, rotation, 0.0, coarse)
    ]
    found.sort(key=lambda candidate: -candidate.correlation)
    for candidate in _one_each(found)[:_DEEPENED]:
        for offset_mm in depths_mm:
            model = systems[candidate.system]
            found += _best_shifts(model, candidate.system, view, prior, candidate.state.rotation, offset_mm, coarse)
    found.sort(key=lambda candidate: -candidate.correlation)
    return found[:keep]


def _one_each(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The best candidate of each system and rotation."""
    best: dict[tuple[int, bytes], Candidate] = {}
    for candidate in candidates:
        best.setdefault((candidate.system, candidate.state.rotation.tobytes()), candidate)
    return list(best.values())


def _best_shifts(
    model: PreparedModel,
    system: int,
    view: PreparedView,
    prior: PosePrior,
    rotation: Float[np.ndarray, "3 3"],
    offset_mm: float,
    coarse: _CoarsePicture,
) -> list[Candidate]:
    arm = view.camera_from_isocentre
    centre = arm[:3, :3] @ prior.state.pivot_mm + arm[:3, 3] + np.array([0.0, 0.0, offset_mm])
    score, at_mm = _correlate(model, arm[:3, :3] @ rotation, centre, view.sod_mm, coarse)
    shift = at_mm - centre[:2] * view.sod_mm / centre[2]
    penalty = 0.5 * (shift[..., 0] ** 2 + shift[..., 1] ** 2) / prior.in_plane_mm**2
    score = score - _PRIOR_COST * np.minimum(penalty, 12.0)
    found = []
    for row, column in _peaks(score, _PEAKS, radius=max(2, int(6.0 / coarse.cell_mm))):
        camera = centre.copy()
        camera[:2] = at_mm[row, column] * centre[2] / view.sod_mm
        state = RigidState(
            rotation=rotation, pivot_mm=arm[:3, :3].T @ (camera - arm[:3, 3]), shifts_mm=prior.state.shifts_mm
        )
        found.append(Candidate(state=state, system=system, correlation=float(score[row, column])))
    return found


def _coarse_picture(view: PreparedView, reach_mm: float) -> _CoarsePicture:
    rows, columns = view.probability.shape
    shrink = max(rows, columns) / _CELLS
    shape = (max(1, round(rows / shrink)), max(1, round(columns / shrink)))
    picture = cv2.resize(view.probability, shape[::-1], interpolation=cv2.INTER_AREA)
    field = cv2.resize(view.field_of_view.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA)
    # Flip to the camera's axes: the picture may be mirrored, and its rows run against camera y.
    axes = np.sign(np.diag(view.geometry.intrinsics_px())[:2])
    if axes[0] < 0:
        picture, field = picture[:, ::-1], field[:, ::-1]
    if axes[1] < 0:
        picture, field = picture[::-1], field[::-1]
    corners = view.plane_from_px(np.array([[0.0, 0.0], [columns - 1.0, rows - 1.0]]))
    cell_mm = float(abs(corners[1, 0] - corners[0, 0]) / max(columns - 1, 1) * columns / shape[1])
    half_px = 0.5 * (shrink - 1)
    first = view.plane_from_px(np.array([[half_px, half_px], [columns - 1 - half_px, rows - 1 - half_px]]))
    sigma = _BLUR_MM / cell_mm
    # A narrow vessel fills little of a cell; the square root raises thin vessels against thick ones.
    picture = cv2.GaussianBlur(np.sqrt(np.clip(picture, 0, 1)), (0, 0), sigma)
    pad = int(np.ceil(min(reach_mm, 120.0) / cell_mm))
    padded = _fast_length(shape[0] + 2 * pad), _fast_length(shape[1] + 2 * pad)
    return _CoarsePicture(
        cell_mm=cell_mm,
        origin_mm=first.min(axis=0),
        padded=padded,
        picture=np.fft.rfft2(picture, padded),
        field=np.fft.rfft2(field, padded),
        norm=float(np.linalg.norm(picture)),
        shape=shape,
    )


def _correlate(
    model: PreparedModel,
    camera_rotation: Float[np.ndarray, "3 3"],
    centre: Float[np.ndarray, " 3"],
    sod_mm: float,
    coarse: _CoarsePicture,
) -> tuple[Float[np.ndarray, "r c"], Float[np.ndarray, "r c 2"]]:
    """Normalised correlation at every shift, and the position of the model's pivot in the isocentre plane there."""
    local = (model.points_mm - model.pivot_mm) @ camera_rotation.T
    depth = centre[2] + local[:, 2]
    plane = (local[:, :2] + centre[:2]) * (sod_mm / depth)[:, None] - centre[:2] * sod_mm / centre[2]
    rows, columns = coarse.padded
    cells = plane / coarse.cell_mm
    low = np.floor(cells.min(axis=0)) - 2
    size = np.minimum(np.ceil(cells.max(axis=0) - low).astype(int) + 3, (columns, rows))
    shadow = np.zeros((size[1], size[0]), np.float32)
    for branch in range(len(model.branch_names)):
        of_branch = model.branch == branch
        if of_branch.sum() < 2:
            continue
        radius_mm = float(model.radius_mm[of_branch].mean())
        width = max(1, round(2 * radius_mm * sod_mm / centre[2] / coarse.cell_mm))
        # The finest branches are seldom segmented, so they are drawn weaker.
        strength = float(np.clip(radius_mm / _SURE_RADIUS_MM, 0.4, 1.0))
        line = np.rint((cells[of_branch] - low) * 16).astype(np.int32)
        cv2.polylines(shadow, [line[:, None]], isClosed=False, color=strength, thickness=width, shift=4)
    shadow = cv2.GaussianBlur(shadow, (0, 0), _BLUR_MM / coarse.cell_mm)
    spectrum = np.conj(np.fft.rfft2(shadow, coarse.padded))
    energy = np.conj(np.fft.rfft2(shadow**2, coarse.padded))
    overlap = np.fft.irfft2(coarse.picture * spectrum, coarse.padded)
    seen = np.fft.irfft2(coarse.field * energy, coarse.padded)
    floor = _FLOOR * float((shadow**2).sum())
    score = overlap / np.sqrt(np.maximum(seen, floor) + 1e-9) / coarse.norm
    # At entry (r, c) the shadow's corner lies on cell (r, c), wrapped; the pivot lies at -low from that corner.
    row = _unwrapped(rows, coarse.shape[0])
    column = _unwrapped(columns, coarse.shape[1])
    at_mm = np.empty((*score.shape, 2))
    at_mm[..., 0] = (coarse.origin_mm[0] + (column - low[0]) * coarse.cell_mm)[None, :]
    at_mm[..., 1] = (coarse.origin_mm[1] + (row - low[1]) * coarse.cell_mm)[:, None]
    return score, at_mm


def _fast_length(size: int) -> int:
    return int(next_fast_len(size, real=True))  # type: ignore[arg-type] - the stub hides the returned int


def _unwrapped(size: int, picture: int) -> Float[np.ndarray, " n"]:
    index = np.arange(size, dtype=np.float64)
    return np.where(index >= picture, index - size, index)


def _peaks(score: Float[np.ndarray, "r c"], count: int, radius: int) -> list[tuple[int, int]]:
    left = score.copy()
    found = []
    for _ in range(count):
        row, column = np.unravel_index(int(np.argmax(left)), left.shape)
        found.append((int(row), int(column)))
        left[max(0, row - radius) : row + radius + 1, max(0, column - radius) : column + radius + 1] = -np.inf
    return found
