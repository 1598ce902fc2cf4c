"""List how each network can run on this machine: for each runtime the file, its size, its key and its time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from calibration.errors import InputError
from engines.inference.model_files import ModelFiles, read_manifest
from engines.inference.probe import remembered_choice
from engines.inference.runtimes import RUNTIMES, Runtime, weights_of, why_not


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One network on one runtime.

    Args:
        model: name of the network.
        backend: name of the runtime.
        ready: whether it can run here now; `reason` says why not, or what must be built first.
        file: the file it loads; None if it does not exist yet.
        bytes: size of that file.
        key: sha-256 of the weights, or the key of a built plan.
        best_ms: time as `auto` measured it, None if not measured.
        chosen: whether `auto` takes this runtime.
    """

    model: str
    backend: str
    ready: bool
    reason: str
    file: str | None
    bytes: int | None
    key: str | None
    best_ms: float | None
    chosen: bool


def inventory(folder: Path, *, threads: int = 1) -> list[Engine]:
    """Every network of a folder on every runtime; neither measures nor builds anything."""
    engines = []
    for name, record in read_manifest(folder).models.items():
        files = ModelFiles(name=name, folder=folder, record=record)
        choice = remembered_choice(files, threads=threads)
        for runtime in RUNTIMES.values():
            ready, reason, path, key = _state(runtime, files)
            engines.append(
                Engine(
                    model=name, backend=runtime.name, ready=ready, reason=reason,
                    file=None if path is None else str(path), bytes=_size(path), key=key,
                    best_ms=choice.best_ms.get(runtime.name) if choice else None,
                    chosen=choice is not None and choice.name == runtime.name,
                )
            )  # fmt: skip
    return engines


def _state(runtime: Runtime, files: ModelFiles) -> tuple[bool, str, Path | None, str | None]:
    reason = why_not(runtime, files)
    if runtime.library in ("tensorrt", "tensorrt-rtx"):
        return _plan_state(runtime, files, reason)
    path = weights_of(runtime, files)
    key = files.record.files.get(path.name)
    if not path.exists():
        path = None
    gate = files.record.int8 if runtime.precision == "int8" else files.record.narrow if runtime.narrow else None
    if reason is None and gate is not None and not gate.passed:
        return True, f"loses {gate.lost_points:.2f} points of Dice: auto leaves it out", path, key
    return reason is None and path is not None, reason or ("" if path else "the file is missing"), path, key


def _plan_state(runtime: Runtime, files: ModelFiles, reason: str | None) -> tuple[bool, str, Path | None, str | None]:
    assert runtime.library in ("tensorrt", "tensorrt-rtx")
    if reason is not None:
        return False, reason, None, None
    from engines.inference.tensorrt.tensorrt_plans import stored_plan

    try:
        path, why = stored_plan(files, runtime.library)
    except InputError as error:
        return False, str(error), None, None
    if path is None:
        return False, f"{why}; run `guidance-app engines build`", None, None
    return True, "", path, path.stem


def _size(path: Path | None) -> int | None:
    return None if path is None else path.stat().st_size
