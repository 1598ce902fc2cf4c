"""Branches that nobody marked but several networks see: from silence to a label.

A network that saw simulation alone finds branches, and takes catheters and ribs for some. One that learnt from marked
pictures knows catheters, and has been told nothing of branches. What both call vessel, where it hangs together with the
marked tree, is vessel (co-training: Blum and Mitchell, COLT 1998).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from jaxtyping import Float

from engines.networks.dru_net import DruNet, ProbabilityNet
from engines.training.arcade.arcade_patches import lesson
from engines.training.arcade.arcade_pictures import ArcadePicture

_AGREED = 0.5  # probability that each network must give
_SMALLEST_PX = 30  # of a branch, on the working grid


@torch.inference_mode()
def with_agreed_branches(
    pictures: Sequence[ArcadePicture],
    networks: Sequence[DruNet],
    *,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> list[ArcadePicture]:
    """The pictures, with what all networks see in the ignored bands marked as branches."""
    runs = [ProbabilityNet(network).eval() for network in networks]
    found = []
    for number, picture in enumerate(pictures):
        branches = np.zeros_like(picture.ignore)
        seen = lesson(np.random.default_rng(0), picture, spoilt=False)
        if seen is not None and runs:
            image = torch.from_numpy(seen.channels[None])
            least = np.min([run(image)[0, 0].numpy() for run in runs], axis=0)
            branches = _long_pieces(least, picture)
        found.append(replace(picture, branches=branches))
        progress(number + 1, len(pictures))
    return found


def _long_pieces(probability: Float[np.ndarray, "rows columns"], picture: ArcadePicture) -> np.ndarray:
    agreed = ((probability >= _AGREED) & (picture.ignore > 0)).astype(np.uint8)
    _, found, statistics, _ = cv2.connectedComponentsWithStats(agreed, connectivity=8)
    labels = np.asarray(found, np.intp)
    long_ = statistics[:, cv2.CC_STAT_AREA] >= _SMALLEST_PX
    long_[0] = False
    return long_[labels].astype(np.uint8) * 255
