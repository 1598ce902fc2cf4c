"""Torch in eager float32: the reference that other runtimes are held to, and the way onto a CUDA device."""

from __future__ import annotations

import numpy as np
import safetensors
import safetensors.torch
import torch
from jaxtyping import Float

from calibration.errors import InputError
from engines.inference.model_files import ModelFiles
from engines.inference.onnx_backend import check_batch
from engines.segmentation.dru_net import DruNet, ProbabilityNet


class TorchBackend:
    """A network in eager torch.

    Args:
        files: verified before they are loaded.
        threads: of one call on the CPU; torch has one such number a process.
        device: "cpu" or "cuda".
    """

    def __init__(self, files: ModelFiles, *, threads: int = 1, device: str = "cpu") -> None:
        record = files.record
        net = DruNet(len(record.classes), record.width, record.channels)
        try:
            weights = safetensors.torch.load(files.read(files.safetensors))
            net.load_state_dict(
                {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
            )
        except (RuntimeError, safetensors.SafetensorError) as error:
            raise InputError(
                f"{files.safetensors}: not the weights of {files.name} ({str(error).splitlines()[0]})"
            ) from error
        if device == "cpu":
            torch.set_num_threads(threads)
        self._net = ProbabilityNet(net).eval().to(device)
        self._net = self._net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - not in stubs
        self._channels = record.channels
        self.name = "torch"
        self.device = device

    @torch.inference_mode()
    def run(self, batch: Float[np.ndarray, "n channels rows columns"]) -> Float[np.ndarray, "n classes rows columns"]:
        check_batch(batch, self._channels)
        tensor = torch.from_numpy(np.ascontiguousarray(batch, np.float32)).to(self.device)
        return self._net(tensor.contiguous(memory_format=torch.channels_last)).float().cpu().numpy()
