"""Which runtime executes a network here."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

from calibration.errors import InputError
from engines.inference.backend import Backend
from engines.inference.model_files import ModelFiles

BACKENDS = ("auto", "onnx", "torch", "openvino", "tensorrt", "tensorrt-rtx")
# The kernel module, its device node, or WSL's.
_LINUX_DRIVER_TRACES = ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/dxg")
_EXTRAS = {"openvino": "openvino", "tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt-rtx"}


def make_backend(name: str, files: ModelFiles, *, threads: int = 1) -> Backend:
    """Load a network on the runtime called `name`; `auto` takes torch where it has CUDA, else ONNX Runtime.

    The runtime that was taken is the result's `name` and `device`.

    Raises:
        InputError: unknown runtime, one that this program does not drive yet, or unusable weights.
    """
    if name == "auto":
        name = "torch" if cuda_is_there() else "onnx"
    if name == "onnx":
        from engines.inference.onnx_backend import OnnxBackend

        return OnnxBackend(files, threads=threads)
    if name == "torch":
        from engines.inference.torch_backend import TorchBackend

        return TorchBackend(files, threads=threads, device="cuda" if cuda_is_there() else "cpu")
    if name in _EXTRAS:
        raise InputError(
            f"backend {name!r} needs the extra guidance-app[{_EXTRAS[name]}] and is not driven by this version; "
            "use --backend auto"
        )
    close = difflib.get_close_matches(name, BACKENDS, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise InputError(f"no backend is called {name!r}; {hint}(known are {', '.join(BACKENDS)})")


def cuda_is_there() -> bool:
    """Whether torch can use a CUDA device; asks torch, which takes seconds to load, only where a driver is present."""
    if sys.platform == "linux" and not any(Path(path).exists() for path in _LINUX_DRIVER_TRACES):
        return False
    import torch

    return torch.cuda.is_available()
