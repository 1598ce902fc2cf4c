"""The `auto` backend: measure once which runtime is fastest for a network on this machine, and remember it.

The measurement takes a few seconds at most. It is kept in the user's cache under a key made of the weights, the
machine and the versions. If the cache is absent, broken or not writable, the runtimes are simply measured again.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pydantic
from jaxtyping import Float

from calibration.errors import InputError
from calibration.store import write_json
from engines.inference.backend import Backend
from engines.inference.backends import openvino_runtime
from engines.inference.cache_folder import cache_folder
from engines.inference.cuda import cuda_is_there
from engines.inference.machine import this_machine
from engines.inference.model_files import ModelFiles, sha256
from engines.inference.parity import agreement
from engines.inference.runtimes import RUNTIMES, Runtime, load, weights_of, why_not

SCHEMA = "guidance-app/probe/2"
BUDGET_S = 3.0
_LOADING_SHARE = 0.6  # share of the budget; the loaded runtimes must still be timed
_ROUNDS = 6
_INCOMPLETE_HOLDS_S = 3600.0  # an incomplete choice expires, so that a busy moment does not decide for ever
# A less exact runtime must take at most this share of the more exact one's time, or the more exact one is kept.
_WORTHWHILE = 0.9
_NARROW_WORTHWHILE = 0.6  # the narrow network is another one, and has to win more
# Dice of the probability maps on the probe's picture. Measured on AVX-512 with VNNI over four networks: bfloat16 0.983
# to 0.999, ONNX Runtime's 8 bits 0.973 to 0.988, OpenVINO's 0.87 to 0.95.
_LEAST_AGREEMENT = 0.965
_PRECISIONS = ("f32", "bf16", "f16", "int8")  # the most exact first
# The most promising first, because a busy machine may measure only some of them.
_CPU_CANDIDATES = ("openvino-bf16", "openvino-int8", "openvino", "openvino-narrow", "onnx", "onnx-int8")
_CPU_WITHOUT_OPENVINO = ("onnx", "onnx-narrow", "onnx-int8")
_CUDA_CANDIDATES = ("torch", "tensorrt", "tensorrt-rtx")

Loader = Callable[[Runtime, ModelFiles, int], Backend]


class Choice(pydantic.BaseModel):
    """The runtime that `auto` chose, and why.

    Args:
        name: the runtime's name.
        best_ms: best time of each candidate for the network alone, on one picture at the working size.
        left_out: candidates that were not measured, with the reason.
        complete: whether there was time for every candidate; otherwise the choice is measured again after an hour.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: str = pydantic.Field(SCHEMA, alias="schema", pattern=f"^{SCHEMA}$")
    key: str
    name: str
    threads: int
    best_ms: dict[str, float]
    left_out: dict[str, str]
    complete: bool = True

    def name_for(self, *, live: bool) -> str:
        """The runtime to take: where no picture waits, the wide network, however slow."""
        if live or not RUNTIMES[self.name].narrow:
            return self.name
        return _best({name: ms for name, ms in self.best_ms.items() if not RUNTIMES[name].narrow})

    @property
    def why(self) -> str:
        """The reason in one line for a person."""
        if not self.best_ms:
            return f"{self.name}: nothing could be measured"
        others = ", ".join(f"{n} {ms:.1f}" for n, ms in sorted(self.best_ms.items(), key=lambda i: i[1]))
        return f"{self.name}: measured with {self.threads} thread{'s' * (self.threads != 1)}, ms a picture: {others}"


def choose(
    files: ModelFiles,
    *,
    threads: int = 1,
    folder: Path | None = None,
    refresh: bool = False,
    loader: Loader | None = None,
    clock: Callable[[], float] = time.perf_counter,
    budget_s: float = BUDGET_S,
) -> Choice:
    """The remembered choice for this machine, or a new measurement.

    Args:
        files: the network's files.
        threads: threads that one call may use.
        folder: the cache folder, by default the user's.
        refresh: measure again.
        loader: makes a backend; tests inject their own.
        clock: returns seconds; tests inject their own.
        budget_s: time after which no further measurement starts.

    Raises:
        InputError: the weights that a candidate reads are missing or were changed.
    """
    key = probe_key(files, threads)
    path = probe_path(key, folder)
    if not refresh:
        remembered = _remembered(path, key)
        # An earlier version may have chosen a runtime that, as this version knows, does not run here.
        if remembered is not None and why_not(RUNTIMES[remembered.name], files) is None:
            return remembered
    choice = _measured(files, key, threads, loader or _load, clock, budget_s)
    with contextlib.suppress(InputError):  # if the cache is not writable, the next start measures again
        write_json(path, choice.model_dump(mode="json", by_alias=True))
    return choice


