"""Every runtime by name: what it needs, which file it reads, and whether it runs here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from calibration.errors import InputError
from engines.inference.backend import Backend
from engines.inference.backends import openvino_runtime
from engines.inference.cuda import cuda_is_there
from engines.inference.model_files import ModelFiles
from engines.inference.parity import Limits
from engines.inference.tensorrt import tensorrt_builder

Library = Literal["torch", "onnx", "openvino", "tensorrt", "tensorrt-rtx"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """One way to execute a network.

    Args:
        name: its name on the command line.
        library: the library that executes it.
        precision: "f32" is exact; the others are compared with it by their limits and a Dice gate.
        limits: limits of the difference from the reference, on pictures with vessels.
        narrow: executes the narrow network that ships beside the wide one; the Dice gate compares the two.
    """

    name: str
    library: Library
    precision: Literal["f32", "f16", "bf16", "int8"]
    limits: Limits
    narrow: bool = False

    @property
    def exact(self) -> bool:
        return self.precision == "f32" and not self.narrow


_EXACT = Limits(largest=1e-3, mean=1e-4, changed_share=1e-4)
# Torch's weights are rounded before batch norm is folded in, those of the ONNX file after.
_FOLDED_LATER = Limits(largest=1.5e-2, mean=1e-4, changed_share=1e-4)
_SIXTEEN_BITS = Limits(largest=None, mean=1e-3, changed_share=1e-3)
# Another network: seen on pictures with vessels; what it loses is said by its gate.
_NARROW = Limits(largest=None, mean=5e-2, changed_share=5e-2)
_EIGHT_BITS = Limits(largest=None, mean=5e-3, changed_share=5e-3)
# OpenVINO moves the rounding of a convolution's input before the branch to the residual addition, so that the skip
# path is rounded as well: measured on VNNI 6 times the mean difference of ONNX Runtime on the same graph, and 0.7
# points of Dice. `auto` therefore takes it only if its answer to the probe's picture agrees.
_FUSED_EIGHT_BITS = Limits(largest=None, mean=3e-2, changed_share=2e-2)

RUNTIMES = {
    runtime.name: runtime
    for runtime in (
        Runtime(name="torch", library="torch", precision="f32", limits=_FOLDED_LATER),
        Runtime(name="onnx", library="onnx", precision="f32", limits=_EXACT),
        Runtime(name="onnx-int8", library="onnx", precision="int8", limits=_EIGHT_BITS),
        Runtime(name="openvino", library="openvino", precision="f32", limits=_EXACT),
        Runtime(name="openvino-bf16", library="openvino", precision="bf16", limits=_SIXTEEN_BITS),
        Runtime(name="openvino-int8", library="openvino", precision="int8", limits=_FUSED_EIGHT_BITS),
        Runtime(name="onnx-narrow", library="onnx", precision="f32", limits=_NARROW, narrow=True),
        Runtime(name="openvino-narrow", library="openvino", precision="f32", limits=_NARROW, narrow=True),
        Runtime(name="tensorrt", library="tensorrt", precision="f16", limits=_SIXTEEN_BITS),
        Runtime(name="tensorrt-rtx", library="tensorrt-rtx", precision="f16", limits=_SIXTEEN_BITS),
    )
}


def weights_of(runtime: Runtime, files: ModelFiles) -> Path:
    """The one file that this runtime reads."""
    if runtime.library == "torch":
        return files.safetensors
    if runtime.narrow:
        return files.narrow_onnx
    return files.int8_onnx if runtime.precision == "int8" else files.onnx


def why_not(runtime: Runtime, files: ModelFiles) -> str | None:
    """Why this runtime cannot execute this network here and what to do; None if it can. Loads no weights."""
    if runtime.precision == "int8" and not files.has_int8:
        return f"no 8-bit graph ships with {files.name}; `guidance-app engines quantise` makes one"
    if runtime.narrow and not files.has_narrow:
        return f"no narrow network ships with {files.name}; `guidance-app train {files.name} --narrow` makes one"
    if runtime.library == "openvino":
        return _why_not_openvino(runtime)
    if runtime.library in ("tensorrt", "tensorrt-rtx"):
        return _why_not_tensorrt(runtime.library)
    return None


def load(runtime: Runtime, files: ModelFiles, *, threads: int) -> Backend:
    """Load a network. Raises InputError: the runtime does not run here, or the weights are unusable."""
    reason = why_not(runtime, files)
    if reason is not None:
        raise InputError(f"backend {runtime.name}: {reason}; use --backend auto")
    if runtime.library == "onnx":
        from engines.inference.backends.onnx_backend import OnnxBackend

        return OnnxBackend(files, threads=threads, int8=runtime.precision == "int8", narrow=runtime.narrow)
    if runtime.library == "openvino":
        from engines.inference.backends.openvino_backend import OpenvinoBackend

        precision = "f32" if runtime.precision == "f16" else runtime.precision
        return OpenvinoBackend(files, threads=threads, precision=precision, narrow=runtime.narrow)
    if runtime.library == "torch":
        from engines.inference.backends.torch_backend import TorchBackend

        return TorchBackend(files, threads=threads, device="cuda" if cuda_is_there() else "cpu")
    from engines.inference.tensorrt.tensorrt_backend import TensorrtBackend

    return TensorrtBackend(files, flavour=runtime.library)


def _why_not_openvino(runtime: Runtime) -> str | None:
    if not openvino_runtime.is_installed():
        return "the library is not installed; pip install openvino"
    try:
        if runtime.precision == "bf16" and not openvino_runtime.computes_in_bfloat16():
            return "no bfloat16 instructions are in use on this CPU; take openvino"
        if runtime.precision == "int8" and not openvino_runtime.adds_eight_bit_products():
            return "on this CPU sums of 8-bit products overflow (no VNNI in use), answers are off; take openvino"
    except InputError as error:
        return str(error)
    return None


def _why_not_tensorrt(flavour: tensorrt_builder.Flavour) -> str | None:
    installed = tensorrt_builder.is_installed(flavour)
    if not cuda_is_there():
        return "no CUDA device" + ("" if installed else ", and the library is not installed")
    if not installed:
        return f"the library is not installed; pip install 'guidance-app[{flavour}]'"
    return None
