"""Endless synthetic angiograms with exact masks, made while training.

A picture follows the physics of X-rays: attenuations add up, the beam decays exponentially, the detector blurs and
counts. Every property that may differ between sites (contrast, anatomy, noise, processing, collimation, text) is drawn
at random, from a wider range than real pictures have. No real picture and no evaluation case is used.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

from engines.segmentation.conditioning import CHANNELS, condition_working
from engines.segmentation.scenes import Scene
from engines.simulation.angiograms import backgrounds
from engines.simulation.angiograms.coronary_trees import grow_coronaries
from engines.simulation.angiograms.vessel_trees import Tube, grow_axis, grow_tree, thickness_px

WORKING_PX = 256  # the picture size for which widths are given
# Readers do not outline what is hardly visible, so fainter branches are drawn but not labelled. The limits are an
# attenuation, a multiple of the noise's deviation and, for coronaries, whose readers follow the main branches, a share
# of the tree's darkest part.
_FAINTEST = 0.025
_SEEN_IN_GRAIN = 0.8
_SEEN_BESIDE_MAIN = 0.2
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


@dataclass(slots=True, kw_only=True)
class _Layers:
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


def synthesize(scene: Scene, seed: int, index: int, size_px: int = 192, *, randomised: bool = True) -> Sample:
    """The `index`-th patch of a seeded, endless series; the same arguments give the same patch.

    Without `randomised`, the imaging chain is the same for every patch (blur, dose, display; no scatter, blades, text
    or compression); only the content is drawn at random. This is for the ablation.
    """
    random = np.random.default_rng(np.random.SeedSequence([seed, index]))
    while True:
        grain, blur_px = float(np.exp(random.uniform(np.log(0.004), np.log(0.12)))), float(random.uniform(0.4, 2.4))
        layers = _Layers(
            grain=grain if randomised else _ONE_GRAIN,
            blur_px=blur_px if randomised else _ONE_BLUR_PX,
            attenuation=np.zeros((size_px, size_px), np.float32),
            outlines={name: np.zeros((size_px, size_px), np.float32) for name in scene.classes},
        )
        {"coronary": _coronary, "cerebral": _cerebral}.get(scene.name, _aortic)(random, layers, scene.name)
        picture = _expose(random, layers) if randomised else _expose_alike(random, layers)
        conditioned = condition_working(picture, working_px=WORKING_PX)
        if conditioned is None:
            continue
        masks = np.stack([(layers.outlines[name] >= 0.5) for name in scene.classes]).astype(np.float32)
        if conditioned.field_of_view is not None:
            masks *= conditioned.field_of_view
        channels = -conditioned.channels if conditioned.inverted else conditioned.channels
        assert channels.shape[0] == CHANNELS
        return Sample(channels=np.ascontiguousarray(channels), masks=masks, picture=picture)


def _coronary(random: np.random.Generator, layers: _Layers, _name: str) -> None:
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
            _catheter(random, layers, contrast, end=root, radius_px=(1.0, 3.2))
    if random.random() < 0.3:
        _wire(random, layers, contrast)
    if random.random() < 0.35:
        layers.attenuation += backgrounds.clutter(random, size) * random.uniform(0.1, 0.8) * contrast


def _coronary_tree(random: np.random.Generator, size: int, phantom: bool) -> list[Tube]:
    if not phantom and random.random() < 0.8:
        return grow_coronaries(random, size)
    return grow_tree(
        random, size, root_radius_px=(1.5, 6.0), smallest_radius_px=0.55, straight=phantom and random.random() < 0.6
    )


def _cerebral(random: np.random.Generator, layers: _Layers, _name: str) -> None:
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
        _wire(random, layers, contrast)
    if random.random() < 0.3:  # capillary blush
        blush = backgrounds.cloud(random, size, random.uniform(15, 50)).clip(0, 2)
        layers.attenuation += blush * contrast * random.uniform(0, 0.15)


def _veins(random: np.random.Generator, layers: _Layers, strength: float) -> None:
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


def _aortic(random: np.random.Generator, layers: _Layers, name: str) -> None:
    size = layers.attenuation.shape[0]
    contrast = np.exp(random.uniform(np.log(0.2), np.log(1.5)))
    ground = backgrounds.plain(random, size) if random.random() < 0.25 else backgrounds.thorax(random, size)
    layers.attenuation += ground * min(1.0, contrast * 2)
    if random.random() > 0.05:
        tubes = _upper_aorta(random, size) if name == "aortic-upper" else _lower_aorta(random, size)
        path, outline = thickness_px(tubes, size, merge_roots=False)
        # The plume is uneven, because fresh blood washes in.
        swirl = 1 + random.uniform(0, 0.5) * backgrounds.cloud(random, size, random.uniform(8, 40)).clip(-1, 1)
        # Overlapping pieces of one lumen must not add up to twice the contrast.
        path = np.minimum(path, np.percentile(path[outline > 0.5], 95) if (outline > 0.5).any() else 1.0)
        layers.add("aorta", path / (path.max() + 1e-6) * swirl, outline, contrast)
        if name == "aortic-upper" and random.random() < 0.5:
            coronaries = grow_tree(random, size, root_radius_px=(1.0, 2.5), smallest_radius_px=0.5)
            layers.attenuation += thickness_px(coronaries, size)[0] / 15 * contrast
    for _ in range(random.integers(0, 3)):
        _catheter(random, layers, contrast * random.uniform(0.3, 1.2), end=None, radius_px=(0.8, 2.2))
    if random.random() < 0.4:
        _wire(random, layers, contrast)
    if random.random() < 0.4:
        layers.attenuation += backgrounds.clutter(random, size) * random.uniform(0.1, 0.8) * contrast


def _upper_aorta(random: np.random.Generator, size: int) -> list[Tube]:
    """Root with sinuses, ascending aorta, arch and descending aorta, from almost any side."""
    radius = random.uniform(9, 28)
    bend = random.uniform(1.2, 3.5) * radius
    steps = np.linspace(0, 1, 120)
    turn = steps * random.uniform(0.3, 1.0) * np.pi
    arch = np.column_stack([-bend * np.cos(turn), -bend * np.sin(turn)])
    root = arch[0] + np.column_stack([_drift(random, 60, 6), np.linspace(random.uniform(0.8, 3) * radius, 0, 60)])
    line = np.vstack([root, arch[1:]])
    if random.random() < 0.6:
        down = arch[-1] + np.column_stack([_drift(random, 90, 8), np.linspace(0, size, 90)])
        line = np.vstack([line, down[1:]])
    line = line * np.array([random.uniform(0.15, 1.0) * random.choice([-1, 1]), 1.0])  # seen obliquely
    rotation = cv2.getRotationMatrix2D((0, 0), random.normal(0, 15), 1.0)[:, :2]
    line = line @ rotation.T + np.array([random.uniform(0.3, 0.7), random.uniform(0.3, 0.75)]) * size
    along = np.linspace(0, 1, len(line))
    radii = radius * (1 - random.uniform(0, 0.35) * along)
    tubes = [Tube(points_px=line, radii_px=radii, path_factor=np.ones(len(line)))]
    for _ in range(3):  # sinuses bulge at the annulus
        bulge = line[:6] + random.normal(0, radius * 0.3, 2) + np.array([0, random.uniform(0, 0.5) * radius])
        bulge_radii = np.full(len(bulge), radius * random.uniform(0.6, 0.95))
        tubes.append(Tube(points_px=bulge, radii_px=bulge_radii, path_factor=np.ones(len(bulge))))
    for at in random.integers(60, len(line), random.integers(0, 4)):  # arch branches
        heading = np.array([random.normal(0, 0.5), -1.0, 0.0])
        axis, _ = grow_axis(random, np.array([*line[at], 0.0]), heading, size * random.uniform(0.2, 0.6), 0.8, 0.2)
        radii = np.full(len(axis), radius * random.uniform(0.15, 0.4))
        tubes.append(Tube(points_px=axis[:, :2], radii_px=radii, path_factor=np.ones(len(axis))))
    return tubes


def _lower_aorta(random: np.random.Generator, size: int) -> list[Tube]:
    """Abdominal aorta, bifurcation, iliac and femoral arteries; often only one side or one level is visible."""
    radius = random.uniform(5, 18)
    fork = np.array([random.uniform(0.2, 0.8), random.uniform(-0.2, 0.8)]) * size
    top, _ = grow_axis(random, np.array([*fork, 0.0]), np.array([random.normal(0, 0.2), -1, 0]), size, 0.5, 0.1)
    tubes = [Tube(points_px=top[:, :2], radii_px=np.full(len(top), radius), path_factor=np.ones(len(top)))]
    sides = [(-1,), (1,), (-1, 1), (-1, 1)][random.integers(4)]
    for side in sides:
        heading = np.array([side * random.uniform(0.2, 0.9), 1.0, random.normal(0, 0.3)])
        axis, _ = grow_axis(
            random, np.array([*fork, 0.0]), heading, 1.3 * size, random.uniform(0.3, 1.5), random.uniform(0, 0.5)
        )
        radii = radius * random.uniform(0.45, 0.7) * np.linspace(1, random.uniform(0.6, 1), len(axis))
        tubes.append(Tube(points_px=axis[:, :2], radii_px=radii, path_factor=np.ones(len(axis))))
        for at in random.integers(10, len(axis), random.integers(0, 4)):
            branch, _ = grow_axis(random, axis[at], np.array([*random.normal(0, 1, 2), 0]), size * 0.5, 1.0, 0.4)
            thin = np.linspace(radii[at] * 0.6, 0.8, len(branch))
            tubes.append(Tube(points_px=branch[:, :2], radii_px=thin, path_factor=np.ones(len(branch))))
    return tubes


def _drift(random: np.random.Generator, count: int, spread: float) -> Float[np.ndarray, " n"]:
    """A smooth sideways drift that starts at zero."""
    drift = np.cumsum(random.normal(0, spread / 10, count))
    return np.convolve(np.pad(drift, 10, mode="edge"), np.ones(21) / 21, mode="valid")[:count] - drift[0]


def _catheter(
    random: np.random.Generator,
    layers: _Layers,
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


def _wire(random: np.random.Generator, layers: _Layers, contrast: float) -> None:
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


def _expose(random: np.random.Generator, layers: _Layers) -> Float[np.ndarray, "size size"]:
    """Turn attenuation into display values: beam, detector and processing."""
    attenuation = layers.attenuation
    size = attenuation.shape[0]
    beam = np.exp(-np.clip(attenuation, -3, 4)).astype(np.float32)
    if random.random() < 0.5:  # scatter reduces contrast
        veil = random.uniform(0.1, 1.0)
        beam = (beam + veil * cv2.GaussianBlur(beam, (0, 0), size / 6)) / (1 + veil)
    beam = cv2.GaussianBlur(beam, (0, 0), layers.blur_px)
    beam /= np.median(beam)
    grain = min(layers.grain, 0.6 * float(np.std(attenuation)) + 0.01)
    noise = random.normal(0, grain, beam.shape).astype(np.float32)
    if random.random() < 0.6:
        noise = cv2.GaussianBlur(noise, (0, 0), random.uniform(0.3, 0.9)) * 1.3
    beam = beam + noise * np.sqrt(np.clip(beam, 0.05, 4))
    field = backgrounds.opening(random, size)
    if field is not None:
        soft = cv2.GaussianBlur(field.astype(np.float32), (0, 0), random.uniform(0.4, 2.5))
        beam = beam * soft + (1 - soft) * random.uniform(0, 0.25) * beam.min()
    picture = (
        np.log(np.clip(beam, 0.05, None))
        if random.random() < 0.5
        else np.sign(beam) * np.abs(beam) ** random.uniform(0.4, 1.3)
    )
    if random.random() < 0.4:  # edge enhancement with its halos
        blurred = cv2.GaussianBlur(picture, (0, 0), np.exp(random.uniform(np.log(1.0), np.log(14))))
        picture = picture + random.uniform(0.2, 1.5) * (picture - blurred)
    if random.random() < 0.2:
        backgrounds.burn_text(random, picture)
    return _stored(random, picture)


def _expose_alike(random: np.random.Generator, layers: _Layers) -> Float[np.ndarray, "size size"]:
    """Expose every picture in the same way: a logarithmic detector without scatter, blades or processing."""
    beam = np.exp(-np.clip(layers.attenuation, -3, 4)).astype(np.float32)
    beam = cv2.GaussianBlur(beam, (0, 0), layers.blur_px)
    beam /= np.median(beam)
    noise = random.normal(0, layers.grain, beam.shape).astype(np.float32)
    picture = np.log(np.clip(beam + noise * np.sqrt(np.clip(beam, 0.05, 4)), 0.05, None))
    low, high = picture.min(), np.percentile(picture, 99.5) + 1e-6
    return np.round(np.clip((picture - low) / (high - low), 0, 1) * 255).astype(np.float32)


def _stored(random: np.random.Generator, picture: Float[np.ndarray, "size size"]) -> Float[np.ndarray, "size size"]:
    # Bright lung is often displayed white, without any detail.
    brightest = random.uniform(98, 100) if random.random() < 0.8 else random.uniform(80, 98)
    low, high = picture.min(), np.percentile(picture, brightest) + 1e-6
    stored = np.clip((picture - low) / (high - low), 0, 1) * random.uniform(90, 255)
    if random.random() < 0.2:
        quality = [int(cv2.IMWRITE_JPEG_QUALITY), int(random.integers(35, 95))]
        decoded = cv2.imdecode(cv2.imencode(".jpg", stored.astype(np.uint8), quality)[1], cv2.IMREAD_GRAYSCALE)
        stored = np.asarray(decoded)
    return np.round(stored).astype(np.float32)