def remembered_choice(files: ModelFiles, *, threads: int = 1, folder: Path | None = None) -> Choice | None:
    """The choice of an earlier run, or None; measures nothing."""
    key = probe_key(files, threads)
    return _remembered(probe_path(key, folder), key)


def probe_key(files: ModelFiles, threads: int) -> str:
    """Key of the weights, the gates, the machine and the versions; a change of any causes a new measurement."""
    machine = this_machine().model_dump(exclude={"memory_gib", "python"})
    gates = (files.record.int8, files.record.narrow)
    int8, narrow = (None if gate is None else gate.model_dump() for gate in gates)
    content = {"schema": SCHEMA, "files": files.record.files, "int8": int8, "narrow": narrow, "machine": machine,
               "threads": threads, "gpu_usable": cuda_is_there()}  # fmt: skip
    return sha256(json.dumps(content, sort_keys=True).encode())[:32]


def probe_path(key: str, folder: Path | None = None) -> Path:
    return (folder or cache_folder()) / "probes" / f"{key}.json"


def probe_picture(channels: int, side_px: int) -> Float[np.ndarray, "1 channels side side"]:
    """A smooth noisy background with a few dark tubes, to which a trained network responds as to vessels."""
    random = np.random.default_rng(0)
    plane = cv2.GaussianBlur(random.normal(size=(side_px, side_px)).astype(np.float32), (0, 0), 12) * 8
    for width in (2, 3, 5, 8):
        points = np.cumsum(random.normal(side_px / 8, side_px / 12, (9, 2)), axis=0).astype(np.int32)
        cv2.polylines(plane, [points.reshape(-1, 1, 2)], isClosed=False, color=-2.5, thickness=width)
    plane += random.normal(0, 0.2, plane.shape).astype(np.float32)
    # The third channel says what arrived with the contrast: there vessels are bright.
    return np.stack([plane, plane, -plane][:channels])[None]


def _measured(
    files: ModelFiles, key: str, threads: int, loader: Loader, clock: Callable[[], float], budget_s: float
) -> Choice:
    began = clock()
    picture = probe_picture(files.record.channels, files.record.working_px)
    loaded: dict[str, Backend] = {}
    pictures: dict[str, np.ndarray] = {}
    answers: dict[str, np.ndarray] = {}
    left_out: dict[str, str] = {}
    complete = True
    for name in _candidates():
        reason = _why_left_out(RUNTIMES[name], files)
        if reason is None and loaded and clock() - began > _LOADING_SHARE * budget_s:
            reason, complete = "no time left in the measurement", False
        if reason is None:
            files.read(weights_of(RUNTIMES[name], files))  # raises for changed weights
            try:
                backend = loader(RUNTIMES[name], files, threads)
                pictures[name] = np.ascontiguousarray(picture[:, : files.record.channels_on(name)])
                answers[name], loaded[name] = backend.run(pictures[name]), backend
            except (InputError, RuntimeError) as error:
                reason = " ".join(str(error).split())
        if reason is not None:
            left_out[name] = reason
    for name, reason in _disagreeing(answers).items():
        left_out[name] = reason
        del loaded[name]
    best_s = _timed(loaded, pictures, clock, until=began + budget_s)
    return Choice(
        schema=SCHEMA, key=key, name=_best(best_s), threads=threads, left_out=left_out, complete=complete,
        best_ms={name: round(1e3 * seconds, 3) for name, seconds in best_s.items()},
    )  # fmt: skip


