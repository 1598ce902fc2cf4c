"""Measure the time of a rendered radiograph, alone and with its pose gradient, for every installed renderer."""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from calibration.pose import RigidPose
from engines.inference.machine import this_machine
from engines.rendering.factory import RENDERERS, make_renderer
from engines.rendering.renderer import Renderer

SCHEMA = "guidance-app/bench-render/1"
_VOLUME_EXTENT_MM = 180.0
_DETECTOR_EXTENT_MM = 300.0


def run_render_bench(
    *,
    renderers: Sequence[str] | None = None,
    volumes: Sequence[int] = (128,),
    detectors: Sequence[int] = (128,),
    repeats: int = 3,
    threads: int = 1,
    device: str = "cpu",
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Median times in milliseconds, as `bench-render/1` of CONTRACT; all renderers get the same pose.

    `forward_ms` renders without a gradient; `backward_ms` is a whole step: the picture, its loss and the gradient
    with respect to the pose.

    Args:
        renderers: names; by default every one whose library is installed.
        volumes: voxels along each axis of a cube.
        detectors: pixels along each side.
        repeats: timed runs after a warm-up; the median is reported.
        threads: torch's threads on the CPU, restored afterwards.
        progress: called with a line before each measurement.

    Raises:
        InputError: a renderer is unknown, or a size or count is below 1.
    """
    counts = [*volumes, *detectors, repeats, threads]
    if min(counts) < 1:
        raise InputError(f"bench render needs sizes, repeats and threads of at least 1, found {min(counts)}")
    names = _installed() if renderers is None else tuple(renderers)
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    rows = []
    try:
        for size in volumes:
            values, lps_from_index = _volume(size, seed)
            for name in names:
                renderer = make_renderer(name, values, lps_from_index, device)
                for pixels in detectors:
                    if progress is not None:
                        progress(f"{name}: {size}^3 voxels on {pixels}x{pixels} pixels")
                    rows.append(_row(renderer, size, pixels, repeats))
    finally:
        torch.set_num_threads(threads_before)
    return {
        "schema": SCHEMA,
        "machine": this_machine().model_dump(),
        "seed": seed,
        "data": f"smoothed noise, {_VOLUME_EXTENT_MM:g} mm cube, seed {seed}",
        "device": device,
        "threads": threads,
        "repeats": repeats,
        "rows": rows,
    }


def _installed() -> tuple[str, ...]:
    found = importlib.util.find_spec("diffdrr") is not None
    return tuple(name for name in RENDERERS if found or not name.startswith("diffdrr"))


def _row(renderer: Renderer, size: int, pixels: int, repeats: int) -> dict[str, Any]:
    pose, intrinsics = _camera(pixels)
    pose, intrinsics = pose.to(renderer.device), intrinsics.to(renderer.device)

    def forward() -> None:
        with torch.no_grad():
            renderer.render(pose, intrinsics, (pixels, pixels))

    def step() -> None:
        leaf = pose.clone().requires_grad_()
        renderer.render(leaf, intrinsics, (pixels, pixels)).square().mean().backward()

    return {
        "renderer": renderer.name,
        "volume": [size, size, size],
        "detector": [pixels, pixels],
        "forward_ms": _median_ms(forward, repeats, renderer.device),
        "backward_ms": _median_ms(step, repeats, renderer.device),
    }


def _median_ms(job: Callable[[], None], repeats: int, device: torch.device) -> float:
    times = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        job()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(1e3 * (time.perf_counter() - began))
    return round(statistics.median(times[1:]), 3)


def _volume(size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A volume that is dense everywhere, so that no renderer gains by skipping air."""
    coarse = torch.rand(1, 1, *(max(2, size // 8),) * 3, generator=torch.Generator().manual_seed(seed))
    values = torch.nn.functional.interpolate(coarse, size=(size,) * 3, mode="trilinear", align_corners=False)[0, 0]
    spacing = _VOLUME_EXTENT_MM / size
    lps_from_index = np.diag([spacing, spacing, spacing, 1.0])
    lps_from_index[:3, 3] = -0.5 * spacing * (size - 1)
    return values.numpy(), lps_from_index


def _camera(pixels: int) -> tuple[torch.Tensor, torch.Tensor]:
    spacing = _DETECTOR_EXTENT_MM / pixels
    geometry = CArmGeometry(
        primary_rad=np.deg2rad(25.0),
        secondary_rad=np.deg2rad(15.0),
        sid_mm=1100.0,
        sod_mm=750.0,
        column_spacing_mm=spacing,
        row_spacing_mm=spacing,
        shape_px=(pixels, pixels),
        principal_point_px=((pixels - 1) / 2, (pixels - 1) / 2),
    )
    projection = geometry.projection(RigidPose.identity(target="isocentre", source="lps"))
    return torch.tensor(projection.camera_from_lps.matrix)[None], torch.tensor(projection.intrinsics_px)
