"""The interface between networks and the runtimes that execute them."""

from __future__ import annotations

import os
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float


@runtime_checkable
class Backend(Protocol):
    """A loaded network. One instance belongs to one thread."""

    name: str
    device: str

    def run(self, batch: Float[np.ndarray, "n channels rows columns"]) -> Float[np.ndarray, "n classes rows columns"]:
        """Class probabilities for a float32 batch. Raises ValueError on a wrong shape."""
        ...


def check_batch(batch: Float[np.ndarray, "n channels rows columns"], channels: int) -> None:
    """Refuse a batch that no backend accepts. Raises ValueError."""
    stride = 16  # the network has four poolings
    if (
        batch.ndim != 4
        or batch.shape[1] != channels
        or batch.shape[2] % stride
        or batch.shape[3] % stride
        or 0 in batch.shape
    ):
        raise ValueError(
            f"a batch is (n, {channels}, rows, columns) with sides a multiple of {stride}, found {batch.shape}"
        )


def usable_cores() -> int:
    """Number of cores this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def thread_count(threads: int) -> int:
    """`threads`, or for 0 all usable cores up to 8: a small network gains nothing from more."""
    return threads if threads > 0 else min(usable_cores(), 8)


def live_threads() -> int:
    """Threads for the network of a live picture: one core is left to paint, and more than 4 gain little."""
    return max(1, min(usable_cores() - 1, 4))
