"""Model-to-image matching (Li et al. 2021): an affine network moves the mesh's projection onto the segmented vessel.

The affine map's shift, turn in the picture and size become a shift, a turn about the beam and a depth. The method
never turns the model out of the picture's plane: these two angles stay those of the start, from the C-arm.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from calibration.errors import InputError
from engines.anatomy.vessel_model import VesselModel
from engines.networks.affine_network import AffineNetwork
from engines.registration.initial_pose import InitialPose
from engines.registration.methods.method import MethodResult, start_pose
from engines.registration.networks.affine_matching import posed, rigid_explanations
from engines.registration.networks.matching_pictures import (
    Region,
    centre_in_region,
    picture_centre,
    projected_picture,
    region_of_mask,
    seen_picture,
)
from engines.registration.registration import Stage
from engines.registration.rendered.image_similarity import dice
from engines.registration.view import RegistrationView

_LARGEST_SCALE = 1.05  # 40 mm of depth at 750 mm from the source: twice a start's usual sigma


class ModelMatching:
    """Registration by the network, applied `rounds` times, each time to the projection at its last answer.

    Each answer is read in three ways: as a shift, with a turn, and with a change of size too. The reading that overlaps
    best with the mask is taken. The result is the best of all answers and the start.

    Args:
        region: a region drawn by a person; None takes the square around the segmented vessel.
        rounds: the paper applies the network once.
    """

    name = "model-matching"

    def __init__(self, net: AffineNetwork, *, region: Region | None = None, rounds: int = 3) -> None:
        self.net, self.region, self.rounds = net, region, rounds

    def register(self, views: Sequence[RegistrationView], model: VesselModel, init: InitialPose) -> MethodResult:
        began = time.perf_counter()
        view, size = views[0], self.net.size_px
        region = self.region or region_of_mask(view.vessel > view.threshold)
        if region is None:
            raise InputError(f"{view.file}: shows no vessel to match the model with; choose a fuller frame")
        seen, geometry, pose = seen_picture(view, region, size), view.geometry, start_pose(init, model)
        picture = projected_picture(model, geometry.projection(pose), region, size)
        score, best = float(dice(picture, seen)), pose
        for _ in range(self.rounds):
            with torch.no_grad():
                map_ = self.net(picture, seen)[0].double().numpy()
            pivot = centre_in_region(model, geometry.projection(pose), region)
            tried = []
            for rigid in rigid_explanations(map_, picture_centre(picture)):
                whole = region.map_of_frame(rigid, max(geometry.shape_px))
                there = posed(pose, whole, pivot, geometry, largest_scale=_LARGEST_SCALE)
                drawn = projected_picture(model, geometry.projection(there), region, size)
                tried.append((float(dice(drawn, seen)), there, drawn))
            found, pose, picture = max(tried, key=lambda entry: entry[0])
            if found > score:
                score, best = found, pose
        seconds = time.perf_counter() - began
        stage = Stage(name="affine network", similarity=score, elapsed_ms=1e3 * seconds)
        return MethodResult(isocentre_from_lps=best, score=score, seconds=seconds, stages=(stage,))
