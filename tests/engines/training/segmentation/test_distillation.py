"""A narrow network learns the answers of a wide one, goes on where it stopped, and ships with what it loses."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest
import torch

from calibration.errors import InputError
from engines.inference.backend import Backend
from engines.inference.factory import make_backend
from engines.inference.model_files import ModelFiles, read_manifest
from engines.networks.dru_net import DruNet
from engines.segmentation.scenes import SCENES
from engines.training.arcade.arcade_pictures import read_unmarked
from engines.training.segmentation import narrow_model
from engines.training.segmentation.distillation import Distillation, Lessons, distil, imitation_loss
from engines.training.segmentation.export import export
from engines.training.segmentation.narrow_model import level_with, write_narrow_model
from engines.training.segmentation.narrowing import narrowed
from engines.training.segmentation.segmentation_recipe import Recipe


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    """A small, untrained network as a model folder; its answers vary with the picture all the same."""
    folder = tmp_path_factory.mktemp("wide")
    torch.manual_seed(3)
    net = DruNet(2, 6).eval()
    recipe = Recipe(scene="coronary", width=6, steps=1)
    record = export(net, SCENES["coronary"], recipe, folder, steps=1)
    return ModelFiles(name="coronary", folder=folder, record=record)


class _Sees:
    """A teacher whose answer a network can learn in few steps: what is dark."""

    name, device = "dark", "cpu"

    def run(self, batch: np.ndarray) -> np.ndarray:
        dark = 1.0 / (1.0 + np.exp(4.0 * batch[:, :1]))
        return np.concatenate([dark, np.zeros_like(dark)], axis=1).astype(np.float32)


def _wide_net() -> DruNet:
    torch.manual_seed(4)
    return DruNet(2, 8)


def test_a_step_towards_equal_answers_is_a_step_down() -> None:
    answer = torch.rand(2, 2, 32, 32, generator=torch.Generator().manual_seed(1))
    equal = torch.logit(answer, eps=1e-6)
    least = imitation_loss(equal, answer)
    assert all(imitation_loss(equal + shift, answer) > least for shift in (-0.5, -0.1, 0.1, 0.5))


def test_a_narrow_network_learns_what_it_is_told(tmp_path: Path) -> None:
    losses: list[float] = []
    recipe = Distillation(teacher="coronary", width=4, steps=24, batch=2, rate=0.1)
    net = distil(
        recipe, _wide_net(), _Sees(), Lessons(), tmp_path / "c.pt",
        progress=lambda _step, loss, _net: losses.append(loss),
    )  # fmt: skip
    assert (net.width, net.classes) == (4, 2)
    assert not net.training
    assert np.mean(losses[-4:]) < 0.7 * np.mean(losses[:4])


def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path: Path) -> None:
    recipe = Distillation(teacher="coronary", width=4, steps=4, batch=1)
    whole = distil(recipe, _wide_net(), _Sees(), Lessons(), tmp_path / "whole.pt")

    def interrupt(step: int, _loss: float, _net: object) -> None:
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distil(recipe, _wide_net(), _Sees(), Lessons(), tmp_path / "parts.pt", progress=interrupt)
    parts = distil(recipe, _wide_net(), _Sees(), Lessons(), tmp_path / "parts.pt")
    for name, value in whole.state_dict().items():
        assert torch.allclose(value.float(), parts.state_dict()[name].float(), atol=1e-6), name
    other = Distillation(teacher="coronary", width=4, steps=5, batch=1)
    with pytest.raises(InputError, match="another recipe"):
        distil(other, _wide_net(), _Sees(), Lessons(), tmp_path / "parts.pt")


def test_what_is_cut_out_answers_more_alike_than_random_weights_do() -> None:
    torch.manual_seed(0)
    wide = DruNet(1, 8).eval()
    with torch.no_grad():
        # Half of the channels of every layer carry next to nothing: these are the ones to go.
        for module in wide.modules():
            if isinstance(module, torch.nn.Conv2d) and module is not wide.head:
                module.weight[::2] *= 1e-3
    pictures = torch.randn(2, 2, 64, 64)
    expected = wide(pictures)
    cut = narrowed(wide, 4, pictures).eval()
    far = (DruNet(1, 4).eval()(pictures) - expected).abs().mean()
    assert (cut(pictures) - expected).abs().mean() < 0.3 * far
    with pytest.raises(ValueError, match="cannot be cut"):
        narrowed(wide, 8, pictures)


def test_a_narrow_network_ships_beside_the_wide_one_with_what_it_loses(
    wide: ModelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = [{"vessel": 70.0, "device": 40.0}, {"vessel": 69.8, "device": 40.0}]
    monkeypatch.setattr(narrow_model, "gate_dice", lambda *_: dice)
    monkeypatch.setattr(narrow_model, "level_with", lambda *_: None)
    net = DruNet(2, 3).eval()
    gate = write_narrow_model(net, Distillation(teacher="coronary", width=3, steps=7), wide, tmp_path / "out")
    assert gate.lost_points == pytest.approx(0.2)
    assert gate.passed
    record = read_manifest(tmp_path / "out").models["coronary"]
    files = ModelFiles(name="coronary", folder=tmp_path / "out", record=record)
    assert files.has_narrow
    assert (record.narrow, record.width) == (gate, 6)
    batch = np.random.default_rng(0).normal(size=(1, 2, 64, 64)).astype(np.float32)
    with torch.no_grad():
        expected = torch.sigmoid(net(torch.from_numpy(batch))).numpy()
    assert make_backend("onnx-narrow", files).run(batch) == pytest.approx(expected, abs=5e-3)
    assert make_backend("onnx", files).run(batch) == pytest.approx(make_backend("onnx", wide).run(batch), abs=1e-5)


def test_a_network_that_is_less_sure_is_levelled_with_the_wide_one() -> None:
    class Pixelwise(torch.nn.Module):
        """As much of a network as levelling asks of it; its answers spread about the threshold."""

        classes = 2

        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Conv2d(2, 2, 1)

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return self.head(batch)

    torch.manual_seed(4)
    net = Pixelwise().eval()
    pictures = [np.random.default_rng(k).normal(size=(2, 64, 64)).astype(np.float32) for k in range(3)]

    class Surer:
        def run(self, batch: np.ndarray) -> np.ndarray:
            with torch.no_grad():
                return torch.sigmoid(net(torch.from_numpy(batch)) + 0.6).numpy()

    threshold = 0.55
    wanted = np.concatenate([Surer().run(picture[None]) for picture in pictures]) >= threshold
    assert 0.1 < wanted.mean() < 0.9

    def agreed() -> float:
        with torch.no_grad():
            own = torch.sigmoid(net(torch.from_numpy(np.stack(pictures)))).numpy() >= threshold
        return float((own == wanted).mean())

    before = agreed()
    level_with(cast("DruNet", net), cast("Backend", Surer()), pictures, threshold)
    assert before < 0.9 < 0.97 < agreed()


def test_unmarked_pictures_are_read_and_drawn_from(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no picture"):
        read_unmarked(tmp_path)
    picture = np.full((300, 300), 150, np.uint8)
    cv2.line(picture, (20, 30), (280, 260), 60, 7)
    cv2.imwrite(str(tmp_path / "one.png"), picture)
    pictures = read_unmarked(tmp_path)
    assert pictures[0].picture.shape == (512, 512)
    assert not pictures[0].vessel.any()
    recipe = Distillation(teacher="coronary", real=1.0)
    first, second = (Lessons(real=pictures).patch(recipe, index, 2) for index in (0, 1))
    assert first.shape == (2, 192, 192)
    assert np.array_equal(first, Lessons(real=pictures).patch(recipe, 0, 2))
    assert not np.array_equal(first, second)
