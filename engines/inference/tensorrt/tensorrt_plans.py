"""TensorRT plans that were built on this machine for this machine.

Loading a plan executes code from it. A plan is therefore loaded only from the program's own cache folder, only under
the key that this machine asks for, and only if sealed with this user's own secret. Every other plan is built again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import stat
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from calibration.errors import InputError
from calibration.store import write_bytes
from engines.inference.cache_folder import cache_folder
from engines.inference.cuda import cuda_is_there
from engines.inference.model_files import ModelFiles, sha256
from engines.inference.tensorrt.tensorrt_builder import Flavour, PlanPrecision, build_plan, library, source_graph

_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanKey:
    """Everything that a plan depends on; a change of any of it requires another plan.

    Args:
        onnx_sha256: sha-256 of the graph as the builder receives it.
        library: its name and version.
        precision: "f32", "f16" or "int8".
        gpu: name and compute capability, or "none".
        driver: version, or "none".
    """

    onnx_sha256: str
    library: str
    precision: str
    gpu: str
    driver: str

    @property
    def digest(self) -> str:
        return sha256(json.dumps(asdict(self), sort_keys=True).encode())[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A serialised engine, and whether it was built just now (and why) or found in the cache."""

    content: bytes
    key: PlanKey
    path: Path
    found: bool
    reason: str


def plan_key(graph: bytes, flavour: Flavour, precision: PlanPrecision) -> PlanKey:
    gpu, driver = this_gpu()
    return PlanKey(
        onnx_sha256=sha256(graph),
        library=f"{flavour} {library(flavour).__version__}",
        precision=precision,
        gpu=gpu,
        driver=driver,
    )


def ready_plan(
    files: ModelFiles, flavour: Flavour, precision: PlanPrecision = "f16", folder: Path | None = None
) -> Plan:
    """The sealed plan of the cache, or a new plan that is sealed and stored.

    Raises:
        InputError: there is no library or no such graph, or the build fails.
    """
    graph = source_graph(files, precision)
    key = plan_key(graph, flavour, precision)
    path = plan_path(key, folder)
    content, reason = _stored(path, key)
    if content is not None:
        return Plan(content=content, key=key, path=path, found=True, reason="in the cache")
    content = build_plan(graph, flavour, channels=files.record.channels, side_px=files.record.working_px)
    _store(path, key, content)
    return Plan(content=content, key=key, path=path, found=False, reason=reason)


def stored_plan(
    files: ModelFiles, flavour: Flavour, precision: PlanPrecision = "f16", folder: Path | None = None
) -> tuple[Path | None, str]:
    """Path of a trusted plan, or None with the reason; builds nothing."""
    key = plan_key(source_graph(files, precision), flavour, precision)
    path = plan_path(key, folder)
    content, reason = _stored(path, key)
    return (path, f"key {key.digest}") if content is not None else (None, reason)


def plan_path(key: PlanKey, folder: Path | None = None) -> Path:
    return (folder or cache_folder()) / "plans" / f"{key.digest}.plan"


def this_gpu() -> tuple[str, str]:
    """Name with compute capability, and driver version of the first CUDA device; "none" twice without one."""

    if not cuda_is_there():
        return "none", "none"
    import torch

    properties = torch.cuda.get_device_properties(0)
    return f"{properties.name} sm{properties.major}{properties.minor}", _driver_version()


def _driver_version() -> str:
    try:
        if sys.platform == "linux":
            text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8", errors="replace")
            return text.splitlines()[0].strip()
    except OSError:
        pass
    try:
        command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _stored(path: Path, key: PlanKey) -> tuple[bytes | None, str]:
    """The plan's content if it is sealed by this user, or the reason why it is refused."""
    try:
        content, seal = path.read_bytes(), path.with_suffix(".seal").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None, "none was built for this network, library, GPU and driver"
    secret = _secret(path.parent, make=False)
    if secret is None:
        return None, "refused: the folder is not this user's alone, or its secret is gone"
    if not hmac.compare_digest(seal, _seal(secret, key, content)):
        return None, "refused: changed since it was built, or built elsewhere"
    return content, ""


def _store(path: Path, key: PlanKey, content: bytes) -> None:
    """Seal and store a plan; if the cache cannot be written, the next start builds again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        secret = _secret(path.parent, make=True)
        if secret is None:
            return
        write_bytes(path, content)
        write_bytes(path.with_suffix(".seal"), _seal(secret, key, content).encode())
    except (InputError, OSError):
        return


def _seal(secret: bytes, key: PlanKey, content: bytes) -> str:
    return hmac.new(secret, key.digest.encode() + hashlib.sha256(content).digest(), hashlib.sha256).hexdigest()


def _secret(folder: Path, *, make: bool) -> bytes | None:
    """This user's secret, stored beside the plans; None if others can write to the folder or read the secret."""
    path = folder / "secret"
    try:
        if sys.platform != "win32" and folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return None
        if not path.exists() and make:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(_SECRET_BYTES))
        if sys.platform != "win32" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            return None
        content = path.read_bytes()
    except (InputError, OSError):
        return None
    return content if len(content) == _SECRET_BYTES else None
