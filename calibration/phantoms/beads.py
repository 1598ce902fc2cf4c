"""Find beads in an X-ray picture, to a few hundredths of a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer
from scipy.ndimage import gaussian_laplace, maximum_filter
from scipy.optimize import least_squares

_SMALLEST_SIGMA_PX, _SCALES, _STEP = 1.4, 6, 1.3
_NOISE_SIGMAS = 8.0
_MOST_CANDIDATES = 400
_LOG_FLOOR = 0.005  # share of full scale, added before the logarithm
_LEAST_SHARE = 0.08  # smallest response, relative to the median of the strong ones
_MOST_ELONGATION = 1.35


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenBead:
    """The round shadow of a bead.

    Args:
        column_px, row_px: centre.
        sigma_px: width of the Gaussian that fits it best.
        strength: attenuation summed over the shadow, in pixels; proportional to the ball's volume.
    """

    column_px: float
    row_px: float
    sigma_px: float
    strength: float


def attenuation(
    pixels: Integer[np.ndarray, "rows columns"],
    bits_stored: int,
    *,
    log_intensity: bool = False,
    dense_bright: bool = False,
) -> Float[np.ndarray, "rows columns"]:
    """The line integral of attenuation, up to scale and a constant.

    Args:
        log_intensity: whether the pixels are already logarithms of the intensity.
        dense_bright: whether dense objects are bright, as in inverted pictures.
    """
    share = pixels.astype(np.float64) / ((1 << bits_stored) - 1)
    if dense_bright:
        share = 1.0 - share
    return -np.log(_LOG_FLOOR) * (1.0 - share) if log_intensity else -np.log(share + _LOG_FLOOR)


def find_beads(line_integral: Float[np.ndarray, "rows columns"]) -> list[SeenBead]:
    """Round spots denser than their surroundings, the strongest first.

    The Laplacian of a Gaussian ignores an evenly changing background; at each of its peaks a Gaussian on a plane is
    fitted. Overlapping beads form no round spot and are left out.
    """
    peaks = _peaks(line_integral)
    seen = [bead for peak in peaks if (bead := _fitted(line_integral, *peak)) is not None]
    kept: list[SeenBead] = []
    for bead in sorted(seen, key=lambda bead: -bead.strength):
        if all(
            np.hypot(bead.column_px - other.column_px, bead.row_px - other.row_px) > 1.5 * other.sigma_px
            for other in kept
        ):
            kept.append(bead)
    return kept


def _peaks(picture: Float[np.ndarray, "rows columns"]) -> list[tuple[int, int, float]]:
    """(column, row, sigma) of the maxima over place and scale that exceed the noise."""
    sigmas = _SMALLEST_SIGMA_PX * _STEP ** np.arange(_SCALES)
    stack = np.stack([-(sigma**2) * gaussian_laplace(picture, sigma) for sigma in sigmas])
    best = stack.max(axis=0)
    scale = stack.argmax(axis=0)
    noise = 1.4826 * np.median(np.abs(stack[1]))
    top = best == maximum_filter(best, size=5)
    strong = top & (best > _NOISE_SIGMAS * noise)
    edge = int(np.ceil(2 * sigmas[0]))
    strong[:edge] = strong[-edge:] = strong[:, :edge] = strong[:, -edge:] = False
    rows, columns = np.nonzero(strong)
    values = best[rows, columns]
    if not len(values):
        return []
    order = np.argsort(-values)[:_MOST_CANDIDATES]
    reference = np.median(values[order[:20]])
    return [
        (int(columns[i]), int(rows[i]), float(sigmas[scale[rows[i], columns[i]]]))
        for i in order
        if values[i] > _LEAST_SHARE * reference
    ]


def _fitted(picture: Float[np.ndarray, "rows columns"], column: int, row: int, sigma: float) -> SeenBead | None:
    half = int(np.ceil(2.6 * sigma))
    low_row, low_column = max(row - half, 0), max(column - half, 0)
    patch = picture[low_row : row + half + 1, low_column : column + half + 1]
    down, across = np.mgrid[: patch.shape[0], : patch.shape[1]]
    across = (across + low_column - column).ravel().astype(float)
    down = (down + low_row - row).ravel().astype(float)
    values = patch.ravel()
    border = np.hypot(across, down) > 2.0 * sigma
    base = float(np.median(values[border]))
    start = np.array([0.0, 0.0, np.log(sigma), np.log(sigma), 0.0, max(values.max() - base, 1e-3), base, 0.0, 0.0])
    try:
        found = least_squares(_misfit, start, args=(across, down, values), method="lm", max_nfev=120)
    except (ValueError, np.linalg.LinAlgError):
        return None
    x, y, log_a, log_b, _, amplitude = found.x[:6]
    wide, narrow = float(np.exp(max(log_a, log_b))), float(np.exp(min(log_a, log_b)))
    inside = np.hypot(x, y) <= 1.5 * sigma and wide > 0.5 and wide < 2.2 * sigma
    if not inside or amplitude <= 0 or wide > _MOST_ELONGATION * narrow:
        return None
    rest = 1.4826 * np.median(np.abs(found.fun))
    if amplitude < 3 * rest:
        return None
    strength = float(2 * np.pi * amplitude * wide * narrow)
    return SeenBead(column_px=column + x, row_px=row + y, sigma_px=float(np.sqrt(wide * narrow)), strength=strength)


def _misfit(
    parameters: Float[np.ndarray, " 9"],
    across: Float[np.ndarray, " n"],
    down: Float[np.ndarray, " n"],
    values: Float[np.ndarray, " n"],
) -> Float[np.ndarray, " n"]:
    x, y, log_a, log_b, turn, amplitude, base, slope_x, slope_y = parameters
    cos, sin = np.cos(turn), np.sin(turn)
    dx, dy = across - x, down - y
    u = (cos * dx + sin * dy) * np.exp(-log_a)
    v = (cos * dy - sin * dx) * np.exp(-log_b)
    return amplitude * np.exp(-0.5 * (u * u + v * v)) + base + slope_x * across + slope_y * down - values
