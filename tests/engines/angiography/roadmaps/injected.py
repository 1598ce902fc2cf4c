"""A made-up run into which contrast is injected, frame by frame."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float

from calibration.carm import CArmGeometry
from engines.angiography.frame import Frame

SIZE_PX = 256
AMOUNTS = (*[0.0] * 6, 0.3, 0.7, 1.0, 1.0, 0.8, 0.4, 0.15, *[0.0] * 4)
FIRST, FULLEST, LAST = 6, 8, 11


def geometry(**changes: object) -> CArmGeometry:
    base = CArmGeometry(
        primary_rad=0.5, secondary_rad=-0.2, sid_mm=1050.0, sod_mm=720.0, column_spacing_mm=0.6, row_spacing_mm=0.6,
        shape_px=(SIZE_PX, SIZE_PX), principal_point_px=(127.5, 127.5), table_mm=(0.0, 0.0, 0.0),
    )  # fmt: skip
    return replace(base, **changes)


def tree() -> Float[np.ndarray, "rows columns"]:
    """0 to 1: a vessel of 9 px with a branch of 5."""
    drawn = np.zeros((SIZE_PX, SIZE_PX), np.float32)
    cv2.polylines(drawn, [np.array([[30, 60], [100, 90], [150, 160], [210, 190]], np.int32)], False, 1.0, 9)
    cv2.line(drawn, (100, 90), (190, 60), 0.8, 5)
    return cv2.GaussianBlur(drawn, (0, 0), 1.0)


def anatomy(shift_px: tuple[float, float] = (0.0, 0.0)) -> Float[np.ndarray, "rows columns"]:
    """Transmission of bone and soft tissue, moved by (rows, columns): exact, since it is computed where it lies."""
    rows, columns = np.mgrid[:SIZE_PX, :SIZE_PX].astype(np.float64)
    rows, columns = rows - shift_px[0], columns - shift_px[1]
    waves = np.sin(rows / 9.0) * np.cos(columns / 11.0) + 0.7 * np.sin((rows + 2 * columns) / 17.0)
    waves += 0.5 * np.tanh(4 * np.sin(rows / 15 + columns / 43) * np.sin(columns / 21 - rows / 57))
    return 0.55 + 0.12 * waves


def frame(
    index: int, *, amount: float = 0.0, shift_px: tuple[float, float] = (0.0, 0.0), noise: float = 0.006, seed: int = 0,
    **changes: object,
) -> Frame:  # fmt: skip
    rng = np.random.default_rng((seed, index))
    picture = anatomy(shift_px) * np.exp(-0.6 * amount * tree()) + rng.normal(0.0, noise, (SIZE_PX, SIZE_PX))
    base = Frame(
        pixels=np.clip(np.rint(picture * 4095), 0, 4095).astype(np.uint16), kind="fluoro", bits_stored=12,
        geometry=geometry(), source_id="run1", source_frame=index, index=index, received_ns=10**9 + index * 66_700_000,
        frame_time_ms=66.7, linear_intensity=True,
    )  # fmt: skip
    return replace(base, **changes)


def run(amounts: tuple[float, ...] = AMOUNTS, **changes: object) -> list[Frame]:
    return [frame(index, amount=amount, **changes) for index, amount in enumerate(amounts)]  # pyright: ignore[reportArgumentType] - frames take anything
