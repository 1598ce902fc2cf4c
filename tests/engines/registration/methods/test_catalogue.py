"""Names, aliases, steps and seeds of the methods, and what each refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calibration.errors import InputError
from engines.anatomy.vessel_model import CenterlineTree, VesselModel
from engines.networks.affine_network import AffineNetwork
from engines.networks.pose_network import PoseNetwork
from engines.registration.initial_pose import start_near
from engines.registration.methods.catalogue import (
    CARDS,
    METHODS,
    MethodSettings,
    card_named,
    methods_in_words,
    shared_steps,
)
from engines.registration.methods.cma_es import CmaEs
from engines.registration.methods.correlation_driven import CorrelationDriven
from engines.registration.methods.factory import make_method
from engines.registration.methods.vein_view import check_has_veins
from engines.registration.networks.pose_weights import POSE_NETWORKS, save_affine_network, save_pose_network
from tests.engines.registration.vessel_bed import Bed, bed

_PROMISED = (
    "ours", "deepiterreg", "deepiterreg-optimisation", "model-matching", "correlation", "correlation-cma-es", "prost",
    "cma-es", "ncc-adam-nanodrr", "ncc-adam-diffdrr", "dicom-header",
)  # fmt: skip


@pytest.fixture(scope="module")
def scene() -> Bed:
    return bed(3, missing=0.0, false_curves=0)


def test_every_promised_name_means_a_method_and_is_in_the_list() -> None:
    words = methods_in_words()
    for name in _PROMISED:
        assert card_named(name).name in METHODS
        assert name in words


def test_an_unknown_name_is_answered_with_the_list() -> None:
    with pytest.raises(InputError) as refused:
        card_named("deepiter")
    assert all(name in str(refused.value) for name in METHODS)
    assert "did you mean deepiterreg?" in str(refused.value)


def test_steps_are_shared_as_usual_and_each_stage_keeps_one() -> None:
    assert shared_steps((60, 40), 0) == (60, 40)
    assert shared_steps((60, 40), 10) == (6, 4)
    assert shared_steps((80, 40, 20), 1) == (1, 1, 1)


@pytest.mark.parametrize("name", [card.name for card in CARDS if not card.steps])
def test_steps_of_a_method_without_any_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="no number of steps"):
        make_method(name, MethodSettings(steps=5))


# Ours has its own tests; diffdrr is too slow for a test of a command and is compared with nanodrr elsewhere.
@pytest.mark.parametrize("name", [n for n in METHODS if not n.startswith("ours") and "diffdrr" not in n])
def test_each_method_takes_few_steps_and_says_how_far_it_is(scene: Bed, name: str) -> None:
    told: list[tuple[str, int, int]] = []
    card = card_named(name)
    settings = MethodSettings(steps=3 if card.steps else 0, report=lambda *step: told.append(step))
    veins = replace(scene.view, veins=scene.view.vessel, image=1000.0 - 400.0 * scene.view.vessel)
    found = make_method(name, settings).register([veins], _as_veins(scene.model), start_near(scene.pose))
    assert np.isfinite(found.isocentre_from_lps.matrix).all()
    iterates = card.steps and name not in ("network", "model-matching")
    assert bool(told) == bool(iterates)
    assert all(0 <= done < of for _, done, of in told)
    if iterates:
        assert sum(of for _, of in {(stage, of) for stage, _, of in told}) <= 5


def _as_veins(model: VesselModel) -> VesselModel:
    """Both kinds of vessel in one tree."""
    assert model.centerlines is not None
    first, *rest = model.centerlines.branches
    named = [replace(first, vessel_class="vein"), *(replace(branch, vessel_class="artery") for branch in rest)]
    return replace(model, centerlines=CenterlineTree(branches=tuple(named)))


def test_a_report_that_raises_stops_the_method(scene: Bed) -> None:
    def stop(stage: str, done: int, of: int) -> None:
        if done == 2:
            raise InterruptedError(f"{stage} {done} of {of}")

    method = make_method("gradient-ncc", MethodSettings(steps=9, report=stop))
    with pytest.raises(InterruptedError, match="gradient-ncc-descent 2 of 9"):
        method.register([scene.view], scene.model, start_near(scene.pose))


def test_the_seed_reaches_the_evolutions() -> None:
    alone, after = make_method("cma-es", MethodSettings(seed=7)), make_method("prost-cma-es", MethodSettings(seed=8))
    assert isinstance(alone, CmaEs)
    assert isinstance(after, CorrelationDriven)
    assert after.course.evolution is not None
    assert (alone.options.seed, after.course.evolution.seed) == (7, 8)


def test_the_paper_s_anchor_needs_veins_in_case_and_run(scene: Bed) -> None:
    with pytest.raises(InputError, match=r"case names no veins.*--names 1=artery,2=vein"):
        check_has_veins(scene.model, "deepiterreg-paper")
    check_has_veins(_as_veins(scene.model), "deepiterreg-paper")
    method = make_method("deepiterreg-paper", MethodSettings(steps=2))
    with pytest.raises(InputError, match=r"shows no veins.*mask frames"):
        method.register([scene.view], _as_veins(scene.model), start_near(scene.pose))


@pytest.mark.parametrize(("name", "file"), [("network", "pose"), ("model-matching", "affine")])
def test_weights_of_another_size_are_refused(tmp_path: Path, name: str, file: str) -> None:
    path = tmp_path / f"{file}.safetensors"
    if file == "pose":
        save_pose_network(PoseNetwork(8), path, steps=1, seed=1)
        stated = {"width": 16}
    else:
        save_affine_network(AffineNetwork(32, 0.1), path, steps=1, seed=1)
        stated = {"size_px": 64, "share": 0.1}
    settings = MethodSettings(models=tmp_path)
    assert make_method(name, settings).name == name
    listed = POSE_NETWORKS.read(tmp_path)[file]
    content = (tmp_path / POSE_NETWORKS.name).read_text()
    for key, value in stated.items():
        content = content.replace(f'"{key}": {listed.design[key]}', f'"{key}": {float(value)}')
    (tmp_path / POSE_NETWORKS.name).write_text(content)
    with pytest.raises(InputError, match="do not fit"):
        make_method(name, settings)


def test_weights_that_are_not_there_are_named_with_the_command_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pose-networks|train pose"):
        make_method("network", MethodSettings(models=tmp_path))
