"""What this machine can do. Each check is a small function that answers with one finding and never raises."""

from __future__ import annotations

import ctypes.util
import importlib
import importlib.metadata
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Level = Literal["ok", "optional", "missing"]

_MARKS: dict[Level, str] = {"ok": "ok      ", "optional": "optional", "missing": "MISSING "}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report. `optional` is absent but not needed; `missing` keeps the program from its main job."""

    name: str
    level: Level
    detail: str
    remedy: str = ""

    def line(self) -> str:
        remedy = f"  ->  {self.remedy}" if self.remedy else ""
        return f"[{_MARKS[self.level]}] {self.name}: {self.detail}{remedy}"

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def examine() -> list[Finding]:
    """Run every check. A check that fails in an unforeseen way becomes a finding itself."""
    findings = []
    for check in _CHECKS:
        try:
            findings.append(check())
        except Exception as error:  # a diagnosis must survive the illness it looks for
            findings.append(Finding(name=check.__name__.strip("_"), level="missing", detail=f"check failed: {error!r}"))
    return findings


def _python() -> Finding:
    ok = sys.version_info >= (3, 11)
    return Finding(
        name="python",
        level="ok" if ok else "missing",
        detail=f"{platform.python_version()} on {platform.platform()}, {os.cpu_count()} cores",
        remedy="" if ok else "install Python 3.11 or newer",
    )


def _display() -> Finding:
    for variable in ("WAYLAND_DISPLAY", "DISPLAY"):
        if os.environ.get(variable):
            return Finding(name="display", level="ok", detail=f"{variable}={os.environ[variable]}")
    return Finding(
        name="display",
        level="optional",
        detail="none; the same window is rendered offscreen",
        remedy="log in to a desktop, or run under xvfb-run",
    )


def _qt() -> Finding:
    from guidance_app.qt_probe import offscreen_pixel_is_painted

    problem = offscreen_pixel_is_painted()
    return Finding(
        name="qt",
        level="missing" if problem else "ok",
        detail=problem or f"PyQt6 {importlib.metadata.version('PyQt6')} paints offscreen",
        remedy="apt-get install -y libegl1 libgl1 libxkbcommon0 libdbus-1-3 libfontconfig1" if problem else "",
    )


def _xcb() -> Finding:
    found = ctypes.util.find_library("xcb-cursor") is not None
    return Finding(
        name="qt on X11",
        level="ok" if found else "optional",
        detail="libxcb-cursor is there" if found else "libxcb-cursor is absent: no window on an X display",
        remedy="" if found else "apt-get install -y libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0",
    )


def _gpu() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding(name="gpu", level="ok", detail=f"{torch.cuda.get_device_name(0)}, CUDA {torch.version.cuda}")
    built = f"torch {torch.__version__}, " + ("built without CUDA" if torch.version.cuda is None else "sees no device")
    return Finding(name="gpu", level="optional", detail=f"none ({built}); everything runs on the CPU")


def _onnxruntime() -> Finding:
    import onnxruntime

    return Finding(
        name="onnxruntime",
        level="ok",
        detail=f"{onnxruntime.__version__} with {', '.join(onnxruntime.get_available_providers())}",
    )


def _diffdrr() -> Finding:
    return _optional_module("diffdrr", "diffdrr.drr", "pip install --no-deps diffdrr timm kornia kornia-rs")


def _openvino() -> Finding:
    # Through our own door: a plain import reports to the maker.
    silent = "engines.inference.backends.openvino_runtime as runtime; runtime.openvino()"
    return _optional_module("openvino", silent, "pip install openvino")


def _tensorrt() -> Finding:
    return _optional_module("tensorrt", "tensorrt", "needs an NVIDIA GPU: pip install 'guidance-app[tensorrt]'")


def _tensorrt_rtx() -> Finding:
    return _optional_module(
        "tensorrt-rtx", "tensorrt_rtx", "needs an RTX GPU: pip install 'guidance-app[tensorrt-rtx]'"
    )


def _dicom_codecs() -> Finding:
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import JPEG2000, JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, RLELossless

    syntaxes = (JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, JPEG2000, RLELossless)
    absent = [uid.name for uid in syntaxes if not get_decoder(uid).is_available]
    return Finding(
        name="dicom codecs",
        level="missing" if absent else "ok",
        detail=f"no decoder for {', '.join(absent)}" if absent else "JPEG, JPEG lossless, JPEG-LS, JPEG 2000, RLE",
        remedy="pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg" if absent else "",
    )


def _video_codec() -> Finding:
    import av

    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    return Finding(name="video", level="ok", detail=f"annotated MP4 through {codec} (PyAV {av.__version__})")


def _models() -> Finding:
    from assets import ASSETS

    names = sorted(path.stem for path in (ASSETS / "models").glob("*.safetensors"))
    return Finding(
        name="models",
        level="ok" if names else "missing",
        detail=", ".join(names) or "no network weights in assets/models",
        remedy="" if names else "guidance-app train coronary",
    )


def _auto_backend() -> Finding:
    from engines.inference.model_files import BUNDLED_MODELS, ModelFiles, read_manifest
    from engines.inference.probe import remembered_choice

    known = []
    for name, record in read_manifest().models.items():
        choice = remembered_choice(ModelFiles(name=name, folder=BUNDLED_MODELS, record=record))
        known += [f"{name} on {choice.why}"] if choice else []
    return Finding(
        name="backend auto",
        level="ok",
        detail="; ".join(known) or "not measured yet; the first use or `guidance-app engines build` does",
    )


def _disk() -> Finding:
    import psutil

    free_gib = psutil.disk_usage(str(Path.cwd())).free / 2**30
    with tempfile.TemporaryFile() as probe:
        probe.write(b"x")
    return Finding(
        name="disk",
        level="ok" if free_gib > 1.0 else "optional",
        detail=f"{free_gib:.0f} GiB free here",
        remedy="" if free_gib > 1.0 else "recordings need room: free some space or choose another --out",
    )


def _shared_memory() -> Finding:
    path = Path("/dev/shm")
    if not path.exists():
        return Finding(name="shared memory", level="ok", detail="provided by the operating system")
    import psutil

    free_mib = psutil.disk_usage(str(path)).free / 2**20
    enough = free_mib > 32
    return Finding(
        name="shared memory",
        level="ok" if enough else "missing",
        detail=f"{free_mib:.0f} MiB free for frames between processes",
        remedy="" if enough else "give the container more, for example --shm-size=256m",
    )


def _optional_module(name: str, module: str, remedy: str) -> Finding:
    # In a process of its own: importing a broken runtime must not take the diagnosis down with it.
    probe = subprocess.run(
        [sys.executable, "-P", "-c", f"import {module}"], capture_output=True, text=True, check=False, timeout=60
    )
    if probe.returncode == 0:
        return Finding(name=name, level="ok", detail=importlib.metadata.version(name))
    last = (probe.stderr.strip().splitlines() or ["exited without a word"])[-1]
    return Finding(name=name, level="optional", detail=f"not usable ({last})", remedy=remedy)


_CHECKS: tuple[Callable[[], Finding], ...] = (
    _python,
    _display,
    _qt,
    _xcb,
    _gpu,
    _onnxruntime,
    _diffdrr,
    _openvino,
    _tensorrt,
    _tensorrt_rtx,
    _dicom_codecs,
    _video_codec,
    _models,
    _auto_backend,
    _disk,
    _shared_memory,
)
