"""How bright each tissue is in either picture: one fixed body for the judged splits, any body for learning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoTissue:
    """Backscatter in dB and what a transducer makes of it.

    Args:
        adventitia_db, beyond_db, plaque_db, media_db, intima_db, calcium_db: levels of tissue.
        adventitia_mm, intima_mm: thickness of the bright layers outside and inside the wall.
        texture: slow changes of brightness, as a share of the usual.
        calcium_pass: share of the amplitude that passes 0.02 mm of calcium.
        wire_pass: share of the amplitude that passes a guidewire.
        wire_mm: distance of a guidewire from the catheter.
        fading_per_mm: loss of amplitude with depth that the system does not make good.
        floor_db: electronic noise.
        gain_db: of the whole.
        ring_mm: where the catheter's ring-down is brightest.
    """

    adventitia_db: float = -1.0
    beyond_db: float = -7.0
    plaque_db: float = -8.0
    media_db: float = -19.0
    intima_db: float = -5.0
    calcium_db: float = 7.0
    adventitia_mm: float = 0.45
    intima_mm: float = 0.12
    texture: float = 1.0
    calcium_pass: float = 0.72
    wire_pass: float = 0.06
    wire_mm: float = 0.85
    fading_per_mm: float = 0.07
    floor_db: float = -46.0
    gain_db: float = -6.0
    ring_mm: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class CtTissue:
    """HU of what lies in and about the artery, and the scanner's grid.

    Args:
        thinning: share of the contrast that is lost from the ostium to the end of the artery.
        noise_voxels: over which the noise hangs together, standard deviation.
        spacing_mm: in the slice and between slices.
    """

    fat_hu: float = -90.0
    muscle_hu: float = 105.0
    wall_hu: float = 55.0
    calcium_hu: float = 1300.0
    thinning: float = 0.25
    noise_voxels: float = 0.7
    spacing_mm: tuple[float, float] = (0.35, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What both pictures of one case are painted with, beside `Physics`."""

    echo: EchoTissue = EchoTissue()
    ct: CtTissue = CtTissue()


def draw_body(rng: np.random.Generator, split: str) -> Body:
    """One fixed body, but for `wide`.

    There tissue has any brightness that keeps its order: media below plaque, plaque below adventitia, calcium above.
    """
    if split != "wide":
        return Body()
    adventitia = rng.uniform(-5.0, 2.0)
    plaque = adventitia - rng.uniform(3.0, 12.0)
    echo = EchoTissue(
        adventitia_db=adventitia,
        beyond_db=adventitia - rng.uniform(0.0, 14.0),
        plaque_db=plaque,
        media_db=plaque - rng.uniform(2.0, 14.0),
        intima_db=plaque + rng.uniform(0.0, 6.0),
        calcium_db=adventitia + rng.uniform(3.0, 12.0),
        adventitia_mm=rng.uniform(0.15, 0.9),
        intima_mm=rng.uniform(0.04, 0.2),
        texture=rng.uniform(0.3, 1.6),
        calcium_pass=rng.uniform(0.6, 0.9),
        wire_pass=rng.uniform(0.01, 0.25),
        wire_mm=rng.uniform(0.7, 1.2),
        fading_per_mm=rng.uniform(0.0, 0.45),
        floor_db=rng.uniform(-55.0, -32.0),
        gain_db=rng.uniform(-12.0, 0.0),
        ring_mm=rng.uniform(0.1, 0.4),
    )
    ct = CtTissue(
        fat_hu=rng.uniform(-120.0, -40.0),
        muscle_hu=rng.uniform(60.0, 160.0),
        wall_hu=rng.uniform(10.0, 120.0),
        calcium_hu=rng.uniform(600.0, 1800.0),
        thinning=rng.uniform(0.05, 0.45),
        noise_voxels=rng.uniform(0.3, 1.3),
        spacing_mm=(rng.uniform(0.28, 0.5), rng.uniform(0.3, 0.8)),
    )
    return Body(echo=echo, ct=ct)
