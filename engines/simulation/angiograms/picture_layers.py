"""The attenuation of a picture under construction, and the outlines of the classes in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from engines.simulation.angiograms.vessel_trees import Tube, thickness_px

# Readers do not outline what is hardly visible, so fainter branches are drawn but not labelled. The limits are an
# attenuation, a multiple of the noise's deviation and, for coronaries, whose readers follow the main branches, a share
# of the tree's darkest part.
_FAINTEST = 0.025
_SEEN_IN_GRAIN = 0.8
_SEEN_BESIDE_MAIN = 0.2


@dataclass(slots=True, kw_only=True)
class PictureLayers:
    """The attenuation so far, the outlines of its parts, and the noise and blur that the exposure will add."""

    grain: float
    blur_px: float
    attenuation: Float[np.ndarray, "size size"]
    outlines: dict[str, Float[np.ndarray, "size size"]]

    def add(self, name: str, path: np.ndarray, outline: np.ndarray, strength: float) -> None:
        self.attenuation += path * strength
        if name in self.outlines:
            self.outlines[name] = np.maximum(self.outlines[name], outline)

    def add_tubes(
        self, name: str, tubes: list[Tube], fill: np.ndarray, strength: float, *, as_readers_draw: bool = False
    ) -> None:
        """Draw tubes of attenuation `strength` per pixel of depth; tubes too faint to be seen get no outline."""
        radii = np.array([np.median(tube.radii_px) for tube in tubes])
        # Blur reduces the contrast of a vessel thinner than itself.
        seen = strength * 2 * radii * fill * np.minimum(1.0, radii / max(self.blur_px, 1.0))
        faintest = max(_FAINTEST, _SEEN_IN_GRAIN * self.grain)
        shown = seen > (max(faintest, _SEEN_BESIDE_MAIN * float(seen.max())) if as_readers_draw else faintest)
        size = self.attenuation.shape[0]
        blur_px = self.blur_px if as_readers_draw else None
        self.add(name, *thickness_px(tubes, size, fill, seen_through_blur_px=blur_px, shown=shown), strength)
