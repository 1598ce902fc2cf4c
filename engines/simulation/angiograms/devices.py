"""Catheters and wires: tubes drawn over the vessels of a synthetic angiogram."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from engines.simulation.angiograms.picture_layers import PictureLayers
from engines.simulation.angiograms.vessel_trees import Tube, grow_axis, thickness_px


def draw_catheter(
    random: np.random.Generator,
    layers: PictureLayers,
    contrast: float,
    *,
    end: Float[np.ndarray, " 2"] | None,
    radius_px: tuple[float, float],
) -> None:
    """A smooth tube of even width from the picture's edge, with a hook or a pigtail at its tip."""
    size = layers.attenuation.shape[0]
    tip = random.uniform(0.1, 0.9, 2) * size if end is None else end
    side = random.integers(4)
    along = random.uniform(-0.1, 1.1) * size
    entry = np.array([(along, -5.0), (along, size + 5.0), (-5.0, along), (size + 5.0, along)][side])
    sideways = np.array([-(tip - entry)[1], (tip - entry)[0]])
    knots = np.stack([entry, entry + (tip - entry) * 0.4 + sideways * random.normal(0, 0.25),
                      tip + random.normal(0, 0.08 * size, 2), tip])  # fmt: skip
    t = np.linspace(0, 1, 160)[:, None]
    line = (1 - t) ** 3 * knots[0] + 3 * t * (1 - t) ** 2 * knots[1] + 3 * t**2 * (1 - t) * knots[2] + t**3 * knots[3]
    if end is None and random.random() < 0.4:
        angle = np.linspace(0, random.uniform(3, 6.5), 60) * random.choice([-1, 1])
        loop_px = random.uniform(3, 8)
        start = np.arctan2(*(line[-1] - line[-5])[::-1])
        circle = loop_px * np.column_stack([np.cos(angle + start), np.sin(angle + start)])
        line = np.vstack([line, line[-1] + circle - circle[0]])
    radius = random.uniform(*radius_px)
    tube = Tube(points_px=line, radii_px=np.full(len(line), radius), path_factor=np.ones(len(line)))
    path, outline = thickness_px([tube], size)
    if random.random() < 0.6:  # the wall is denser than the lumen
        lumen = Tube(points_px=line, radii_px=np.full(len(line), radius * 0.6), path_factor=np.ones(len(line)))
        path = path - random.uniform(0.3, 1.0) * thickness_px([lumen], size)[0]
    layers.add("device", path / (2 * radius), outline, contrast * random.uniform(0.2, 1.0))


def draw_wire(random: np.random.Generator, layers: PictureLayers, contrast: float) -> None:
    """Guidewires, pacing and ECG leads: thin, even, dark."""
    size = layers.attenuation.shape[0]
    start = np.array([*random.uniform(-0.1, 1.1, 2) * size, 0.0])
    heading = np.array([*(size / 2 - start[:2]), 0.0]) + random.normal(0, 20, 3)
    axis, _ = grow_axis(random, start, heading, size * random.uniform(0.5, 1.6), random.uniform(0.2, 1.5), 0.05)
    radius = random.uniform(0.35, 0.8)
    tube = Tube(points_px=axis[:, :2], radii_px=np.full(len(axis), radius), path_factor=np.ones(len(axis)))
    path, outline = thickness_px([tube], size)
    # A wire thinner than a pixel is still labelled: its label covers the pixels that it darkens.
    layers.add("device", path / (2 * radius), np.minimum(outline * 1.6, 1.0), contrast * random.uniform(0.4, 1.5))
