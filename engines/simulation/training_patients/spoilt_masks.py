"""Vessel masks with the faults of a segmentation: holes, false curves, wrong widths, a collimator."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32


def spoilt_segmentation(mask: Bool[np.ndarray, "r c"], rng: np.random.Generator) -> Float[np.ndarray, "r c"]:
    """A frame's mask as a probability with a network's usual faults: missing parts, false curves, ragged edges."""
    rows, columns = mask.shape
    result = mask.astype(np.float32)
    for _ in range(rng.integers(0, 8)):
        size = rng.uniform(0.03, 0.2) * rows
        centre = (int(rng.uniform(0, columns)), int(rng.uniform(0, rows)))
        _cut_hole(result, centre, (int(size), int(size * rng.uniform(0.3, 1))), rng)
    for _ in range(rng.integers(0, 6)):
        points = np.rint(_false_curve(rows, rng, count=(8, 50), step_px=6.0, bend_rad=0.15)).astype(np.int32)
        cv2.polylines(result, [points[:, None]], isClosed=False, color=1.0, thickness=int(rng.integers(2, 8)))
    ragged = cv2.GaussianBlur(rng.normal(0, 1, mask.shape).astype(np.float32), (0, 0), 3.0)
    return np.clip(cv2.GaussianBlur(result, (0, 0), 1.0) + 0.6 * ragged * rng.uniform(0, 2), 0.0, 1.0)


def spoilt_drawing(
    mask: Float32[np.ndarray, "side side"], rng: np.random.Generator
) -> Float32[np.ndarray, "side side"]:
    """A small soft mask, drawn from a model, with holes, false curves, another width of vessel and a collimator."""
    side = mask.shape[0]
    result = np.ascontiguousarray(mask * rng.uniform(0.6, 1.5), dtype=np.float32)
    for _ in range(rng.integers(0, 4)):
        centre = (int(rng.uniform(0, side)), int(rng.uniform(0, side)))
        _cut_hole(result, centre, (int(rng.uniform(2, 0.14 * side)), int(rng.uniform(2, 0.1 * side))), rng)
    for _ in range(rng.integers(0, 4)):
        points = np.rint(_false_curve(side, rng, count=(3, 16), step_px=3.0, bend_rad=0.2) * 8).astype(np.int32)
        cv2.polylines(result, [points[:, None]], False, float(rng.uniform(0.2, 0.9)), 1, cv2.LINE_AA, shift=3)
    if rng.uniform() < 0.5:
        result = cv2.GaussianBlur(result, (0, 0), float(rng.uniform(0.3, 0.9)))
    if rng.uniform() < 0.5:
        result = result * _opening(side, rng)
    return np.clip(result, 0.0, 1.0)


def _cut_hole(
    mask: Float32[np.ndarray, "r c"], centre: tuple[int, int], axes: tuple[int, int], rng: np.random.Generator
) -> None:
    cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 0.0, -1)


def _false_curve(
    side_px: int, rng: np.random.Generator, *, count: tuple[int, int], step_px: float, bend_rad: float
) -> Float[np.ndarray, "n 2"]:
    """(column, row) points of a random walk that turns by about `bend_rad` at each step."""
    at, heading, line = rng.uniform(0, side_px, 2), rng.uniform(0, 2 * np.pi), []
    for _ in range(rng.integers(*count)):
        heading += rng.normal(0, bend_rad)
        at = at + step_px * np.array([np.cos(heading), np.sin(heading)])
        line.append(at)
    return np.array(line)


def _opening(side: int, rng: np.random.Generator) -> Float32[np.ndarray, "side side"]:
    """1 inside a round or rectangular collimator, 0 outside."""
    field = np.zeros((side, side), np.float32)
    radius = int(rng.uniform(0.42, 0.55) * side)
    centre = (int(side / 2 + rng.normal(0, 3)), int(side / 2 + rng.normal(0, 3)))
    if rng.uniform() < 0.5:
        cv2.circle(field, centre, radius, 1.0, -1)
    else:
        half = (int(rng.uniform(0.36, 0.5) * side), int(rng.uniform(0.36, 0.5) * side))
        low, high = (centre[0] - half[0], centre[1] - half[1]), (centre[0] + half[0], centre[1] + half[1])
        cv2.rectangle(field, low, high, 1.0, -1)
    return field
