"""Contours as a reader would draw them, from the true shapes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from engines.simulation.ivus.catheter import TruePullback
from engines.simulation.ivus.ultrasound import REACH_MM, Shapes


def contour_tables(shapes: Shapes, pullback: TruePullback) -> dict[str, str]:
    """CSV texts `frame,x,y,z` by structure; x along u, y along v, about the catheter."""
    rows: dict[str, list[str]] = {name: [] for name in ("lumen", "eem", "branch", "calcium")}
    for frame, z_mm in enumerate(pullback.nominal_mm):
        outlines = {
            "lumen": [_border(shapes.main_mm[frame])],
            "eem": [_border(shapes.wall_mm[frame])],
            "branch": _patches((shapes.branch_mm[frame] < 0) & (shapes.main_mm[frame] > 0), least=12),
            "calcium": _patches(shapes.calcium[frame] > 0.5, least=4),
        }
        for name, polygons in outlines.items():
            for polygon in polygons:
                rows[name] += [f"{frame},{x:.4f},{y:.4f},{z_mm:.4f}" for x, y in polygon]
    return {name: "\n".join(["frame,x,y,z", *lines]) + "\n" for name, lines in rows.items() if lines}


def true_centroids_mm(shapes: Shapes, pullback: TruePullback) -> Float[np.ndarray, "f 3"]:
    """LPS places of the centroids of the lumen contours."""
    centres = np.array([_centroid(_border(main)) for main in shapes.main_mm])
    return pullback.points_mm + centres[:, :1] * pullback.u + centres[:, 1:] * pullback.v


def border_radii(signed_mm: Float[np.ndarray, "a r"]) -> Float[np.ndarray, " a"]:
    """Where a signed distance first turns positive on each ray, in mm."""
    outside = signed_mm > 0
    first = np.where(outside.any(axis=1), np.argmax(outside, axis=1), signed_mm.shape[1] - 1)
    step = REACH_MM / signed_mm.shape[1]
    here = np.arange(len(signed_mm))
    before = np.maximum(first - 1, 0)
    low, high = signed_mm[here, before], signed_mm[here, first]
    share = np.clip(-low / np.maximum(high - low, 1e-6), 0, 1)
    return (before + share + 0.5) * step


def _centroid(polygon: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " 2"]:
    following = np.roll(polygon, -1, axis=0)
    cross = polygon[:, 0] * following[:, 1] - following[:, 0] * polygon[:, 1]
    return ((polygon + following) * cross[:, None]).sum(axis=0) / (3.0 * cross.sum())


def _border(signed_mm: Float[np.ndarray, "a r"]) -> Float[np.ndarray, "a 2"]:
    radius = border_radii(signed_mm)
    angle = np.arange(len(radius)) * 2 * np.pi / len(radius)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def _patches(mask: np.ndarray, *, least: int) -> list[np.ndarray]:
    """Polygons of the mask's connected pieces; angles go round."""
    doubled = np.concatenate([mask, mask], axis=0)
    labels, count = ndimage.label(doubled)  # pyright: ignore[reportGeneralTypeIssues]
    turns = len(mask)
    found = []
    for piece in range(1, count + 1):
        rows = np.flatnonzero((labels == piece).any(axis=1))
        whole = len(rows) >= turns
        # Each piece lies twice in the doubled map; the copy that starts within the first turn counts, unless cut by
        # the map's own beginning.
        if whole or (rows[0] == 0 and mask[-1].any() and mask[0].any()) or rows[0] >= turns:
            continue
        if (labels == piece).sum() < least:
            continue
        found.append(np.array(list(_outline(labels == piece, rows, turns))))
    return found


def _outline(piece: np.ndarray, rows: np.ndarray, turns: int) -> Iterator[tuple[float, float]]:
    step = REACH_MM / piece.shape[1]
    inner = np.argmax(piece[rows], axis=1)
    outer = piece.shape[1] - 1 - np.argmax(piece[rows, ::-1], axis=1)
    for row, depth in [*zip(rows, inner, strict=True), *zip(rows[::-1], outer[::-1] + 1, strict=True)]:
        angle = row * 2 * np.pi / turns
        yield depth * step * np.cos(angle), depth * step * np.sin(angle)
