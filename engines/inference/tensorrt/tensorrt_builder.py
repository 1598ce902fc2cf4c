"""Build a TensorRT plan from ONNX, with full TensorRT or TensorRT for RTX; both have the same API.

Executed without a GPU: parsing, building and serialising with TensorRT for RTX 1.7. Never executed by its authors:
building with full TensorRT, which needs a GPU.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections import Counter
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

from calibration.errors import InputError
from engines.inference.model_files import ModelFiles

Flavour = Literal["tensorrt", "tensorrt-rtx"]
PlanPrecision = Literal["f32", "f16", "int8"]

MODULES: dict[str, str] = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
_WORKSPACE_BYTES = 1 << 30
_MIN_SIDE_PX = 16
_MAX_SIDE_FACTOR = 2  # relative to the working size; activations are reserved for the largest shape


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRow:
    """One ONNX operator of a graph: how often it occurs, and whether the parser takes it."""

    operator: str
    count: int
    supported: bool


@functools.cache
def library(flavour: Flavour) -> ModuleType:
    """TensorRT's Python module. Raises InputError with the line that installs it."""
    try:
        return importlib.import_module(MODULES[flavour])
    except (ImportError, RuntimeError, OSError) as error:
        raise InputError(
            f"backend {flavour}: the library does not load ({error}); on a machine with an NVIDIA GPU: "
            f"pip install 'guidance-app[{flavour}]'"
        ) from error


def is_installed(flavour: Flavour) -> bool:
    """Whether the package is installed; does not load it."""
    return importlib.util.find_spec(MODULES[flavour]) is not None


def source_graph(files: ModelFiles, precision: PlanPrecision) -> bytes:
    """The verified ONNX from which a plan of this precision is built.

    Raises:
        InputError: the weights differ from the manifest's, or there is no 8-bit graph.
    """
    if precision == "int8":
        if not files.has_int8:
            raise InputError(f"{files.name}: no 8-bit graph ships with this network; take f16")
        return files.read(files.int8_onnx)
    graph = files.read(files.onnx)
    if precision == "f32":
        return graph
    from engines.inference.tensorrt.half_precision import (
        in_half_precision,  # imported here because it loads onnx, which a cached choice never needs
    )

    return in_half_precision(graph)


def max_side_px(side_px: int) -> int:
    """The longest side that a plan for pictures of `side_px` accepts."""
    return _MAX_SIDE_FACTOR * side_px


def build_plan(graph: bytes, flavour: Flavour, *, channels: int, side_px: int) -> bytes:
    """Parse, build and serialise a plan, tuned for one picture of `side_px`, that accepts up to `max_side_px`.

    Raises:
        InputError: the library is not installed, its parser refuses the graph, or the build fails.
    """
    trt = library(flavour)
    logger = _logger(flavour)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(graph):
        reasons = "; ".join(str(parser.get_error(index)) for index in range(parser.num_errors))
        raise InputError(f"backend {flavour}: the parser refuses the graph ({reasons}); use another backend")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, _WORKSPACE_BYTES)
    profile = builder.create_optimization_profile()
    profile.set_shape(
        network.get_input(0).name,
        (1, channels, _MIN_SIDE_PX, _MIN_SIDE_PX),
        (1, channels, side_px, side_px),
        (1, channels, max_side_px(side_px), max_side_px(side_px)),
    )
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise InputError(
            f"backend {flavour}: the build failed; full TensorRT needs a GPU, and the GPU must be supported"
        )
    return bytes(plan)


def operator_table(graph: bytes, flavour: Flavour) -> list[OperatorRow]:
    """Every ONNX operator of the graph and whether this library's parser takes it."""
    import onnx

    trt = library(flavour)
    logger = _logger(flavour)
    builder = trt.Builder(logger)
    # Keep a reference to the network here, because the parser holds none.
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    counts = Counter(node.op_type for node in onnx.load_from_string(graph).graph.node)
    return [
        OperatorRow(operator=name, count=count, supported=bool(parser.supports_operator(name)))
        for name, count in sorted(counts.items())
    ]


@functools.cache
def _logger(flavour: Flavour):
    """One logger for all calls: the library keeps the first logger until the process ends."""
    trt = library(flavour)
    return trt.Logger(trt.Logger.ERROR)
