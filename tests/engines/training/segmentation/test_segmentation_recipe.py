import numpy as np
import pytest
import torch

from calibration.errors import InputError
from engines.inference.factory import make_backend
from engines.inference.model_files import BUNDLED_MODELS, ModelFiles
from engines.inference.network_weights import load_network
from engines.networks.dru_net import DruNet
from engines.segmentation.scenes import scene_named
from engines.training.segmentation.export import PARITY_TOLERANCE, export
from engines.training.segmentation.segmentation_recipe import (
    Recipe,
    _Patches,
    load_average,
    segmentation_loss,
    train,
)
from tests.engines.inference.models import bundled

_TINY = Recipe(scene="coronary", steps=3, width=4, batch=2, patch_px=64)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    losses: list[float] = []
    return folder, train(_TINY, folder / "a.pt", progress=lambda _step, loss: losses.append(loss)), losses


def test_the_same_recipe_gives_the_same_weights(trained, tmp_path):
    _, net, losses = trained
    assert len(losses) == 3
    again = train(_TINY, tmp_path / "b.pt")
    for name, value in net.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_an_interrupted_training_goes_on_where_it_stopped(trained, tmp_path, monkeypatch):
    _, net, _ = trained
    monkeypatch.setattr("engines.training.segmentation.segmentation_recipe._SAVE_EVERY", 1)

    def interrupt(step: int, _loss: float) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(_TINY, tmp_path / "c.pt", progress=interrupt)
    steps: list[int] = []
    resumed = train(_TINY, tmp_path / "c.pt", progress=lambda step, _loss: steps.append(step))
    assert steps == [3]
    for name, value in net.state_dict().items():
        assert torch.allclose(value, resumed.state_dict()[name], atol=1e-6), name


def test_a_checkpoint_of_another_recipe_is_refused(trained):
    folder, _, _ = trained
    with pytest.raises(InputError, match="another recipe"):
        train(Recipe(scene="coronary", steps=4, width=4, batch=2, patch_px=64), folder / "a.pt")


def test_a_broken_checkpoint_is_named(tmp_path):
    path = tmp_path / "broken.pt"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match=r"broken\.pt"):
        train(_TINY, path)


@pytest.mark.slow
def test_exported_files_are_one_network_with_its_metadata(trained):
    import onnx

    folder, net, _ = trained
    record = export(net, scene_named("coronary"), _TINY, folder, steps=3)
    files = ModelFiles(name="coronary", folder=folder, record=record)
    batch = np.random.default_rng(0).normal(size=(2, 2, 48, 32)).astype(np.float32)
    fast, reference = (make_backend(name, files).run(batch) for name in ("onnx", "torch"))
    assert np.abs(fast - reference).max() <= PARITY_TOLERANCE
    properties = {p.key: p.value for p in onnx.load(folder / "coronary.onnx").metadata_props}
    assert properties["classes"] == '["vessel", "device"]'
    assert properties["working_px"] == "256"


def test_losses_follow_the_paper():
    masks = torch.zeros(1, 1, 32, 32)
    masks[..., :16] = 1
    sure = (masks * 2 - 1) * 20
    assert float(segmentation_loss(sure, masks, "dice")) == pytest.approx(0, abs=1e-5)
    assert float(segmentation_loss(-sure, masks, "dice")) == pytest.approx(1 - 50 / (1024 + 50), abs=1e-4)
    # Equation 2 at a probability of one half is ln 2 everywhere.
    assert float(segmentation_loss(torch.zeros_like(masks), masks, "bce")) == pytest.approx(np.log(2), abs=1e-6)


def test_another_scene_starts_from_a_checkpoint_without_its_head(trained, tmp_path):
    folder, net, _ = trained
    recipe = Recipe(scene="cerebral", steps=1, width=4, batch=2, patch_px=64, initial=str(folder / "a.pt"), rate=1e-9)
    started = train(recipe, tmp_path / "d.pt")
    assert isinstance(started, DruNet)
    assert torch.allclose(started.encoder[0].body[0].weight, net.encoder[0].body[0].weight, atol=1e-5)
    assert not torch.allclose(started.head.weight, net.head.weight)


def test_training_goes_on_from_shipped_weights_with_their_head(tmp_path):
    shipped = load_network(bundled("coronary"))
    recipe = Recipe(
        scene="coronary", steps=1, batch=1, patch_px=64, rate=1e-9, initial=str(bundled("coronary").safetensors)
    )
    started = train(recipe, tmp_path / "e.pt")
    assert torch.allclose(started.encoder[0].body[0].weight, shipped.encoder[0].body[0].weight, atol=1e-5)
    assert torch.allclose(started.head.weight, shipped.head.weight, atol=1e-5)


def test_weights_that_no_manifest_lists_are_refused(tmp_path):
    (tmp_path / "other.safetensors").write_bytes(b"")
    (tmp_path / "manifest.json").write_bytes((BUNDLED_MODELS / "manifest.json").read_bytes())
    recipe = Recipe(scene="coronary", steps=1, initial=str(tmp_path / "other.safetensors"))
    with pytest.raises(InputError, match="the manifest beside it knows no 'other'"):
        train(recipe, tmp_path / "f.pt")


def test_a_patch_is_repeated_with_another_turn_before_a_new_one(monkeypatch):
    monkeypatch.setattr("engines.training.segmentation.segmentation_recipe._BLOCK_STEPS", 2)
    recipe = Recipe(scene="coronary", steps=8, width=4, batch=1, patch_px=64, repeats=2)
    shown = [masks for _, masks in _Patches(scene_named("coronary"), recipe, 0)]
    again = [masks for _, masks in _Patches(scene_named("coronary"), recipe, 2)]
    assert all(np.array_equal(a, b) for a, b in zip(shown[2:], again, strict=True)), "a resumed run sees the same"
    areas = [int(masks.sum()) for masks in shown]
    assert (areas[:2], areas[4:6]) == (areas[2:4], areas[6:8])
    assert areas[:2] != areas[4:6]
    assert not any(np.array_equal(a, b) for a, b in zip(shown[:2], shown[2:4], strict=True))


def test_the_network_as_published_sees_the_picture_alone_and_is_shipped_with_its_decoder(tmp_path):
    recipe = Recipe(scene="aortic-lower", steps=1, width=4, batch=1, patch_px=64, loss="dice", rate=1e-5, form="paper")
    net = train(recipe, tmp_path / "a.pt")
    assert (net.channels, net.drawn) == (1, True)
    again, _ = load_average(tmp_path / "a.pt")
    assert (again.channels, again.drawn) == (1, True)
    record = export(net, scene_named("aortic-lower"), recipe, tmp_path, steps=1)
    assert (record.channels, record.drawn) == (1, True)
    files = ModelFiles(name="aortic-lower", folder=tmp_path, record=record)
    shipped = load_network(files)
    picture = torch.randn(1, 1, 32, 32)
    with torch.inference_mode():
        assert torch.allclose(shipped(picture), net(picture), atol=1e-2)
        assert not torch.allclose(shipped(picture), shipped(torch.zeros_like(picture)))


def test_each_field_of_view_has_the_paper_s_batch_and_rate():
    lower, upper = scene_named("aortic-lower"), scene_named("aortic-upper")
    assert (lower.paper_loss, lower.paper_batch, lower.paper_rate) == ("dice", 8, 1e-5)
    assert (upper.paper_loss, upper.paper_batch, upper.paper_rate) == ("bce", 4, 0.1)
