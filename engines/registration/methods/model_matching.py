"""Model-to-image matching (Li et al. 2021): an affine network moves the mesh's projection onto the seen vessel.

The affine map's shift, turn in the picture and size become a shift, a turn about the beam and a depth. It never turns
the model out of the picture's plane: that stays as the start has it, from the C-arm's two angles.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from calibration.errors import InputError
from calibration.pose import RigidPose
from engines.anatomy.vessel_model import VesselModel
from engines.registration.affine_network import AffineNetwork, posed
from engines.registration.initial_pose import InitialPose
from engines.registration.methods.method import MethodResult, start_pose
from engines.registration.model_matching import Region, projected_picture, region_of_mask, seen_picture
from engines.registration.registration import Stage
from engines.registration.similarity import dice
from engines.registration.view import RegistrationView


class ModelMatching:
    """The network, asked `rounds` times, each time from where its last answer put the model; the best Dice is kept.

    Args:
        region: that someone drew; None takes the square around the segmented vessel.
        rounds: the paper asks once.
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
        seen, pivot = seen_picture(view, region, size), model.centroid_mm()
        pose = start_pose(init, model)
        tried: list[tuple[float, RigidPose]] = []
        with torch.no_grad():
            for asked in range(self.rounds + 1):
                picture = projected_picture(model, view.geometry.projection(pose), region, size)
                tried.append((float(dice(picture, seen)), pose))
                if asked < self.rounds:
                    map_ = self.net(picture, seen)[0].double().numpy()
                    pose = posed(pose, region.map_of_frame(map_, max(view.geometry.shape_px)), pivot, view.geometry)
        score, best = max(tried, key=lambda entry: entry[0])
        seconds = time.perf_counter() - began
        stage = Stage(name="affine network", similarity=score, elapsed_ms=1e3 * seconds)
        return MethodResult(isocentre_from_lps=best, score=score, seconds=seconds, stages=(stage,))
