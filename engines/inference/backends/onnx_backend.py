"""ONNX Runtime: the exact float32 runtime that every installation has."""

from __future__ import annotations

import numpy as np
import onnxruntime
from jaxtyping import Float

from calibration.errors import InputError
from engines.inference.backend import check_batch, thread_count
from engines.inference.model_files import ModelFiles


class OnnxBackend:
    """A network on ONNX Runtime's CPU provider, or on CUDA if asked for and installed.

    Args:
        files: the network's files, verified before they are loaded.
        threads: threads of one call, 0 for all useful ones; the live path shares its cores with the window.
        device: "cpu" or "cuda".
        int8: whether to load the 8-bit graph.
        narrow: whether to load the narrow network instead.
    """

    def __init__(
        self,
        files: ModelFiles,
        *,
        threads: int = 1,
        device: str = "cpu",
        int8: bool = False,
        narrow: bool = False,
    ) -> None:
        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = thread_count(threads)
        options.inter_op_num_threads = 1
        # Spinning threads would occupy the core that paints the next frame.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        options.log_severity_level = 3
        provider = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}[device]
        if provider not in onnxruntime.get_available_providers():
            raise InputError(
                f"backend onnx: this ONNX Runtime has no {provider}; install onnxruntime-gpu or use --backend torch"
            )
        path = files.int8_onnx if int8 else files.narrow_onnx if narrow else files.onnx
        graph = files.read(path)
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=[provider])
        except Exception as error:  # ONNX Runtime raises unrelated types of its own
            raise InputError(f"{path}: ONNX Runtime cannot load it ({error})") from error
        self._input = self._session.get_inputs()[0]
        self.name = "onnx-int8" if int8 else "onnx-narrow" if narrow else "onnx"
        self.device = device

    def run(self, batch: Float[np.ndarray, "n channels rows columns"]) -> Float[np.ndarray, "n classes rows columns"]:
        check_batch(batch, int(self._input.shape[1]))
        return np.asarray(self._session.run(None, {self._input.name: np.ascontiguousarray(batch, np.float32)})[0])
