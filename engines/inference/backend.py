"""The seam between networks and the runtimes that execute them."""

from __future__ import annotations

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
