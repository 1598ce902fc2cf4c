"""Make registration methods by name."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

from calibration.errors import InputError
from engines.inference.model_files import BUNDLED_MODELS
from engines.registration.methods.catalogue import (
    METHODS,
    MethodSettings,
    card_named,
    check_settings,
    shared_steps,
)
from engines.registration.methods.method import RegistrationMethod

__all__ = ["METHODS", "make_method"]

_AFTER_NETWORK = {
    "deepiterreg": "deepiterreg-optimisation",
    "deepiterreg-paper": "deepiterreg-optimisation",
    "ours-network": "ours",
}


def make_method(name: str, settings: MethodSettings | None = None) -> RegistrationMethod:
    """A method that can register from any number of starts.

    Args:
        name: one of `METHODS`, or an alias.

    Raises:
        InputError: there is no such method, its library is not installed, its weights are missing or of another size,
            or steps are asked of a method that has none.
    """
    settings = settings or MethodSettings()
    card = card_named(name)
    name = card.name
    check_settings(card, settings)
    if name == "network" or name in _AFTER_NETWORK:
        return _networked(name, settings)
    if name == "model-matching":
        from engines.registration.methods.model_matching import ModelMatching
        from engines.registration.networks.pose_weights import load_affine_network

        net = load_affine_network(_weights("affine", settings))
        return ModelMatching(net, region=settings.region, rounds=settings.steps or card.steps)
    if name == "dicom":
        from engines.registration.methods.dicom_header import DicomHeader

        return DicomHeader()
    if name.startswith("stock-"):
        return _stock(name, settings)
    if name == "deepiterreg-optimisation":
        from engines.registration.methods.deepiterreg import INTENSITY_LEVEL, SEGMENTATION_LEVEL
        from engines.registration.methods.deepiterreg import DeepIterRegOptimisation as Optimisation

        first, second = shared_steps((SEGMENTATION_LEVEL.steps, INTENSITY_LEVEL.steps), settings.steps)
        return Optimisation(
            segmentation=replace(SEGMENTATION_LEVEL, steps=first), intensity=replace(INTENSITY_LEVEL, steps=second),
            device=settings.device, report=settings.report,
        )  # fmt: skip
    if name == "cma-es":
        from engines.registration.methods.cma_es import CmaEs, CmaEsOptions

        _check_cmaes(name)
        usual = CmaEsOptions(seed=settings.seed)
        coarse, fine = shared_steps((usual.coarse, usual.fine), settings.steps)
        options = replace(usual, coarse=coarse, fine=fine)
        return CmaEs(options, device=settings.device, report=settings.report)
    if name.removesuffix("-cma-es") in ("gradient-ncc", "prost", "correlation"):
        return _descending(name, settings)
    from engines.registration.methods.ours import Ours
    from engines.registration.options import RegistrationOptions

    rendered = name != "ours-centerlines"
    return Ours(
        RegistrationOptions(refine_drr=settings.refine_drr, judge_by_rendering=rendered, device=settings.device)
    )


def _networked(name: str, settings: MethodSettings) -> RegistrationMethod:
    from engines.registration.methods.networked import AfterNetwork, AfterVeinAnchor, NetworkAlone
    from engines.registration.networks.pose_weights import load_pose_network

    net = load_pose_network(_weights("pose", settings))
    if name == "network":
        return NetworkAlone(net, rounds=settings.steps or card_named(name).steps)
    then = make_method(_AFTER_NETWORK[name], settings)
    return (AfterVeinAnchor if name == "deepiterreg-paper" else AfterNetwork)(name, net, then)


def _stock(name: str, settings: MethodSettings) -> RegistrationMethod:
    from engines.registration.methods.stock_drr import STOCK_LEVELS, StockDrr

    renderer = name.split("-")[1]
    if importlib.util.find_spec(renderer) is None:
        raise InputError(f"method {name}: {renderer} is not installed; install guidance-app[{renderer}]")
    steps = shared_steps(tuple(level.steps for level in STOCK_LEVELS), settings.steps)
    levels = tuple(replace(level, steps=count) for level, count in zip(STOCK_LEVELS, steps, strict=True))
    return StockDrr(renderer, levels=levels, device=settings.device, report=settings.report)


def _descending(name: str, settings: MethodSettings) -> RegistrationMethod:
    from engines.registration.correlation.descent import DescentOptions
    from engines.registration.correlation.learned_similarity import measured_similarity
    from engines.registration.correlation.similarity_weights import load_similarity
    from engines.registration.methods.correlation_driven import (
        AFTER_DESCENT,
        CorrelationDriven,
        Course,
        with_evolution,
    )

    first = name.removesuffix("-cma-es")
    evolves = name != first
    if evolves:
        _check_cmaes(name)
    similarity = (
        measured_similarity(first)
        if first == "gradient-ncc"
        else load_similarity(first, settings.models or BUNDLED_MODELS)
    )
    usual = (DescentOptions().steps, *((AFTER_DESCENT.coarse, AFTER_DESCENT.fine) if evolves else ()))
    steps = shared_steps(usual, settings.steps)
    course = Course(similarity=similarity, descent=DescentOptions(steps=steps[0]))
    if evolves:
        course = with_evolution(course, replace(AFTER_DESCENT, coarse=steps[1], fine=steps[2], seed=settings.seed))
    return CorrelationDriven(name, course, device=settings.device, report=settings.report)


def _weights(name: str, settings: MethodSettings) -> Path:
    return (settings.models or BUNDLED_MODELS) / f"{name}.safetensors"


def _check_cmaes(name: str) -> None:
    if importlib.util.find_spec("cmaes") is None:
        raise InputError(f"method {name}: cmaes is not installed; install it with `pip install cmaes==0.13.1`")
