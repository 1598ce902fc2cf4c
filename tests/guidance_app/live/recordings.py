"""Small recordings for tests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from engines.angiography.frame import Frame
from guidance_app.live.recording.recorder import Recorder
from tests.guidance_app.live.stand_ins import geometry

GAP_NS = 40_000_000


def frame_at(index: int, *, size: int = 48, dtype: str = "uint16") -> Frame:
    """Noise on a ramp, different for every index and the same in every process."""
    noise = np.random.default_rng(index)
    top = 255 if dtype == "uint8" else 65535
    pixels = noise.integers(0, top, (size, size + 16), endpoint=True, dtype=np.uint16).astype(dtype)
    pixels[size // 2 :] = np.linspace(0, top, size + 16).astype(dtype)
    return Frame(
        pixels=pixels,
        kind="dsa" if index % 2 else "fluoro",
        bits_stored=8 if dtype == "uint8" else 16,
        received_ns=1_000_000_000 + index * GAP_NS,
        decode_ms=0.25 * index,
        acquired="20260102030405" if index else None,
        geometry=geometry(0.1 * index, -7.3) if index % 5 else None,
        geometry_reason="" if index % 5 else "no DistanceSourceToDetector",
        source_id="run.dcm",
        sop_instance_uid="1.2.3",
        source_frame=index % 4,
        index=index,
        frame_time_ms=1000 / 15,
        window_center=100.125,
        window_width=33.3,
        vessels_bright=bool(index % 3),
        linear_intensity=index % 4 == 1,
        log_intensity=index % 4 == 2,
    )


def record(path: Path, frames: Iterable[Frame]) -> list[str]:
    """Record these frames; returns what was told meanwhile."""
    told: list[str] = []
    recorder = Recorder(path, {"case": "test"})
    recorder.begin(told.append)
    for frame in frames:
        recorder.frame(frame)
    recorder.end()
    return told


def same(frame: Frame, other: Frame) -> bool:
    """Every pixel and every word."""
    names = [name for name in Frame.__dataclass_fields__ if name != "pixels"]
    return (
        frame.pixels.dtype == other.pixels.dtype
        and np.array_equal(frame.pixels, other.pixels)
        and all(getattr(frame, name) == getattr(other, name) for name in names)
    )
