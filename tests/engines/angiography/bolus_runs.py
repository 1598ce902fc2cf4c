"""A minimal run in which a vessel fills and empties."""

from pathlib import Path

import cv2
import numpy as np

from tests.engines.angiography.xa_samples import xa_file

SHAPE = (128, 160)
AMOUNTS = (0.0, 0.0, 0.0, 0.2, 0.6, 0.9, 1.0, 0.8, 0.4, 0.2)  # contrast of each frame, relative to the fullest
FULLEST = 6


def vessel() -> np.ndarray:
    """0..1 share of contrast: a curved vessel and a branch."""
    drawn = np.zeros(SHAPE, np.float32)
    points = np.array([[20, 30], [60, 45], [90, 80], [140, 95]], np.int32)
    cv2.polylines(drawn, [points], False, 1.0, 5)
    cv2.line(drawn, (60, 45), (110, 30), 0.7, 3)
    return cv2.GaussianBlur(drawn, (0, 0), 1.0)


def background(shift_px: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Transmission of bone and soft tissue, moved by (rows, columns)."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float64)
    rows, columns = rows - shift_px[0], columns - shift_px[1]
    waves = np.sin(rows / 5.0) * np.cos(columns / 6.5) + 0.7 * np.sin((rows + 2 * columns) / 9.0)
    # Sharp edges like those of bone; a picture of long waves alone would hardly determine a shift.
    waves += 0.5 * np.tanh(4 * np.sin(rows / 8 + columns / 23) * np.sin(columns / 11 - rows / 31))
    return 0.55 + 0.12 * waves + 0.1 * np.exp(-((rows - 70) ** 2 + (columns - 60) ** 2) / 60.0)


def bolus(
    *,
    amounts: tuple[float, ...] = AMOUNTS,
    shift_px: tuple[float, float] = (0.0, 0.0),
    noise: float = 0.004,
    density: float = 0.7,
) -> np.ndarray:
    """(frames, rows, columns) uint16 of 12 bits, linear in intensity; frames with contrast are moved by `shift_px`."""
    rng = np.random.default_rng(3)
    frames = []
    for amount in amounts:
        still = background(shift_px if amount else (0.0, 0.0))
        picture = still * np.exp(-density * amount * vessel()) + rng.normal(0.0, noise, SHAPE)
        frames.append(np.clip(np.rint(picture * 4095), 0, 4095))
    return np.stack(frames).astype(np.uint16)


def bolus_file(path: Path, stack: np.ndarray, **changes) -> Path:
    return xa_file(path, stack, bits_stored=12, intensity="LIN", **changes)
