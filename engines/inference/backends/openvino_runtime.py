"""Load OpenVINO's library without its telemetry."""

from __future__ import annotations

import functools
import importlib.util
import sys
from types import ModuleType

import numpy as np

from calibration.errors import InputError

_TELEMETRY = "openvino_telemetry"
_CHANNELS = 64
_LARGEST = 127  # the largest signed 8-bit number


@functools.cache
def openvino() -> ModuleType:
    """The library, imported with its telemetry blocked: it would otherwise report its use to its maker.

    Raises:
        InputError: the library is not installed, or does not load on this machine.
    """
    if "openvino" not in sys.modules:
        # None makes an import fail as if the package were not installed; OpenVINO then uses its own silent stub.
        sys.modules[_TELEMETRY] = None  # pyright: ignore[reportArgumentType] - documented, missing from the stubs
    try:
        import openvino
    except ImportError as error:
        raise InputError(
            f"backend openvino: the library does not load ({error}); pip install openvino, or use --backend onnx"
        ) from error
    return openvino


def is_installed() -> bool:
    """Whether the package is installed; does not load it."""
    return importlib.util.find_spec("openvino") is not None


@functools.cache
def computes_in_bfloat16() -> bool:
    """Whether the CPU plugin computes in bfloat16 here: it says so, and a small convolution does so.

    What the plugin says is not enough: it reads the processor's features, not the instructions that it may use.

    Raises:
        InputError: the library does not load.
    """
    ov = openvino()
    core = ov.Core()
    if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return False
    try:
        compiled = core.compile_model(_pooled_convolution(), "CPU", {"INFERENCE_PRECISION_HINT": "bf16"})
    except RuntimeError:
        return False
    # 1 + 2^-9 rounds to 1 in bfloat16, so a sum of such numbers reveals the precision it was computed in.
    fine = 1.0 + 2.0**-9
    answer = float(compiled(np.full((1, _CHANNELS, 8, 8), fine, np.float32))[0].max())
    return abs(answer - _CHANNELS * 9) < abs(answer - _CHANNELS * 9 * fine)


@functools.cache
def adds_eight_bit_products() -> bool:
    """Whether sums of 8-bit products are right here; tested by adding the largest products.

    Kernels for CPUs without VNNI add pairs of products in 16 bits, which overflow. Their answers were seen to be wrong
    (by up to 0.99 of a probability, 2 points of Dice), and they are no faster than 32 bits.

    Raises:
        InputError: the library does not load.
    """
    ov = openvino()
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    try:
        compiled = ov.Core().compile_model(_eight_bit_convolution(), "CPU", options)
    except RuntimeError:
        return False
    answer = float(compiled(np.full((1, _CHANNELS, 8, 8), _LARGEST, np.float32))[0].max())
    return abs(answer / (_CHANNELS * 9 * _LARGEST**2) - 1.0) < 1e-3


def _eight_bit_convolution():
    from openvino import opset13 as op

    picture = op.parameter([1, _CHANNELS, 8, 8], np.float32)
    low, high = np.float32(-_LARGEST - 1), np.float32(_LARGEST)
    rounded = op.fake_quantize(picture, low, high, low, high, 256)
    stored = op.constant(np.full((16, _CHANNELS, 3, 3), _LARGEST, np.int8))
    weights = op.multiply(op.convert(stored, "f32"), op.constant(np.float32(1)))
    return openvino().Model([op.convolution(rounded, weights, [1, 1], [1, 1], [1, 1], [1, 1])], [picture])


def _pooled_convolution():
    from openvino import opset13 as op

    picture = op.parameter([1, _CHANNELS, 8, 8], np.float32)
    weights = op.constant(np.ones((16, _CHANNELS, 3, 3), np.float32))
    summed = op.convolution(picture, weights, [1, 1], [1, 1], [1, 1], [1, 1])
    return openvino().Model([op.max_pool(summed, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2]).output(0)], [picture])