def _candidates() -> tuple[str, ...]:
    if cuda_is_there():
        return _CUDA_CANDIDATES
    return _CPU_CANDIDATES if openvino_runtime.is_installed() else _CPU_WITHOUT_OPENVINO


def _why_left_out(runtime: Runtime, files: ModelFiles) -> str | None:
    reason = why_not(runtime, files)
    if reason is not None:
        return reason
    gate = files.record.int8
    if runtime.precision == "int8" and gate is not None and not gate.passed:
        return f"the 8-bit graph loses {gate.lost_points:.2f} points of Dice, the limit is {gate.limit_points}"
    if runtime.narrow:
        return _why_not_narrow(files)
    if runtime.library in ("tensorrt", "tensorrt-rtx"):
        from engines.inference.tensorrt.tensorrt_plans import stored_plan

        # A build takes minutes, too long for the start of a case.
        path, why = stored_plan(files, runtime.library)
        return None if path is not None else f"no plan yet ({why}); run `guidance-app engines build`"
    return None


def _why_not_narrow(files: ModelFiles) -> str | None:
    gate = files.record.narrow
    if gate is not None and not gate.passed:
        return f"the narrow network loses {gate.lost_points:.2f} points of Dice, the limit is {gate.limit_points}"
    if openvino_runtime.is_installed() and openvino_runtime.computes_in_bfloat16():
        return "this CPU multiplies bfloat16, which is quick enough for the wide network"
    return None


def _disagreeing(answers: dict[str, np.ndarray]) -> dict[str, str]:
    """Runtimes that are wrong on this machine: their answer is far from that of the most exact runtime.

    The narrow network answers a little otherwise everywhere: its runtimes are compared with each other.
    """
    order = _most_exact_first(name for name in answers if not RUNTIMES[name].narrow)
    narrow = [name for name in answers if RUNTIMES[name].narrow]
    return {**_unlike_first(order, answers), **_unlike_first(narrow, answers)}


def _unlike_first(order: list[str], answers: dict[str, np.ndarray]) -> dict[str, str]:
    reasons = {}
    for name in order:
        alike = agreement(answers[name], answers[order[0]])
        # The negated comparison also refuses NaN.
        if not alike >= _LEAST_AGREEMENT:
            reasons[name] = (
                f"its answer to the probe's picture agrees with that of {order[0]} by {alike:.3f} (Dice), "
                f"wanted is {_LEAST_AGREEMENT}"
            )
    return reasons


def _timed(
    loaded: dict[str, Backend], pictures: dict[str, np.ndarray], clock: Callable[[], float], *, until: float
) -> dict[str, float]:
    """Best time of each; the rounds are interleaved, so that the load of other programs affects all equally."""
    best_s: dict[str, float] = {}
    for turn in range(_ROUNDS):
        if turn and clock() > until:
            break
        for name, backend in loaded.items():
            started = clock()
            backend.run(pictures[name])
            best_s[name] = min(best_s.get(name, np.inf), clock() - started)
    return best_s


def _best(best_s: dict[str, float]) -> str:
    if not best_s:
        return "onnx"  # every installation has it, and its error message says what is wrong
    order = _most_exact_first(best_s)
    chosen = order[0]
    for name in order[1:]:
        alike = RUNTIMES[name].precision == RUNTIMES[chosen].precision
        gain = 1.0 if alike else _WORTHWHILE
        if RUNTIMES[name].narrow != RUNTIMES[chosen].narrow:
            gain = _NARROW_WORTHWHILE
        if best_s[name] < gain * best_s[chosen]:
            chosen = name
    return chosen


def _most_exact_first(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (RUNTIMES[name].narrow, _PRECISIONS.index(RUNTIMES[name].precision)))


def _load(runtime: Runtime, files: ModelFiles, threads: int) -> Backend:
    return load(runtime, files, threads=threads)


def _remembered(path: Path, key: str) -> Choice | None:
    try:
        choice = Choice.model_validate_json(path.read_bytes())
        age_s = time.time() - path.stat().st_mtime
    except (OSError, ValueError):
        return None
    if choice.key != key or choice.name not in RUNTIMES or (not choice.complete and age_s > _INCOMPLETE_HOLDS_S):
        return None
    return choice
