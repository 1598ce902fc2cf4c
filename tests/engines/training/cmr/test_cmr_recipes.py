"""Each network of the fusion trains from a seed, goes on where it stopped, and comes with list entry and card."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from calibration.errors import InputError
from engines.cmr.networks import CMR_NETWORKS
from engines.training.cmr import recipe as recipes
from engines.training.cmr.recipe import RECIPES, plan_of, train_cmr


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """One patient, three steps, and no long scoring."""
    for name, one in list(RECIPES.items()):
        quick = replace(
            one, plan=replace(one.plan, steps=3, batch=1, patients=1, width=4), held_out=lambda *_: {"a": 0.5}
        )
        monkeypatch.setitem(recipes.RECIPES, name, quick)


def _train(name: str, out: Path, *, stop_at: int = 0) -> list[int]:
    done: list[int] = []

    def stepped(step: int, loss: float) -> None:
        assert np.isfinite(loss)
        done.append(step)
        if step == stop_at:
            raise KeyboardInterrupt

    train_cmr(name, plan_of(name, steps=0, seed=1), out, say=lambda _: None, stepped=stepped)
    return done


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_writes_weights_list_and_card(name: str, tmp_path: Path) -> None:
    assert _train(name, tmp_path) == [1, 2, 3]

    record, tensors = CMR_NETWORKS.load(tmp_path / f"{name}.safetensors")
    assert (record.steps, record.seed) == (3, 1)
    assert sum(part.numel() for part in tensors.values()) > 1000
    card = (tmp_path / f"{name}.md").read_text()
    assert "no patient, no real picture" in card
    assert "3 of 3 steps" in card


def test_an_interrupted_training_draws_and_ends_the_same(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("engines.training.cmr.fit._SAVE_EVERY", 1)
    _train("cmr-sdn", tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        _train("cmr-sdn", tmp_path / "cut", stop_at=3)
    assert _train("cmr-sdn", tmp_path / "cut") == [3]
    whole, cut = (CMR_NETWORKS.load(tmp_path / place / "cmr-sdn.safetensors")[1] for place in ("whole", "cut"))
    for key, values in whole.items():
        torch.testing.assert_close(values, cut[key])


def test_a_checkpoint_of_another_plan_is_refused(tmp_path: Path) -> None:
    _train("cmr-sdn", tmp_path)
    with pytest.raises(InputError, match="another recipe"):
        train_cmr("cmr-sdn", plan_of("cmr-sdn", steps=5, seed=1), tmp_path, say=lambda _: None, stepped=lambda *_: None)
