"""Torch in eager float32: the reference for all other runtimes, and the plain way to use a CUDA device."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from engines.inference.backend import check_batch, thread_count
from engines.inference.model_files import ModelFiles
from engines.inference.network_weights import load_network
from engines.networks.dru_net import ProbabilityNet


class TorchBackend:
    """A network in eager torch.

    Args:
        files: the network's files, verified before they are loaded.
        threads: threads on the CPU, 0 for all useful ones; torch has one such number per process.
        device: "cpu" or "cuda".
    """

    def __init__(self, files: ModelFiles, *, threads: int = 1, device: str = "cpu") -> None:
        net = load_network(files)
        if device == "cpu":
            torch.set_num_threads(thread_count(threads))
        self._net = ProbabilityNet(net).eval().to(device)
        self._net = self._net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - not in stubs
        self._channels = files.record.channels
        self.name = "torch"
        self.device = device

    @torch.inference_mode()
    def run(self, batch: Float[np.ndarray, "n channels rows columns"]) -> Float[np.ndarray, "n classes rows columns"]:
        check_batch(batch, self._channels)
        tensor = torch.from_numpy(np.ascontiguousarray(batch, np.float32)).to(self.device)
        return self._net(tensor.contiguous(memory_format=torch.channels_last)).float().cpu().numpy()
