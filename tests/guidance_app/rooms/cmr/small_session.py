"""A session beside the small result: three slices of a ring that jumps in one beat, with curves by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engines.cmr.results.session_file import SESSION
from tests.guidance_app.rooms.cmr.small_result import FRAME

BEATS, PIXEL_MM, SIDE = 30, 2.0, 56
JUMPS, EXCLUDED, START = 12, 20, 14
SEEN = {0: (13, 14, 15, 16), 1: (7, 8, 9, 10, 11, 12), 2: (1, 2, 3, 4, 5, 6)}
LEVELS = (0.2, 0.5, 0.8)


def write_small_session(result: Path) -> Path:
    """`session.npz` as `cmr fuse` writes it."""
    arrays: dict[str, np.ndarray] = {"schema": np.array("guidance-app/cmr-session/1"), "count": np.array(3)}
    t = np.arange(BEATS, dtype=float)
    left, right = (1.0 + 8.0 * np.exp(-0.5 * ((t - peak) / 2.5) ** 2) for peak in (11.0, 7.0))
    wall = 1.0 + 1.2 / (1.0 + np.exp(-(t - 15.5) / 1.5))
    c, r = np.indices((SIDE, SIDE))
    away = np.hypot(c - 27.5, r - 27.5) * PIXEL_MM
    ring, pool = (away > 20) & (away < 32), away <= 20
    still = 60.0 * (away < 45) + 100.0 * (c > 40) * (away < 45)
    aligned = still[..., None] + 100.0 * ring[..., None] * wall + 100.0 * pool[..., None] * left
    frames = aligned.copy()
    frames[..., JUMPS] = np.roll(aligned[..., JUMPS], 5, axis=0)
    pixels = np.argwhere((away > 23) & (away < 29))
    for number, level in enumerate(LEVELS):
        place = np.eye(4)
        # First axis away from the septum, second one towards the inferior wall, as the panel shows them.
        place[:3, 0], place[:3, 1] = -PIXEL_MM * FRAME.right, -PIXEL_MM * FRAME.anterior
        place[:3, 2] = 8.0 * FRAME.axis
        middle = FRAME.apex_mm + level * FRAME.length_mm * FRAME.axis
        place[:3, 3] = middle - place[:3, :2] @ np.full(2, 27.5)
        numbers = np.array(SEEN[number], dtype=np.int16)
        measured = np.repeat(wall[None] + 0.02 * np.sin(t), len(numbers), axis=0)
        slope = np.array([START, START + 3, wall[START], (wall[START + 3] - wall[START]) / 2.4])
        values = {
            "frames": frames.astype(np.float16), "aligned": aligned.astype(np.float16), "times_ms": 800.0 * t,
            "lps_from_index": place, "cmr_from_ct": np.eye(4), "excluded": np.array([EXCLUDED]),
            "reference": np.array(11), "wall": ring, "pool": pool, "left": left, "right": right,
            "pixels": pixels.astype(np.int16), "pixel_curves": np.repeat(wall[None], len(pixels), axis=0),
            "numbers": numbers, "measured": measured, "uptake": np.repeat(wall[None], len(numbers), axis=0),
            "slopes": np.repeat(slope[None], len(numbers), axis=0),
        }  # fmt: skip
        arrays |= {f"{name}_{number}": value for name, value in values.items()}
    np.savez(result / SESSION, **arrays)  # pyright: ignore[reportArgumentType]
    return result
