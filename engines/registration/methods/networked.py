"""Methods that begin with the pose network: the network alone, and any other method after it."""

from __future__ import annotations

import time
from collections.abc import Sequence

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

    def __init__(self, net: PoseNetwork) -> None:
        self.net = net

    def register(self, views: Sequence[RegistrationView], model: VesselModel, init: InitialPose) -> MethodResult:
        began = time.perf_counter()
        found = network_start(self.net, views, model, start_pose(init, model))
        assert found.isocentre_from_lps is not None
        return MethodResult(isocentre_from_lps=found.isocentre_from_lps, score=0.0, seconds=time.perf_counter() - began)


class AfterNetwork:
    """Another method from the network's start; its time includes the network's.

    Args:
        name: name of the combination in `make_method`.
    """

    def __init__(self, name: str, net: PoseNetwork, then: RegistrationMethod) -> None:
        self.name, self.net, self.then = name, net, then

    def register(self, views: Sequence[RegistrationView], model: VesselModel, init: InitialPose) -> MethodResult:
        began = time.perf_counter()
        start = network_start(self.net, views, model, start_pose(init, model))
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
