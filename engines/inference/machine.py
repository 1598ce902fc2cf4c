"""Describe the machine on which figures are measured; every benchmark names it."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

from pydantic import BaseModel, ConfigDict

_NAMED_PACKAGES = ("numpy", "scipy", "torch", "onnxruntime", "openvino", "nanodrr", "diffdrr", "PyQt6", "guidance-app")


class Machine(BaseModel):
    """CPU, number of cores this process may use, GPU, and the versions that affect speed."""

    model_config = ConfigDict(frozen=True)
    cpu: str
    cores: int
    memory_gib: float
    gpu: str | None
    system: str
    python: str
    versions: dict[str, str]


def this_machine() -> Machine:
    """Describe the machine without loading torch, which takes seconds."""
    import psutil

    return Machine(
        cpu=_cpu_name(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        gpu=_gpu_name(),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        versions=_versions(),
    )


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _gpu_name() -> str | None:
    """The GPU's name from the driver's own listing, which is fast and needs no torch."""
    names = []
    for information in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("Model:"):
                names.append(line.split(":", 1)[1].strip())
    return ", ".join(names) or None


def _versions() -> dict[str, str]:
    found = {}
    for name in _NAMED_PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
