import numpy as np
import pytest
import safetensors.torch
import torch

from calibration.errors import InputError
from engines.angiography.frame import Frame
from engines.evaluation.segmentation.labelled_pictures import LabelledPicture
from engines.inference.model_files import BUNDLED_MODELS, ModelFiles, ModelRecord, read_manifest, sha256
from engines.networks.dru_net import DruNet
from engines.segmentation.scenes import SCENES
from engines.segmentation.segmenter import load_segmenter
from engines.training.segmentation.finetune import FineTuning, finetune, folds_of, partial_loss
from engines.training.segmentation.site_weights import check_folder, proof_as_json, prove_in_folds, write_site_model

_SCENE = SCENES["coronary"]
_PLAN = FineTuning(steps=3, batch=2, patch_px=64, rate=1e-3)


@pytest.fixture
def files(tmp_path):
    """A model folder with a small network of random weights."""
    torch.manual_seed(0)
    weights = safetensors.torch.save(DruNet(2, 4).state_dict())
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "coronary.safetensors").write_bytes(weights)
    record = ModelRecord(
        classes=_SCENE.classes, working_px=256, channels=2, width=4, threshold=0.5, seed=1, steps=1, initial="",
        loss="dice+bce", data="nothing", machine="none", files={"coronary.safetensors": sha256(weights)},
    )  # fmt: skip
    return ModelFiles(name="coronary", folder=folder, record=record)


def _picture(number: int) -> LabelledPicture:
    row, column = np.mgrid[:120, :150]
    across = np.abs(row - 60 - 12 * np.sin(column / 20 + number))
    noise = np.random.default_rng(number).normal(0, 2, row.shape)
    pixels = np.clip(170 - 80 * np.exp(-((across / 4) ** 2)) + noise, 0, 255).astype(np.uint8)
    return LabelledPicture(name=str(number), frame=Frame(pixels=pixels, kind="fluoro"), mask=across < 4)


_PICTURES = [_picture(number) for number in range(4)]


def test_the_same_plan_gives_the_same_weights_and_an_interrupted_one_goes_on(files, tmp_path):
    whole = finetune(files, _SCENE, _PICTURES, _PLAN, tmp_path / "a.pt")

    def interrupt(step: int, _loss: float) -> None:
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune(files, _SCENE, _PICTURES, _PLAN, tmp_path / "b.pt", progress=interrupt)
    steps: list[int] = []
    resumed = finetune(files, _SCENE, _PICTURES, _PLAN, tmp_path / "b.pt", progress=lambda step, _: steps.append(step))
    assert steps == [3]
    for name, value in whole.state_dict().items():
        assert torch.allclose(value, resumed.state_dict()[name], atol=1e-5), name


def test_training_draws_the_network_towards_the_masks(files, tmp_path):
    losses: list[float] = []
    plan = FineTuning(steps=25, batch=2, patch_px=64, rate=5e-3, synthetic_share=0.0)
    finetune(files, _SCENE, _PICTURES, plan, tmp_path / "a.pt", progress=lambda _, loss: losses.append(loss))
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


def test_a_checkpoint_of_other_pictures_is_refused(files, tmp_path):
    finetune(files, _SCENE, _PICTURES, FineTuning(steps=1, batch=2, patch_px=64), tmp_path / "a.pt")
    with pytest.raises(InputError, match="other pictures"):
        finetune(files, _SCENE, _PICTURES[:2], FineTuning(steps=1, batch=2, patch_px=64), tmp_path / "a.pt")


def test_what_nobody_labelled_is_not_learnt():
    logits = torch.zeros(2, 2, 16, 16, requires_grad=True)
    masks, known = torch.ones(2, 2, 16, 16), torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    partial_loss(logits, masks, known).backward()
    assert logits.grad is not None
    assert logits.grad[0, 1].abs().sum() > 0
    assert logits.grad[1, 0].abs().sum() > 0
    assert logits.grad[1, 1].abs().sum() == 0


def test_every_picture_is_tested_once_and_not_trained_on_in_that_fold():
    folds = folds_of(7, 3)
    assert sorted(index for _, test in folds for index in test) == list(range(7))
    assert all(set(train).isdisjoint(test) and len(train) + len(test) == 7 for train, test in folds)
    for wrong in (1, 8):
        with pytest.raises(InputError, match="--folds"):
            folds_of(7, wrong)


def test_folds_score_the_pictures_left_out_before_and_after(files, tmp_path):
    plan = FineTuning(steps=1, batch=2, patch_px=64)
    proofs = prove_in_folds(files, _SCENE, _PICTURES, plan, 2, tmp_path)
    assert [set(proof.after) for proof in proofs] == [{"0", "2"}, {"1", "3"}]
    assert [proof.trained_on for proof in proofs] == [("1", "3"), ("0", "2")]
    content = proof_as_json(proofs)
    assert content["total"]["after"]["dice"]["count"] == 4
    assert content["total"]["before"]["dice"]["median"] is not None


@pytest.mark.parametrize("inside", [".", "deeper"])
def test_the_bundled_folder_is_never_written_to(inside):
    with pytest.raises(InputError, match="ship with the program"):
        check_folder(BUNDLED_MODELS / inside)
    assert not (BUNDLED_MODELS / "deeper").exists()


@pytest.mark.slow  # the ONNX export alone takes most of a minute on a busy core
def test_a_site_model_loads_and_says_what_it_was_made_from(files, tmp_path):
    out = tmp_path / "site"
    plan = FineTuning(steps=1, batch=2, patch_px=64)
    net = finetune(files, _SCENE, _PICTURES, plan, out / "coronary.checkpoint.pt")
    write_site_model(net, files, _SCENE, _PICTURES, plan, out)
    record = read_manifest(out).models["coronary"]
    assert "4 labelled pictures of a site" in record.data
    assert "Fine-tuned on a site's pictures" in (out / "coronary.md").read_text()
    assert not list(out.glob(".part-*"))
    for backend in ("onnx", "torch"):
        outcome = load_segmenter("coronary", backend, folder=out).segment(_PICTURES[0].frame)
        assert outcome.probabilities.shape == (2, 120, 150)
