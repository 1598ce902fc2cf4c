"""Choose and load the runtime that executes a network."""

from __future__ import annotations

import difflib

from calibration.errors import InputError
from engines.inference.backend import Backend
from engines.inference.cuda import cuda_is_there
from engines.inference.model_files import ModelFiles
from engines.inference.probe import choose
from engines.inference.runtimes import RUNTIMES, Runtime, load, weights_of

__all__ = ["BACKENDS", "cuda_is_there", "make_backend", "runtime_named"]

BACKENDS = ("auto", *RUNTIMES)


def make_backend(name: str, files: ModelFiles, *, threads: int = 1, live: bool = False) -> Backend:
    """Load a network on the runtime called `name`; `auto` takes the one measured as fastest on this machine.

    The result's `name` and `device` tell which runtime was taken; `engines.inference.probe.choose` says why.

    Args:
        name: one of `BACKENDS`, or "auto".
        files: the network's files.
        threads: threads of one call, 0 for all useful ones.
        live: pictures come at their own pace, so that `auto` may take a narrow network where the wide one is slow.

    Raises:
        InputError: the runtime is unknown or does not run here, or the weights are unusable.
    """
    if name != "auto":
        return load(runtime_named(name), files, threads=threads)
    chosen = RUNTIMES[choose(files, threads=threads).name_for(live=live)]
    try:
        return load(chosen, files, threads=threads)
    except InputError:
        files.read(weights_of(chosen, files))  # changed weights are refused under any runtime
        return load(RUNTIMES["onnx"], files, threads=threads)


def runtime_named(name: str) -> Runtime:
    """The runtime of this name. Raises InputError that suggests the nearest known name."""
    if name in RUNTIMES:
        return RUNTIMES[name]
    close = difflib.get_close_matches(name, BACKENDS, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise InputError(f"no backend is called {name!r}; {hint}known are {', '.join(BACKENDS)}")
