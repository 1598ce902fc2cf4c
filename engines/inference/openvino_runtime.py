"""OpenVINO's library, loaded so that it calls nobody."""

from __future__ import annotations

import functools
import importlib.util
import sys
from types import ModuleType

from calibration.errors import InputError

_TELEMETRY = "openvino_telemetry"


@functools.cache
def openvino() -> ModuleType:
    """The library. Importing it reports to its maker unless its telemetry package is absent: here it always is.

    Raises:
        InputError: it is not installed, or does not load on this machine.
    """
    if "openvino" not in sys.modules:
        # None makes an import fail as for a package that is not installed; OpenVINO then takes its own silent stub.
        sys.modules[_TELEMETRY] = None  # pyright: ignore[reportArgumentType] - documented, missing from the stubs
    try:
        import openvino
    except ImportError as error:
        raise InputError(
            f"backend openvino: the library does not load ({error}); pip install openvino, or use --backend onnx"
        ) from error
    return openvino


def is_installed() -> bool:
    """Whether there is such a package; does not load it."""
    return importlib.util.find_spec("openvino") is not None


@functools.cache
def cpu_capabilities() -> frozenset[str]:
    """Number formats that the CPU computes in: "FP32", "INT8", and "BF16" where it has instructions for it."""
    return frozenset(openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
