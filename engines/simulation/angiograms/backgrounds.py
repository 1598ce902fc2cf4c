"""The surroundings of vessels: anatomy, plates, blades, text. Values are relative attenuation; larger is darker."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter1d

Picture = Float[np.ndarray, "size size"]


def cloud(random: np.random.Generator, size: int, grain_px: float) -> Picture:
    """Smooth random field of unit deviation with structures of about `grain_px`."""
    cells = max(int(np.ceil(size / grain_px)) + 3, 4)
    field = cv2.resize(
        random.normal(size=(cells, cells)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC
    )
    return (field - field.mean()) / (field.std() + 1e-6)


def plain(random: np.random.Generator, size: int) -> Picture:
    """The background of a phantom or a subtracted picture: flat, with faint gradients and plate edges."""
    ground = cloud(random, size, size) * random.uniform(0, 0.06)
    if random.random() < 0.6:
        ground += cloud(random, size, random.uniform(3, 12)) * random.uniform(0, 0.03)
    for _ in range(random.poisson(1.5)):
        ground += _half_plane(random, size, random.uniform(0.5, 3)) * random.normal(0, 0.05)
    for _ in range(random.poisson(2.0)):
        ground += _bar(random, size) * random.normal(0, 0.06)
    return ground


def thorax(random: np.random.Generator, size: int) -> Picture:
    """Heart, diaphragm, lung, ribs and spine at random instead of anatomical places."""
    ground = cloud(random, size, size * random.uniform(0.3, 1.0)) * random.uniform(0.05, 0.5)
    if random.random() < 0.5:  # fine tissue pattern; many pictures are smooth
        ground += cloud(random, size, random.uniform(15, 45)) * random.uniform(0.0, 0.18)
        ground += cloud(random, size, random.uniform(4, 12)) * random.uniform(0.0, 0.07)
    for _ in range(random.poisson(1.5)):
        ground += _wavy_region(random, size) * random.normal(0.1, 0.5)
    if random.random() < 0.35:  # a diaphragm or the border of the heart against lung
        ground += _wavy_region(random, size) * random.uniform(0.5, 1.6)
    if random.random() < 0.4:
        ground += _ribs(random, size) * random.uniform(0.03, 0.25)
    if random.random() < 0.35:
        ground += _spine(random, size) * random.uniform(0.05, 0.35)
    return ground


def subtracted(random: np.random.Generator, size: int) -> Picture:
    """A subtracted head: flat, with doubled bone edges from motion between mask and contrast."""
    ground = cloud(random, size, random.uniform(30, size)) * random.uniform(0, 0.08)
    if random.random() < 0.75:
        bone = cloud(random, size, random.uniform(10, 40)) * 0.2 + _skull(random, size)
        for _ in range(random.poisson(2)):
            bone += _wavy_region(random, size) * random.normal(0, 0.4)
        shift = random.normal(0, 0.9, 2)
        moved = cv2.warpAffine(
            bone, np.array([[1, 0, shift[0]], [0, 1, shift[1]]]), (size, size), borderMode=cv2.BORDER_REPLICATE
        )
        ground += (moved - bone) * random.uniform(0.2, 1.0)
    return ground


def clutter(random: np.random.Generator, size: int) -> Picture:
    """Clips, calcium, sternal wires, stent pieces, screws: dark objects that are neither vessel nor catheter."""
    mark = np.zeros((size, size), np.float32)
    for _ in range(random.poisson(2)):
        at = random.integers(0, size, 2)
        cloud_of = random.normal(0, random.uniform(2, 9), (random.integers(3, 40), 2)) + at
        for column, row in cloud_of.astype(int):
            cv2.circle(mark, (int(column), int(row)), int(random.integers(0, 2)), random.uniform(0.1, 1.0), -1)
    for _ in range(random.poisson(0.4)):
        centre = tuple(int(v) for v in random.integers(0, size, 2))
        axes = tuple(int(v) for v in random.integers(3, 14, 2))
        first = random.uniform(0, 360)
        cv2.ellipse(mark, centre, axes, random.uniform(0, 180), first, first + random.uniform(120, 360), 1.0, 1)
    return cv2.GaussianBlur(mark, (0, 0), random.uniform(0.5, 1.0))


def opening(random: np.random.Generator, size: int) -> Bool[np.ndarray, "size size"] | None:
    """A collimator's opening (rectangle with cut corners, or circle), or None for an open field."""
    if random.random() < 0.5:
        return None
    open_ = np.zeros((size, size), np.uint8)
    if random.random() < 0.5:
        radius = size * random.uniform(0.5, 0.95)
        centre = size / 2 + random.normal(0, size * 0.2, 2)
        cv2.circle(open_, tuple(int(v) for v in centre), int(radius), 1, -1)
    else:
        inset = random.integers(-size // 8, size // 8, 4)
        low, high = np.maximum(inset[:2], -2), size - np.maximum(inset[2:], -2)
        cut = int(random.choice([0, size // 16, size // 8]))
        corners = np.array(
            [
                (low[0] + cut, low[1]), (high[0] - cut, low[1]), (high[0], low[1] + cut), (high[0], high[1] - cut),
                (high[0] - cut, high[1]), (low[0] + cut, high[1]), (low[0], high[1] - cut), (low[0], low[1] + cut),
            ]
        )  # fmt: skip
        turn = cv2.getRotationMatrix2D((size / 2, size / 2), random.normal(0, 2), 1.0)
        corners = corners @ turn[:, :2].T + turn[:, 2]
        cv2.fillConvexPoly(open_, corners.astype(np.int32), 1)
    return open_ > 0 if open_.mean() > 0.35 else None


def burn_text(random: np.random.Generator, picture: Picture) -> None:
    """Write annotation text into a finished picture."""
    size = picture.shape[0]
    for _ in range(random.integers(1, 4)):
        text = "".join(random.choice(list("LAORCU0123456789. /:"), random.integers(2, 14)))
        at = (int(random.uniform(0, 0.8) * size), int(random.choice([0.06, 0.12, 0.9, 0.97]) * size))
        value = float(random.choice([picture.min(), picture.max()]))
        ink = np.zeros((size, size), np.uint8)
        cv2.putText(ink, text, at, cv2.FONT_HERSHEY_SIMPLEX, random.uniform(0.25, 0.5), 255, 1)
        picture[ink > 127] = value


def _half_plane(random: np.random.Generator, size: int, edge_px: float) -> Picture:
    column, row = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
    angle = (
        random.uniform(0, 2 * np.pi) if random.random() < 0.5 else random.choice(4) * np.pi / 2 + random.normal(0, 0.05)
    )
    at = random.uniform(0.05, 0.95, 2) * size
    distance = (column - at[0]) * np.cos(angle) + (row - at[1]) * np.sin(angle)
    return 1 / (1 + np.exp(-np.clip(distance / edge_px, -30, 30)))


def _bar(random: np.random.Generator, size: int) -> Picture:
    bar = np.zeros((size, size), np.float32)
    ends = random.uniform(-0.1, 1.1, (2, 2)) * size
    if random.random() < 0.5:  # plates and struts lie parallel to the detector's sides
        ends[1, random.integers(2)] = ends[0, random.integers(2)]
    cv2.line(bar, tuple(int(v) for v in ends[0]), tuple(int(v) for v in ends[1]), 1.0, int(random.integers(1, 14)))
    return cv2.GaussianBlur(bar, (0, 0), random.uniform(0.5, 1.5))


def _wavy_region(random: np.random.Generator, size: int) -> Picture:
    """One side of a smooth curve: a heart border, a diaphragm, a lung edge."""
    turns = int(random.integers(4))
    curve = size * random.uniform(0.1, 0.9) + gaussian_filter1d(
        np.cumsum(random.normal(0, 1, size * 3)), size / random.uniform(3, 8), mode="nearest"
    )[size : 2 * size] * random.uniform(0.3, 2)
    soft = random.uniform(0.7, 6)
    distance = np.arange(size, dtype=np.float32)[:, None] - curve[None, :].astype(np.float32)
    region = 1 / (1 + np.exp(-np.clip(distance / soft, -30, 30)))
    if random.random() < 0.5:  # thicker away from the border, as a round organ is
        region *= np.sqrt(np.clip(distance, 0, None) / size + 0.05)
    return np.ascontiguousarray(np.rot90(region, turns)).astype(np.float32)


def _ribs(random: np.random.Generator, size: int) -> Picture:
    column, row = np.meshgrid(np.linspace(-1, 1, size, dtype=np.float32), np.linspace(-1, 1, size, dtype=np.float32))
    slope, bow, count = random.normal(0, 0.5), random.normal(0, 0.5), random.uniform(2, 5)
    phase = (row + slope * column + bow * column**2) * count * np.pi + random.uniform(0, 6)
    band = np.clip(np.sin(phase) * random.uniform(1.5, 4) - random.uniform(0, 1), 0, 1)
    # A rib's cortex is denser than its marrow, so its edges are the darkest.
    return band - 0.5 * cv2.GaussianBlur(band, (0, 0), random.uniform(2, 5))


def _spine(random: np.random.Generator, size: int) -> Picture:
    column, row = np.meshgrid(np.linspace(-1, 1, size, dtype=np.float32), np.linspace(-1, 1, size, dtype=np.float32))
    offset, width = random.uniform(-0.8, 0.8), random.uniform(0.15, 0.35)
    lean = random.normal(0, 0.15)
    inside = 1 / (1 + np.exp(np.clip((np.abs(column - offset - lean * row) - width) * 40, -30, 30)))
    discs = 0.6 + 0.4 * np.clip(np.sin(row * random.uniform(6, 12) + random.uniform(0, 6)) * 3, -1, 1)
    return (inside * discs).astype(np.float32)


def _skull(random: np.random.Generator, size: int) -> Picture:
    bone = np.zeros((size, size), np.float32)
    centre = tuple(int(v) for v in size / 2 + random.normal(0, size * 0.15, 2))
    axes = tuple(int(v) for v in size * random.uniform(0.35, 0.7, 2))
    cv2.ellipse(
        bone, centre, axes, random.uniform(0, 180), 0, 360, random.uniform(0.5, 1.5), int(random.integers(3, 9))
    )
    return cv2.GaussianBlur(bone, (0, 0), random.uniform(0.8, 2))
