"""Whether this machine has a CUDA device."""

from __future__ import annotations

import sys
from pathlib import Path

# Paths of the kernel module, its device node, and WSL's device node.
_LINUX_DRIVER_TRACES = ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/dxg")


def cuda_is_there() -> bool:
    """Whether torch can use a CUDA device; loads torch, which takes seconds, only if a driver is present."""
    if sys.platform == "linux" and not any(Path(path).exists() for path in _LINUX_DRIVER_TRACES):
        return False
    import torch

    return torch.cuda.is_available()
