"""The outcome of segmenting one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segmentation:
    """Probabilities on the frame's own pixel grid.

    Args:
        probabilities: (classes, rows, columns) float32 in 0..1; classes are independent of each other.
        classes: one name per channel, of "vessel", "artery", "vein", "aorta", "device".
        model: name of the network.
        backend: runtime and device that computed it.
        field_of_view: True where the collimator lets X-rays through, or None if the whole frame is open.
    """

    probabilities: Float[np.ndarray, "classes rows columns"]
    classes: tuple[str, ...]
    model: str
    backend: str
    field_of_view: Bool[np.ndarray, "rows columns"] | None = None

    def probability(self, *classes: str) -> Float[np.ndarray, "rows columns"]:
        """The largest probability over those of the named classes that the model has.

        Raises:
            KeyError: the model has none of them.
        """
        channels = [self.classes.index(name) for name in classes if name in self.classes]
        if not channels:
            raise KeyError(f"{self.model} has classes {self.classes}, none of {classes}")
        return self.probabilities[channels].max(axis=0)

    def vessel(self) -> Float[np.ndarray, "rows columns"]:
        """The probability of any vessel, without devices."""
        return self.probability("vessel", "artery", "vein", "aorta")
