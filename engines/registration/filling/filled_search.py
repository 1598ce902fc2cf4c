"""Where on the contrast picture the vessels could lie, whatever part of them is filled.

The parts' pictures at one rotation are correlated with the contrast at every in-plane shift by Fourier transform; at
each shift the fillings that fit best are found by a few rounds of coordinate descent, for all shifts at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.fft import next_fast_len

from engines.registration.alignment.levenberg_marquardt import PosePrior
from engines.registration.features.image_features import PreparedView
from engines.registration.features.projected_model import RigidState
from engines.registration.filling.filled_picture import FilledPicture
from engines.registration.filling.filled_views import FilledViews

_ROUNDS = 6
_PEAKS = 3
_NEAR_MM = 10.0  # peaks nearer than this are one
_PRIOR_COST = 0.01  # of correlation, for half a squared standard deviation


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilledCandidate:
    state: RigidState
    ncc: float


def filled_search(
    pictures: FilledViews,
    view: PreparedView,
    prior: PosePrior,
    rotations: Sequence[Float[np.ndarray, "3 3"]],
    *,
    keep: int,
) -> list[FilledCandidate]:
    """The best poses over these rotations and every in-plane shift of the first view, at the prior's depth."""
    picture = pictures.pictures[0]
    rows, columns = picture.shape_px
    padded = tuple(int(next_fast_len(2 * size, real=True)) for size in (rows, columns))  # type: ignore[arg-type]
    full = np.zeros(rows * columns)
    full[picture.index] = picture.target
    spectrum = np.fft.rfft2(full.reshape(rows, columns), padded)
    norm = float(np.linalg.norm(picture.target))
    found: list[FilledCandidate] = []
    for rotation in rotations:
        state = replace(prior.state, rotation=rotation)
        centred = _on_axis(state, view)
        parts = _whole_parts(picture, centred, pictures)
        score = _scores(parts, spectrum, padded, norm)
        found += _peaks(score, state, centred, picture, view, prior)
    found.sort(key=lambda candidate: -candidate.ncc)
    return found[:keep]


def _on_axis(state: RigidState, view: PreparedView) -> RigidState:
    """The state with its pivot on the central ray, where the parts' pictures are whole."""
    arm = view.camera_from_isocentre
    camera = arm[:3, :3] @ state.pivot_mm + arm[:3, 3]
    return replace(state, pivot_mm=arm[:3, :3].T @ (np.array([0.0, 0.0, camera[2]]) - arm[:3, 3]))


def _whole_parts(
    picture: FilledPicture, state: RigidState, pictures: FilledViews
) -> Float[np.ndarray, "k rows columns"]:
    """As if the whole picture were open: the pivot's pixel in the middle."""
    rows, columns = picture.shape_px
    open_ = np.ones((rows, columns), bool)
    middle = replace(
        picture,
        seen=open_,
        index=np.arange(rows * columns),
        centre_px=np.array([0.5 * (columns - 1), 0.5 * (rows - 1)]),
        band_norm=np.ones((rows, columns)),
        weight=np.ones(rows * columns),
    )
    parts = middle.rendered(state, pictures.local_mm, pictures.cloud, 0)
    return parts.reshape(len(parts), rows, columns)


def _scores(
    parts: Float[np.ndarray, "k rows columns"],
    spectrum: np.ndarray,
    padded: tuple[int, ...],
    norm: float,
) -> Float[np.ndarray, "r c"]:
    """Correlation at every cyclic shift (row, column) of the parts, with the best non-negative fillings there."""
    flat = parts.reshape(len(parts), -1)
    energy = np.einsum("kp,kp->k", flat, flat)
    shown = energy > 1e-6 * energy.max(initial=0.0)
    flat, parts, energy = flat[shown], parts[shown], energy[shown]
    if not len(parts):
        return np.zeros(padded)
    flat = flat / np.sqrt(energy)[:, None]
    gram = flat @ flat.T
    of_parts = np.fft.rfft2(parts / np.sqrt(energy)[:, None, None], padded)
    along = np.fft.irfft2(spectrum[None] * np.conj(of_parts), padded)
    along = along.reshape(len(parts), -1).astype(np.float32)
    amount = np.zeros_like(along)
    for _ in range(_ROUNDS):
        for part in range(len(parts)):
            others = gram[part].astype(np.float32) @ amount - amount[part]
            amount[part] = np.maximum(along[part] - others, 0.0)
    explained = 2.0 * (amount * along).sum(axis=0) - (amount * (gram.astype(np.float32) @ amount)).sum(axis=0)
    explained = np.maximum(explained, 0.0)
    return np.sqrt(explained).reshape(padded) / norm


def _peaks(
    score: Float[np.ndarray, "r c"],
    state: RigidState,
    centred: RigidState,
    picture: FilledPicture,
    view: PreparedView,
    prior: PosePrior,
) -> list[FilledCandidate]:
    rows, columns = picture.shape_px
    arm = view.camera_from_isocentre
    depth = float((arm[:3, :3] @ centred.pivot_mm + arm[:3, 3])[2])
    row = _unwrapped(score.shape[0], rows)[:, None]
    column = _unwrapped(score.shape[1], columns)[None]
    # The pivot's pixel was the middle; a shift moves it from there.
    x_mm = (column + 0.5 * (columns - 1) - picture.centre_px[0]) / picture.focal_px[0] * depth
    y_mm = (row + 0.5 * (rows - 1) - picture.centre_px[1]) / picture.focal_px[1] * depth
    expected = arm[:3, :3] @ prior.state.pivot_mm + arm[:3, 3]
    away = ((x_mm - expected[0]) ** 2 + (y_mm - expected[1]) ** 2) / prior.in_plane_mm**2
    left = score - _PRIOR_COST * np.minimum(0.5 * away, 12.0)
    found = []
    for _ in range(_PEAKS):
        at = np.unravel_index(int(np.argmax(left)), left.shape)
        camera = np.array([x_mm[0, at[1]], y_mm[at[0], 0], depth])
        pivot = arm[:3, :3].T @ (camera - arm[:3, 3])
        found.append(FilledCandidate(state=replace(state, pivot_mm=pivot), ncc=float(left[at])))
        near = (row - row[at[0]]) ** 2 + (column - column[0, at[1]]) ** 2 < (_NEAR_MM / picture.mm_per_px) ** 2
        left = np.where(near, -np.inf, left)
    return found


def _unwrapped(size: int, picture: int) -> Float[np.ndarray, " n"]:
    index = np.arange(size, dtype=np.float64)
    return np.where(index >= picture, index - size, index)
