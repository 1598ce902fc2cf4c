"""Methods that begin with the pose network: the network alone, and any other method after it.

`AfterVeinAnchor` begins as DeepIterReg is written (Downs et al. 2025): the network sees binarised veins alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from calibration.errors import InputError
from engines.anatomy.vessel_model import VesselModel
from engines.networks.pose_network import PoseNetwork
from engines.registration.initial_pose import InitialPose
from engines.registration.methods.method import MethodResult, RegistrationMethod, start_pose
from engines.registration.networks.network_start import network_start
from engines.registration.registration import Stage
from engines.registration.view import RegistrationView


class NetworkAlone:
    """The pose network's answer, unrefined."""

    name = "network"

    def __init__(self, net: PoseNetwork, *, rounds: int = 4) -> None:
        self.net, self.rounds = net, rounds

    def register(self, views: Sequence[RegistrationView], model: VesselModel, init: InitialPose) -> MethodResult:
        began = time.perf_counter()
        found = network_start(self.net, views, model, start_pose(init, model), rounds=self.rounds)
        assert found.isocentre_from_lps is not None
        seconds = time.perf_counter() - began
        stage = Stage(name="pose network", similarity=0.0, elapsed_ms=1e3 * seconds)
        return MethodResult(isocentre_from_lps=found.isocentre_from_lps, score=0.0, seconds=seconds, stages=(stage,))


class AfterNetwork:
    """Another method from the network's start; its time includes the network's.

    Args:
        name: name of the combination in `make_method`.
    """

    def __init__(self, name: str, net: PoseNetwork, then: RegistrationMethod) -> None:
        self.name, self.net, self.then = name, net, then

    def register(self, views: Sequence[RegistrationView], model: VesselModel, init: InitialPose) -> MethodResult:
        began = time.perf_counter()
        start = self._start(views, model, init)
        network_s = time.perf_counter() - began
        found = self.then.register(views, model, start)
        stage = Stage(name="pose network", similarity=0.0, elapsed_ms=1e3 * network_s)
        return MethodResult(
            isocentre_from_lps=found.isocentre_from_lps,
            score=found.score,
            seconds=network_s + found.seconds,
            stages=(stage, *found.stages),
            registration=found.registration,
        )

    def _start(self, views: Sequence[RegistrationView], model: VesselModel, init: InitialPose) -> InitialPose:
        return network_start(self.net, views, model, start_pose(init, model))


class AfterVeinAnchor(AfterNetwork):
    """The network sees the model's veins and the run's, both binarised; its one answer is taken as it is."""

    def _start(self, views: Sequence[RegistrationView], model: VesselModel, init: InitialPose) -> InitialPose:
        veins = views[0].veins
        if veins is None:
            raise InputError(
                f"method {self.name}: {views[0].file} shows no veins; give a subtracted run of a head, or one with "
                "mask frames, that lasts until the veins fill"
            )
        binary = (veins > views[0].threshold).astype(np.float32)
        anchor = replace(views[0], vessel=binary, branch_classes=("vein",))
        return network_start(self.net, [anchor], model, start_pose(init, model), rounds=1, as_written=True)
