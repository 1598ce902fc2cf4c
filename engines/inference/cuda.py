"""Whether this machine has a CUDA device."""

from __future__ import annotations

import sys
from pathlib import Path

# The kernel module, its device node, or WSL's.
_LINUX_DRIVER_TRACES = ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/dxg")


def cuda_is_there() -> bool:
    """Whether torch can use a CUDA device; asks torch, which takes seconds to load, only where a driver is present."""
    if sys.platform == "linux" and not any(Path(path).exists() for path in _LINUX_DRIVER_TRACES):
        return False
    import torch

    return torch.cuda.is_available()
