import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from calibration.errors import InputError
from engines.inference.model_files import ModelRecord, read_manifest, sha256
from engines.networks.dru_net import DruNet
from engines.segmentation.scenes import SCENES
from engines.training.arcade.arcade_model import data_words, write_arcade_model
from engines.training.arcade.arcade_opinions import with_agreed_branches
from engines.training.arcade.arcade_patches import lesson
from engines.training.arcade.arcade_pictures import read_arcade
from engines.training.arcade.arcade_recipe import ArcadeRecipe, train_arcade, weighted_loss
from engines.training.arcade.arcade_validation import Choice, figures_where_known, synthetic_lessons, validate
from engines.training.arcade.arcade_validation import validation_lessons as lessons_of
from engines.training.segmentation.segmentation_recipe import load_weights
from engines.training.segmentation.simulated_cases import SimulatedFrames
from tests.engines.training.arcade.marked_pictures import write_folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return read_arcade(write_folder(tmp_path_factory.mktemp("arcade")), "train")


@pytest.fixture
def recipe(tmp_path):
    """From a small network of random weights."""
    torch.manual_seed(0)
    weights = safetensors.torch.save(DruNet(2, 4).state_dict())
    (tmp_path / "coronary-sim.safetensors").write_bytes(weights)
    record = ModelRecord(
        classes=SCENES["coronary"].classes, working_px=256, channels=2, width=4, threshold=0.5, seed=1, steps=1,
        initial="", loss="dice+bce", data="nothing", machine="none",
        files={"coronary-sim.safetensors": sha256(weights)},
    )  # fmt: skip
    manifest = {"schema": "guidance-app/models/1", "models": {"coronary-sim": record.model_dump(mode="json")}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return ArcadeRecipe(
        initial=str(tmp_path / "coronary-sim.safetensors"), steps=3, seed=5, real=1, synthetic=1, rate=1e-3
    )


def test_frames_of_simulated_runs_are_learnt_beside_the_marked_pictures(recipe, pictures, tmp_path):
    picture = np.full((256, 256), 200.0, dtype=np.float32)
    picture[:, 100:106] = 90.0
    label = np.zeros((256, 256), dtype=np.uint8)
    label[:, 100:106] = 1
    scene = SCENES["coronary"]
    frames = SimulatedFrames(scene=scene, cases=("coronary-200",), pictures=[picture], labels=[label], arrived=[None])
    with_runs = replace(recipe, simulated=1, cases=frames.cases)
    alone, _ = train_arcade(recipe, pictures, tmp_path / "a.pt")
    beside, done = train_arcade(with_runs, pictures, tmp_path / "b.pt", frames=frames)
    assert done == 3
    before, after = alone.state_dict(), beside.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    with pytest.raises(InputError, match="another recipe"):
        train_arcade(replace(with_runs, cases=("coronary-201",)), pictures, tmp_path / "b.pt", frames=frames)
    assert "25% frames of 1 simulated cases" in data_words(replace(with_runs, real=2), 7)


def test_an_interrupted_training_goes_on_to_the_same_weights(recipe, pictures, tmp_path):
    whole, done = train_arcade(recipe, pictures, tmp_path / "a.pt")
    assert done == 3

    def interrupt(step: int, _loss: float, _net) -> None:
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_arcade(recipe, pictures, tmp_path / "b.pt", progress=interrupt)
    steps: list[int] = []
    resumed, _ = train_arcade(recipe, pictures, tmp_path / "b.pt", progress=lambda step, *_: steps.append(step))
    assert steps == [3]
    for name, value in whole.state_dict().items():
        assert torch.allclose(value, resumed.state_dict()[name], atol=1e-5), name


def test_a_checkpoint_of_another_recipe_is_refused(recipe, pictures, tmp_path):
    train_arcade(replace(recipe, steps=1), pictures, tmp_path / "a.pt")
    with pytest.raises(InputError, match="another recipe"):
        train_arcade(replace(recipe, steps=1, seed=6), pictures, tmp_path / "a.pt")


def test_no_time_left_leaves_the_weights_as_they_were(recipe, pictures, tmp_path):
    _, done = train_arcade(recipe, pictures, tmp_path / "a.pt", budget_s=1e-9)
    assert done == 0


def test_training_draws_the_network_towards_the_masks(recipe, pictures, tmp_path):
    losses: list[float] = []
    longer = replace(recipe, steps=25, rate=5e-2)  # the first hundred steps go slowly
    train_arcade(longer, pictures, tmp_path / "a.pt", progress=lambda _, loss, __: losses.append(loss))
    assert np.mean(losses[-3:]) < 0.85 * losses[0]


def test_pixels_without_weight_teach_nothing():
    logits = torch.zeros(1, 2, 16, 16, requires_grad=True)
    weights = torch.ones(1, 2, 16, 16)
    weights[0, 0, 4:8] = 0
    weighted_loss(logits, torch.ones(1, 2, 16, 16), weights).backward()
    assert logits.grad is not None
    assert logits.grad[0, 0, 4:8].abs().sum() == 0
    assert (logits.grad[0, 0, 8:] != 0).all()
    assert (logits.grad[0, 1] != 0).all()


def test_loss_of_a_perfect_answer_is_nothing():
    masks = torch.zeros(1, 2, 16, 16)
    masks[:, :, :8] = 1
    assert float(weighted_loss(40 * (masks - 0.5), masks, torch.ones_like(masks))) == pytest.approx(0, abs=1e-4)


class _Says(DruNet):
    """Vessel everywhere."""

    def forward(self, image):
        return torch.full((len(image), 2, *image.shape[2:]), 9.0)


def test_validation_counts_catheters_that_are_called_vessel(pictures):
    real, drawn = lessons_of(pictures), synthetic_lessons(SCENES["coronary"], 1)
    found = validate(_Says(2, 4), real, drawn)
    assert found.catheter_share == 1
    assert found.synthetic_recall == 1
    assert found.dice < 0.3
    figures = figures_where_known(_Says(2, 4), real, Choice(threshold=0.5, smallest_px=0))
    assert figures["recall"].median == 1
    assert figures["precision"].median < 0.2


@pytest.mark.slow  # the ONNX export alone takes most of a minute on a busy core
def test_the_model_folder_says_what_was_learnt_from(recipe, pictures, tmp_path):
    out = tmp_path / "out"
    real = lessons_of(pictures)
    write_arcade_model(DruNet(2, 4).eval(), recipe, out, steps=3, learnt_from=len(pictures), real=real)
    record = read_manifest(out).models["coronary"]
    assert "2 real angiograms" in record.data
    assert record.initial == "coronary-sim"
    card = (out / "coronary.md").read_text()
    assert "no real picture" not in card
    assert "ARCADE's validation part" in card


class _SaysDark(DruNet):
    """Vessel wherever it is darker than around."""

    def forward(self, image):
        return (-8 * image[:, 1:] - 8).repeat(1, 2, 1, 1)


def test_branches_that_all_networks_see_become_vessel(pictures):
    before = pictures[0]
    after = with_agreed_branches([before], [_SaysDark(2, 4), _Says(2, 4)])[0]
    added = after.branches > 0
    assert added.any()
    assert ((before.ignore > 0) | ~added).all()
    plain, richer = (lesson(np.random.default_rng(0), one, spoilt=False) for one in (before, after))
    assert plain is not None
    assert richer is not None
    assert richer.masks[0].sum() > plain.masks[0].sum() + 100
    assert (richer.weights[0][added] > 0).all()
    doubted = with_agreed_branches(pictures[:1], [_SaysDark(2, 4), _SaysNothing(2, 4)])[0]
    assert not doubted.branches.any()


class _SaysNothing(DruNet):
    """No vessel anywhere."""

    def forward(self, image):
        return torch.full((len(image), 2, *image.shape[2:]), -9.0)


def test_a_second_part_starts_from_the_first(recipe, pictures, tmp_path):
    train_arcade(replace(recipe, steps=1), pictures, tmp_path / "first.pt")
    first = str(tmp_path / "first.pt")
    second = replace(recipe, steps=1, initial=first, opinions=(recipe.initial, first))
    marked = with_agreed_branches(pictures, [load_weights(Path(path)) for path in second.opinions])
    _, done = train_arcade(second, marked, tmp_path / "second.pt")
    assert done == 1
