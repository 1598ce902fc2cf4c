"""What arrived with the contrast, as an input of the networks that take it; training and inference share this code.

A third channel beside the two of `conditioning`: the darkening since before the bolus
(`engines.angiography.contrast_gate.Background.darkening`) at the working size. A heart, a spine or a diaphragm looks
like an aorta in one picture, but was there before.

Zero says that nothing is known: no earlier picture, or outside the collimator's opening. Where the view is known and
nothing came, the channel is below zero, so that "no contrast" and "not known" differ.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float

from engines.segmentation.conditioning import CHANNELS

WITH_ARRIVAL = CHANNELS + 1
_GAIN = 10.0  # a log unit: diluted contrast in a descending aorta darkens by 0.03 to 0.1, a full root by 0.3 and more
_NOTHING = -0.5  # where nothing came; a diluted aorta lies above it
_CLIP = 3.0  # what is filled is filled: how dense the contrast is depends on injector and dose


def arrival_channel(
    darkening: Float[np.ndarray, "rows columns"],
    size_px: int,
    field_of_view: Bool[np.ndarray, "size size"] | None,
) -> Float[np.ndarray, "size size"]:
    """The channel of a frame.

    Args:
        darkening: in log units, of any size.
        size_px: of the working picture.
        field_of_view: as conditioned; None if the whole picture is open.
    """
    rows, columns = darkening.shape
    plane = darkening
    if (rows, columns) != (size_px, size_px):
        shrink = rows > size_px or columns > size_px
        interpolation = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
        plane = cv2.resize(darkening, (size_px, size_px), interpolation=interpolation)
    plane = np.clip(_GAIN * np.asarray(plane, np.float32) + _NOTHING, -_CLIP, _CLIP)
    return plane if field_of_view is None else plane * field_of_view


def channels_for(
    channels: Float[np.ndarray, "given size size"],
    count: int,
    arrival: Float[np.ndarray, "size size"] | None = None,
) -> Float[np.ndarray, "count size size"]:
    """The input of a network with `count` channels, which may take fewer than were made, or the arrival beside them.

    Args:
        arrival: of `arrival_channel`; None where nothing is known of the time before the bolus.
    """
    if count <= len(channels):
        return channels[:count]
    known = np.zeros((1, *channels.shape[1:]), np.float32) if arrival is None else arrival[None]
    return np.concatenate([channels, known.astype(channels.dtype)])
