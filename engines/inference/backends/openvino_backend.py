"""OpenVINO: the fastest runtime on most CPUs, in three precisions."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float

from calibration.errors import InputError
from engines.inference.backend import check_batch, thread_count
from engines.inference.backends.openvino_runtime import openvino
from engines.inference.model_files import ModelFiles

Precision = Literal["f32", "bf16", "int8"]


class OpenvinoBackend:
    """A network on OpenVINO's CPU plug-in.

    One picture at the working size runs on a graph compiled for exactly that shape; the first batch of another shape
    compiles a second graph, for any shape.

    Args:
        files: the network's files, verified before they are loaded.
        threads: threads of one call, 0 for all useful ones.
        precision: "f32" is exact; "bf16" computes in bfloat16 (no faster than f32 on a CPU without instructions for
            it); "int8" loads the shipped 8-bit graph.
        narrow: whether to load the narrow network instead; in "f32".
    """

    def __init__(
        self, files: ModelFiles, *, threads: int = 1, precision: Precision = "f32", narrow: bool = False
    ) -> None:
        self._ov = openvino()
        self._path = files.int8_onnx if precision == "int8" else files.narrow_onnx if narrow else files.onnx
        self._properties = {
            # The floating-point parts of an 8-bit graph stay in float32.
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "INFERENCE_NUM_THREADS": thread_count(threads),
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            # A pinned thread would wait for its own core while another core is idle.
            "ENABLE_CPU_PINNING": False,
        }
        of_precision = {"f32": "openvino", "bf16": "openvino-bf16", "int8": "openvino-int8"}
        self.name = "openvino-narrow" if narrow else of_precision[precision]
        self.device = "cpu"
        self._channels = files.record.channels_on(self.name)
        self._graph = files.read(self._path)
        side = files.record.working_px
        self._usual_shape = (1, self._channels, side, side)
        self._usual = self._compiled(self._usual_shape)
        self._any = None

    def run(self, batch: Float[np.ndarray, "n channels rows columns"]) -> Float[np.ndarray, "n classes rows columns"]:
        check_batch(batch, self._channels)
        if batch.shape == self._usual_shape:
            request = self._usual
        else:
            self._any = request = self._any or self._compiled(None)
        # Copied, because the runtime writes the next answer into the same memory.
        return request.infer({0: np.ascontiguousarray(batch, np.float32)})[0].copy()

    def _compiled(self, shape: tuple[int, ...] | None):
        core = self._ov.Core()
        try:
            model = core.read_model(self._graph)
            if shape is not None:
                model.reshape(list(shape))
            return core.compile_model(model, "CPU", self._properties).create_infer_request()
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1] if str(error).strip() else "no reason given"
            raise InputError(f"{self._path}: OpenVINO cannot load it ({reason})") from error
