"""Make renderers by name."""

from __future__ import annotations

import difflib
import importlib.util

import numpy as np
import torch
from jaxtyping import Float

from calibration.errors import InputError
from engines.rendering.ray_renderer import RenderedVolume
from engines.rendering.renderer import Renderer

RENDERERS = ("nanodrr", "slices", "diffdrr", "diffdrr-trilinear")


def make_renderer(
    name: str,
    values: Float[np.ndarray, "i j k"] | Float[torch.Tensor, "i j k"],
    lps_from_index: Float[np.ndarray, "4 4"] | Float[torch.Tensor, "4 4"],
    device: str | torch.device = "cpu",
) -> Renderer:
    """A renderer over one volume.

    Args:
        name: one of `RENDERERS`; `diffdrr` uses Siddon's method, as published.
        values: the volume that is integrated, on any voxel grid.
        lps_from_index: index of a voxel centre to LPS mm; oblique, anisotropic and flipped grids included.
        device: torch device to render on.

    Raises:
        InputError: there is no such renderer or device, or its library is not installed.
        ValueError: the volume is not three-dimensional and finite, or its affine cannot be inverted.
    """
    if name not in RENDERERS:
        near = difflib.get_close_matches(name, RENDERERS, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else "choose one of them"
        raise InputError(f"no renderer is called {name!r}; there are {', '.join(RENDERERS)}; {hint}")
    volume = _volume(values, lps_from_index, device)
    if name == "nanodrr":
        from engines.rendering.nanodrr_renderer import NanodrrRenderer

        return NanodrrRenderer(volume)
    if name == "slices":
        from engines.rendering.slice_renderer import SliceRenderer

        return SliceRenderer(volume)
    if importlib.util.find_spec("diffdrr") is None:
        raise InputError(
            "renderer diffdrr is not installed; install the extra with `pip install guidance-app[diffdrr]`"
        )
    from engines.rendering.diffdrr_renderer import DiffdrrRenderer

    return DiffdrrRenderer(volume, "siddon" if name == "diffdrr" else "trilinear")


def _volume(
    values: Float[np.ndarray, "i j k"] | Float[torch.Tensor, "i j k"],
    lps_from_index: Float[np.ndarray, "4 4"] | Float[torch.Tensor, "4 4"],
    device: str | torch.device,
) -> RenderedVolume:
    volume = torch.as_tensor(values, dtype=torch.float32)
    affine = torch.as_tensor(np.array(lps_from_index, dtype=np.float64))
    _check(volume, affine)
    place, centroid = _device(device), _centroid_lps_mm(volume, affine)
    return RenderedVolume(values=volume, lps_from_index=affine, centroid_lps_mm=centroid, device=place)


def _device(device: str | torch.device) -> torch.device:
    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"no device is called {device!r}; choose cpu, cuda or cuda:INDEX") from error
    if place.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device {device} was asked for, but torch sees no CUDA device here; choose cpu")
    return place


def _check(volume: torch.Tensor, affine: torch.Tensor) -> None:
    if volume.ndim != 3 or not bool(torch.isfinite(volume).all()):
        raise ValueError(f"a renderer needs a finite (i, j, k) volume, found shape {tuple(volume.shape)}")
    if affine.shape != (4, 4) or not bool(torch.isfinite(affine).all()):
        raise ValueError(f"lps_from_index is a finite 4x4 affine, found shape {tuple(affine.shape)}")
    scale = affine[:3, :3].norm(dim=0).prod()
    if not float(torch.linalg.det(affine[:3, :3]).abs()) > 1e-6 * float(scale):
        raise ValueError("lps_from_index is singular: two voxel axes point the same way or a spacing is zero")


def _centroid_lps_mm(volume: torch.Tensor, affine: torch.Tensor) -> torch.Tensor:
    weight = volume.clamp_min(0.0)
    total = float(weight.sum(dtype=torch.float64))
    index = torch.tensor([(size - 1) / 2 for size in volume.shape], dtype=torch.float64)
    if total > 0.0:
        for axis in range(3):
            profile = weight.sum(dim=[other for other in range(3) if other != axis], dtype=torch.float64)
            index[axis] = (profile * torch.arange(len(profile), dtype=torch.float64)).sum() / total
    return (affine[:3, :3] @ index + affine[:3, 3]).float()
