"""The content of a synthetic angiogram before exposure, for each scene: background, vessels, devices, clutter."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from engines.simulation.angiograms import backgrounds
from engines.simulation.angiograms.aorta_tubes import lower_aorta, upper_aorta
from engines.simulation.angiograms.coronary_trees import grow_coronaries
from engines.simulation.angiograms.devices import draw_catheter, draw_wire
from engines.simulation.angiograms.picture_layers import PictureLayers
from engines.simulation.angiograms.vessel_trees import Tube, grow_axis, grow_tree, thickness_px


def draw_scene(name: str, random: np.random.Generator, layers: PictureLayers) -> None:
    """Draw the content of the scene of this name into the layers."""
    if name == "coronary":
        _coronary(random, layers)
    elif name == "cerebral":
        _cerebral(random, layers)
    else:
        _aortic(random, layers, upper=name == "aortic-upper")


def _coronary(random: np.random.Generator, layers: PictureLayers) -> None:
    size = layers.attenuation.shape[0]
    phantom = random.random() < 0.15
    quiet = phantom or random.random() < 0.4
    # A vessel that is invisible in front of its surroundings is no useful example, so anatomy gets more contrast.
    contrast = np.exp(random.uniform(np.log(0.1 if quiet else 0.25), np.log(1.2)))
    ground = backgrounds.plain(random, size) if quiet else backgrounds.thorax(random, size)
    layers.attenuation += ground * min(1.0, contrast * 3)
    roots = []
    for _ in range(1 + int(random.random() < 0.1)):
        if random.random() < 0.03:
            continue
        tubes = _coronary_tree(random, size, phantom)
        radii = np.array([np.median(tube.radii_px) for tube in tubes])
        fill = np.where(random.random(len(tubes)) < 0.15, random.uniform(0.4, 0.8, len(tubes)), 1.0)
        # Contrast is diluted towards the periphery; post-processing can enhance small branches.
        fill = fill * (radii / radii.max()) ** random.uniform(-0.5, 0.5)
        strength = 0.6 * contrast / radii.max()
        layers.add_tubes("vessel", tubes, fill, strength, as_readers_draw=True)
        roots.append(tubes[0].points_px[0])
    for root in roots:
        if random.random() < 0.6 and not phantom:
            draw_catheter(random, layers, contrast, end=root, radius_px=(1.0, 3.2))
    if random.random() < 0.3:
        draw_wire(random, layers, contrast)
    if random.random() < 0.35:
        layers.attenuation += backgrounds.clutter(random, size) * random.uniform(0.1, 0.8) * contrast


def _coronary_tree(random: np.random.Generator, size: int, phantom: bool) -> list[Tube]:
    if not phantom and random.random() < 0.8:
        return grow_coronaries(random, size)
    return grow_tree(
        random, size, root_radius_px=(1.5, 6.0), smallest_radius_px=0.55, straight=phantom and random.random() < 0.6
    )


def _cerebral(random: np.random.Generator, layers: PictureLayers) -> None:
    size = layers.attenuation.shape[0]
    roll = random.random()
    layers.attenuation += (
        backgrounds.subtracted(random, size) if roll < 0.75
        else backgrounds.plain(random, size) if roll < 0.85
        else backgrounds.thorax(random, size)
    )  # fmt: skip
    contrast = np.exp(random.uniform(np.log(0.08), np.log(0.9)))
    # Early, mixed or late phase: how strongly arteries and veins are filled.
    arteries, veins = [(1.0, 0.0), (1.0, random.uniform(0.1, 0.9)), (random.uniform(0.0, 0.5), 1.0)][random.integers(3)]
    if arteries > 0.03:
        for _ in range(random.integers(1, 3)):
            tubes = grow_tree(random, size, root_radius_px=(1.6, 4.5), smallest_radius_px=0.5)
            layers.add_tubes("artery", tubes, np.ones(len(tubes)), contrast * arteries / 5)
    if veins > 0.03:
        _veins(random, layers, contrast * veins)
    if random.random() < 0.2:
        draw_wire(random, layers, contrast)
    if random.random() < 0.3:  # capillary blush
        blush = backgrounds.cloud(random, size, random.uniform(15, 50)).clip(0, 2)
        layers.attenuation += blush * contrast * random.uniform(0, 0.15)


def _veins(random: np.random.Generator, layers: PictureLayers, strength: float) -> None:
    """A wide curved sinus and the cortical veins that drain into it, fewer, smoother and wider than arteries."""
    size = layers.attenuation.shape[0]
    tubes: list[Tube] = []
    bow = _bow(random, size)
    width = random.uniform(2.5, 6.5)
    radii = width * np.linspace(random.uniform(0.5, 1), 1.0, len(bow))
    tubes.append(Tube(points_px=bow, radii_px=radii, path_factor=np.ones(len(bow))))
    inwards = size / 2 - bow.mean(0)
    for at in random.integers(0, len(bow), random.integers(2, 8)):
        heading = np.array([*(inwards / (np.linalg.norm(inwards) + 1e-6)), 0.0]) + random.normal(0, 0.5, 3)
        start = np.array([*bow[at], 0.0])
        axis, _ = grow_axis(random, start, heading, size * random.uniform(0.2, 0.6), 1.2, random.uniform(0.1, 0.5))
        radii = np.linspace(width * random.uniform(0.3, 0.6), 0.7, len(axis))
        tubes.append(Tube(points_px=axis[:, :2], radii_px=radii, path_factor=np.ones(len(axis))))
    layers.add_tubes("vein", tubes, np.ones(len(tubes)), strength / 6)


def _bow(random: np.random.Generator, size: int) -> Float[np.ndarray, "n 2"]:
    start = random.uniform(0, 2 * np.pi)
    angle = np.linspace(start, start + random.uniform(0.8, 3.2), size)
    radii = size * random.uniform(0.3, 0.6, 2)
    return (
        size / 2
        + random.normal(0, size * 0.1, 2)
        + np.column_stack([radii[0] * np.cos(angle), radii[1] * np.sin(angle)])
    )


def _aortic(random: np.random.Generator, layers: PictureLayers, *, upper: bool) -> None:
    size = layers.attenuation.shape[0]
    contrast = np.exp(random.uniform(np.log(0.2), np.log(1.5)))
    ground = backgrounds.plain(random, size) if random.random() < 0.25 else backgrounds.thorax(random, size)
    layers.attenuation += ground * min(1.0, contrast * 2)
    if random.random() > 0.05:
        tubes = upper_aorta(random, size) if upper else lower_aorta(random, size)
        path, outline = thickness_px(tubes, size, merge_roots=False)
        # The plume is uneven, because fresh blood washes in.
        swirl = 1 + random.uniform(0, 0.5) * backgrounds.cloud(random, size, random.uniform(8, 40)).clip(-1, 1)
        # Overlapping pieces of one lumen must not add up to twice the contrast.
        path = np.minimum(path, np.percentile(path[outline > 0.5], 95) if (outline > 0.5).any() else 1.0)
        layers.add("aorta", path / (path.max() + 1e-6) * swirl, outline, contrast)
        if upper and random.random() < 0.5:
            coronaries = grow_tree(random, size, root_radius_px=(1.0, 2.5), smallest_radius_px=0.5)
            layers.attenuation += thickness_px(coronaries, size)[0] / 15 * contrast
    for _ in range(random.integers(0, 3)):
        draw_catheter(random, layers, contrast * random.uniform(0.3, 1.2), end=None, radius_px=(0.8, 2.2))
    if random.random() < 0.4:
        draw_wire(random, layers, contrast)
    if random.random() < 0.4:
        layers.attenuation += backgrounds.clutter(random, size) * random.uniform(0.1, 0.8) * contrast
