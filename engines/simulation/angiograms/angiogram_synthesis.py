"""Endless synthetic angiograms with exact masks, made while training.

A picture follows the physics of X-rays: attenuations add up, the beam decays exponentially, the detector blurs and
counts. Every property that may differ between sites (contrast, anatomy, noise, processing, collimation, text) is drawn
at random, from a wider range than real pictures have. No real picture and no evaluation case is used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from engines.segmentation.conditioning import CHANNELS, condition_working
from engines.segmentation.scenes import Scene
from engines.simulation.angiograms.exposure import expose, expose_alike
from engines.simulation.angiograms.picture_layers import PictureLayers
from engines.simulation.angiograms.scene_pictures import draw_scene

WORKING_PX = 256  # the picture size for which widths are given
# The fixed imaging chain of the ablation: the middle of the ranges drawn otherwise.
_ONE_GRAIN = 0.022
_ONE_BLUR_PX = 1.2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """One training patch.

    Args:
        channels: the conditioned picture.
        masks: (classes, size, size) in 0..1.
        picture: display values before conditioning, for viewing and tests.
    """

    channels: Float[np.ndarray, "channels size size"]
    masks: Float[np.ndarray, "classes size size"]
    picture: Float[np.ndarray, "size size"]


def synthesize(scene: Scene, seed: int, index: int, size_px: int = 192, *, randomised: bool = True) -> Sample:
    """The `index`-th patch of a seeded, endless series; the same arguments give the same patch.

    Without `randomised`, the imaging chain is the same for every patch (blur, dose, display; no scatter, blades, text
    or compression); only the content is drawn at random. This is for the ablation.
    """
    random = np.random.default_rng(np.random.SeedSequence([seed, index]))
    while True:
        grain, blur_px = float(np.exp(random.uniform(np.log(0.004), np.log(0.12)))), float(random.uniform(0.4, 2.4))
        layers = PictureLayers(
            grain=grain if randomised else _ONE_GRAIN,
            blur_px=blur_px if randomised else _ONE_BLUR_PX,
            attenuation=np.zeros((size_px, size_px), np.float32),
            outlines={name: np.zeros((size_px, size_px), np.float32) for name in scene.classes},
        )
        draw_scene(scene.name, random, layers)
        picture = expose(random, layers) if randomised else expose_alike(random, layers)
        conditioned = condition_working(picture, working_px=WORKING_PX)
        if conditioned is None:
            continue
        masks = np.stack([(layers.outlines[name] >= 0.5) for name in scene.classes]).astype(np.float32)
        if conditioned.field_of_view is not None:
            masks *= conditioned.field_of_view
        channels = -conditioned.channels if conditioned.inverted else conditioned.channels
        assert channels.shape[0] == CHANNELS
        return Sample(channels=np.ascontiguousarray(channels), masks=masks, picture=picture)
