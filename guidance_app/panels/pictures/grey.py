"""Arrays to pictures that Qt paints."""

from __future__ import annotations

from typing import cast

import numpy as np
from jaxtyping import Float, Integer, UInt8
from PyQt6.QtGui import QImage


def windowed(
    values: Float[np.ndarray, "r c"] | Integer[np.ndarray, "r c"], window: tuple[float, float]
) -> UInt8[np.ndarray, "r c"]:
    """Grey values of a range of stored values.

    Args:
        window: values shown black and white.
    """
    low, high = window
    scaled = (values.astype(np.float32) - low) * (255.0 / max(high - low, 1e-6))
    return np.clip(scaled, 0, 255).astype(np.uint8)


def grey_image(grey: UInt8[np.ndarray, "r c"]) -> QImage:
    """A picture that owns its pixels."""
    grey = np.ascontiguousarray(grey)
    rows, columns = grey.shape
    return QImage(grey.tobytes(), columns, rows, columns, QImage.Format.Format_Grayscale8).copy()


def colour_image(rgb: UInt8[np.ndarray, "r c 3"]) -> QImage:
    """A picture that owns its pixels."""
    rgb = np.ascontiguousarray(rgb)
    rows, columns = rgb.shape[:2]
    return QImage(rgb.tobytes(), columns, rows, 3 * columns, QImage.Format.Format_RGB888).copy()


def pixels_of(image: QImage) -> UInt8[np.ndarray, "r c 3"]:
    """Red, green and blue of a painted picture."""
    flat = image.convertToFormat(QImage.Format.Format_RGB888)
    bits = flat.constBits()
    assert bits is not None
    rows, columns, line = flat.height(), flat.width(), flat.bytesPerLine()
    bits.setsize(rows * line)
    raw = np.frombuffer(cast("memoryview", bits), dtype=np.uint8).reshape(rows, line)
    return raw[:, : 3 * columns].reshape(rows, columns, 3).copy()
