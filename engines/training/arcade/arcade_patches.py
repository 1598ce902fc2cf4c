"""From a marked picture to what a step learns: moved, relit, spoilt, conditioned as live, with a weight a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

from engines.segmentation.conditioning import condition_working
from engines.simulation.angiograms import backgrounds
from engines.simulation.angiograms.angiogram_synthesis import WORKING_PX
from engines.training.arcade.arcade_pictures import STORED_PX, ArcadePicture

# From whole chests to close-ups: what a 300x300 cut-out and a wide 512x512 field show at the working size.
_SCALES = (0.8, 1.5)
_TURN_DEG = 20.0
_BRANCH_WEIGHT = 0.7  # no person said so
_CATHETER_WEIGHT = 3.0  # few pixels, and the ones that matter


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesson:
    """One picture to learn from.

    Args:
        channels: conditioned, as the live path does.
        masks: vessel and device, 0 or 1.
        weights: of each pixel in the loss; 0 where nothing is known.
    """

    channels: Float[np.ndarray, "channels size size"]
    masks: Float[np.ndarray, "2 size size"]
    weights: Float[np.ndarray, "2 size size"]


def lesson(random: np.random.Generator, source: ArcadePicture, *, spoilt: bool = True) -> Lesson | None:
    """A draw of a picture; None where the draw shows nothing.

    Args:
        spoilt: move, relight and spoil it; False gives the picture as it is, for validation.
    """
    turn = _motion(random) if spoilt else np.array([[1.0, 0, 0], [0, 1, 0]])
    dark_beyond = bool(random.random() < 0.5)
    picture = _moved(source.picture, turn, beyond=None if not dark_beyond else float(np.percentile(source.picture, 1)))
    inside = _labels_moved(np.full((WORKING_PX, WORKING_PX), 255, np.uint8), turn)
    vessel = cv2.resize(_moved(source.vessel, turn, beyond=0.0), (WORKING_PX, WORKING_PX), interpolation=cv2.INTER_AREA)
    vessel = vessel > 127
    ignore, catheter, tubes, branches = (
        _labels_moved(part, turn) for part in (source.ignore, source.catheter, source.tubes, source.branches)
    )
    vessel = vessel | branches
    if spoilt:
        picture, open_ = _spoilt(random, picture)
    else:
        picture, open_ = _small(picture), None
    conditioned = condition_working(picture, working_px=WORKING_PX)
    if conditioned is None:
        return None
    channels = -conditioned.channels if conditioned.inverted else conditioned.channels
    field = np.ones(vessel.shape, bool) if conditioned.field_of_view is None else conditioned.field_of_view
    seen = field if open_ is None else field & open_
    vessel = vessel & seen
    catheter = catheter & seen & ~vessel
    known = ~(ignore & ~vessel & ~catheter)
    if not dark_beyond:
        known &= inside
    if open_ is not None:
        known &= open_ | ~field  # a blade that the conditioning did not see hides what was marked
    vessel_weight = known * np.where(catheter, _CATHETER_WEIGHT, np.where(branches, _BRANCH_WEIGHT, 1.0))
    device_weight = known & ~(tubes & ~vessel & ~catheter)
    return Lesson(
        channels=np.ascontiguousarray(channels, np.float32),
        masks=np.stack([vessel, catheter]).astype(np.float32),
        weights=np.stack([vessel_weight, device_weight]).astype(np.float32),
    )


def _motion(random: np.random.Generator) -> Float[np.ndarray, "2 3"]:
    """An affine map of the stored grid: catheters keep coming from above, mostly."""
    scale = np.exp(random.uniform(*np.log(_SCALES)))
    stretch = np.exp(random.normal(0, 0.04))  # pictures that are not square get squeezed
    flips = np.diag([random.choice([-1.0, 1.0]), -1.0 if random.random() < 0.12 else 1.0])
    angle = np.deg2rad(random.uniform(-_TURN_DEG, _TURN_DEG))
    spin = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = np.diag([scale * stretch, scale / stretch]) @ spin @ flips
    middle = np.full(2, (STORED_PX - 1) / 2)
    shift = random.uniform(-0.5, 0.5, 2) * STORED_PX * (max(scale - 1, 0) + 0.1)
    return np.column_stack([linear, middle + shift - linear @ middle])


def _moved(values: np.ndarray, turn: np.ndarray, *, beyond: float | None) -> np.ndarray:
    border = cv2.BORDER_REPLICATE if beyond is None else cv2.BORDER_CONSTANT
    return cv2.warpAffine(
        values, turn, (STORED_PX, STORED_PX), flags=cv2.INTER_LINEAR, borderMode=border, borderValue=beyond or 0.0
    )


def _labels_moved(mask: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """As the picture is moved, on the working grid: pixel centres count, so half a pixel shifts with the size."""
    ratio = WORKING_PX / STORED_PX
    linear = turn[:, :2]
    half = np.full(2, 0.5)
    shift = ratio * (linear @ (half / ratio - half) + turn[:, 2] + half) - half
    there = np.column_stack([linear, shift])
    return cv2.warpAffine(mask, there, (WORKING_PX, WORKING_PX), flags=cv2.INTER_LINEAR, borderValue=0) > 127


def _small(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture.astype(np.float32), (WORKING_PX, WORKING_PX), interpolation=cv2.INTER_AREA)


def _spoilt(random: np.random.Generator, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Another detector and display; the blades' opening where some were drawn."""
    if random.random() < 0.25:
        picture = _compressed(random, picture)
    values = _small(picture) / 255
    low, high = float(np.percentile(values, 0.5)), float(np.percentile(values, 99.8))
    values = np.clip((values - low) / (high - low + 1e-6), 0, 1) ** np.exp(random.normal(0, 0.3))
    if random.random() < 0.5:  # scatter and the heel of the anode
        values = values * (1 + random.uniform(0, 0.2) * backgrounds.cloud(random, WORKING_PX, WORKING_PX))
    if random.random() < 0.4:
        values = cv2.GaussianBlur(values, (0, 0), random.uniform(0.3, 1.3))
    if random.random() < 0.3:
        blurred = cv2.GaussianBlur(values, (0, 0), np.exp(random.uniform(0, np.log(10))))
        values = values + random.uniform(0.2, 1.2) * (values - blurred)
    if random.random() < 0.7:
        noise = random.normal(0, np.exp(random.uniform(np.log(0.003), np.log(0.05))), values.shape)
        if random.random() < 0.5:
            noise = cv2.GaussianBlur(noise, (0, 0), random.uniform(0.4, 0.9)) * 1.4
        values = values + noise
    open_ = None
    if random.random() < 0.25:
        open_ = backgrounds.opening(random, WORKING_PX)
    if open_ is not None:
        soft = cv2.GaussianBlur(open_.astype(np.float32), (0, 0), random.uniform(0.4, 2.0))
        values = values * soft + (1 - soft) * float(values.min())
    values = np.ascontiguousarray(values, np.float32)
    if random.random() < 0.1:
        backgrounds.burn_text(random, values)
    return np.round(np.clip(values, -0.2, 1.3) * random.uniform(90, 255)).astype(np.float32), open_


def _compressed(random: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    quality = [int(cv2.IMWRITE_JPEG_QUALITY), int(random.integers(30, 95))]
    decoded = cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], cv2.IMREAD_GRAYSCALE)
    return np.asarray(decoded)
