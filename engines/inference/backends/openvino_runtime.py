"""OpenVINO's library, loaded so that it calls nobody."""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from calibration.errors import InputError

_TELEMETRY = "openvino_telemetry"
_CPU_LISTING = Path("/proc/cpuinfo")
_EIGHT_BIT_PRODUCTS = frozenset({"avx512_vnni", "avx_vnni"})  # as Linux calls them


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


@functools.cache
def has_eight_bit_products(listing: Path = _CPU_LISTING) -> bool:
    """Whether the CPU has instructions that add 8-bit products in 32 bits (VNNI); False where it cannot be told.

    OpenVINO's kernels for CPUs without them were seen to answer otherwise than the graph says (up to 0.99 of a
    probability, 2 points of Dice on AVX2), and are no faster than 32 bits.
    """
    try:
        lines = listing.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return not _EIGHT_BIT_PRODUCTS.isdisjoint(flags)
