"""Execute a network on TensorRT with static tensors, one stream and one captured CUDA graph.

NOT YET EXECUTED: no machine of this project's authors had a GPU when this was written. It follows the documented call
sequence; its tests need a CUDA device and skip without one. Until somebody has run them, trust `torch` on CUDA, and
let `guidance-app engines verify` compare.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from calibration.errors import InputError
from engines.inference.backend import check_batch
from engines.inference.model_files import ModelFiles
from engines.inference.tensorrt.tensorrt_builder import Flavour, PlanPrecision, library, max_side_px
from engines.inference.tensorrt.tensorrt_plans import ready_plan

_WARM_UP_RUNS = 3  # before capture: kernels load lazily, and must not load while a graph is recorded


class TensorrtBackend:
    """A network on full TensorRT or on TensorRT for RTX. Needs a CUDA device.

    One picture at the working size replays a captured graph; any other shape is enqueued directly.

    Args:
        files: the network's files, verified before they are loaded.
        flavour: "tensorrt" or "tensorrt-rtx".
        precision: the plan's precision; the plan is built first if this machine has none.

    Raises:
        InputError: there is no CUDA device or no library, or the plan cannot be built or loaded.
    """

    def __init__(self, files: ModelFiles, *, flavour: Flavour = "tensorrt", precision: PlanPrecision = "f16") -> None:
        import torch

        if not torch.cuda.is_available():
            raise InputError(f"backend {flavour}: this machine has no CUDA device; use --backend auto")
        trt = library(flavour)
        plan = ready_plan(files, flavour, precision)
        self._torch = torch
        self._channels, side = files.record.channels, files.record.working_px
        # Keep both alive: the engine needs its runtime, and the context needs its engine.
        self._runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))
        self._engine = self._runtime.deserialize_cuda_engine(plan.content)
        if self._engine is None:
            raise InputError(f"{plan.path}: {flavour} cannot load the plan; delete it and run `engines build`")
        self._context = self._engine.create_execution_context()
        self._stream = torch.cuda.Stream()
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        self._source, self._target = sorted(
            names, key=lambda name: self._engine.get_tensor_mode(name) != trt.TensorIOMode.INPUT
        )
        self._usual_shape = (1, self._channels, side, side)
        classes = len(files.record.classes)
        self._input = torch.zeros(self._usual_shape, device="cuda")
        self._output = torch.zeros((1, classes, side, side), device="cuda")
        self._graph = self._captured()
        self.name = flavour
        self.device = "cuda"

    def run(self, batch: Float[np.ndarray, "n channels rows columns"]) -> Float[np.ndarray, "n classes rows columns"]:
        check_batch(batch, self._channels)
        largest = max_side_px(self._usual_shape[-1])
        if max(batch.shape[2:]) > largest:
            raise ValueError(f"a plan takes pictures of up to {largest} pixels a side, found {batch.shape}")
        source = self._torch.from_numpy(np.ascontiguousarray(batch, np.float32))
        if batch.shape != self._usual_shape:
            return np.concatenate([self._run_any(picture[None]) for picture in source])
        with self._torch.cuda.stream(self._stream):
            self._input.copy_(source)
            self._graph.replay()
            answer = self._output.cpu()
        return answer.numpy()

    def _run_any(self, picture) -> np.ndarray:
        shape = (1, self._output.shape[1], *picture.shape[2:])
        with self._torch.cuda.stream(self._stream):
            source, target = picture.cuda(), self._torch.empty(shape, device="cuda")
            self._enqueue(source, target)
            answer = target.cpu()
            # The captured graph replays with the context's current shape, so restore the usual one.
            self._bind(self._input, self._output)
        return answer.numpy()

    def _captured(self):
        graph = self._torch.cuda.CUDAGraph()
        with self._torch.cuda.stream(self._stream):
            for _ in range(_WARM_UP_RUNS):
                self._enqueue(self._input, self._output)
        self._stream.synchronize()
        with self._torch.cuda.graph(graph, stream=self._stream):
            self._context.execute_async_v3(self._stream.cuda_stream)
        return graph

    def _enqueue(self, source, target) -> None:
        self._bind(source, target)
        if not self._context.execute_async_v3(self._stream.cuda_stream):
            raise RuntimeError("TensorRT refused to enqueue the network")

    def _bind(self, source, target) -> None:
        self._context.set_input_shape(self._source, tuple(source.shape))
        self._context.set_tensor_address(self._source, source.data_ptr())
        self._context.set_tensor_address(self._target, target.data_ptr())
