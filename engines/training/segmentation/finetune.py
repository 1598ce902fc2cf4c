"""Train a shipped network further on a site's own labelled frames, without forgetting what it learnt before.

Every batch mixes the site's pictures, gently augmented, with synthetic patches. The resulting weights are never
shipped: they belong to the site and carry traces of its data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from calibration.errors import InputError
from calibration.store import write_atomically
from engines.evaluation.segmentation.labelled_pictures import LabelledPicture
from engines.inference.model_files import ModelFiles
from engines.inference.network_weights import load_network
from engines.networks.dru_net import DruNet
from engines.segmentation.arrival import channels_for
from engines.segmentation.conditioning import condition_working
from engines.segmentation.scenes import Scene
from engines.simulation.angiograms.angiogram_synthesis import WORKING_PX
from engines.training.segmentation.drawn_arrival import sample_for
from engines.training.segmentation.segmentation_recipe import fast_precision

_SAVE_EVERY = 50
_EMA_DECAY = 0.99
_SMALLEST_SHARE = 0.002  # a crop with less vessel teaches only background and is drawn again, a few times


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuning:
    """Everything that determines the weights, besides the pictures and the initial network.

    Args:
        steps: steps of the optimiser.
        batch: patches per step.
        synthetic_share: share of the patches that are synthetic.
        patch_px: side of a patch, a multiple of 16.
        rate: largest learning rate.
        seed: for crops, augmentation, order and synthetic patches.
    """

    steps: int = 400
    batch: int = 6
    synthetic_share: float = 0.34
    patch_px: int = 192
    rate: float = 5e-4
    seed: int = 1


def finetune(
    files: ModelFiles,
    scene: Scene,
    pictures: Sequence[LabelledPicture],
    plan: FineTuning,
    checkpoint: Path,
    *,
    progress: Callable[[int, float], None] = lambda *_: None,
) -> DruNet:
    """Train from the files' weights or go on from `checkpoint`; returns the averaged network in evaluation mode.

    The checkpoint is written every 50 steps, on an interruption and at the end.

    Raises:
        InputError: the checkpoint belongs to other pictures, other weights or other settings.
    """
    torch.manual_seed(plan.seed)
    net = load_network(files)
    average = {name: value.detach().clone() for name, value in net.state_dict().items()}
    optimiser = torch.optim.AdamW(net.parameters(), lr=plan.rate, weight_decay=1e-4)
    made_from = _made_from(files, pictures, plan)
    step = _resume(checkpoint, made_from, net, average, optimiser) if checkpoint.exists() else 0
    net = net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - missing from torch's stubs
    net.train()
    fast = fast_precision("cpu") == "bfloat16"
    prepared = [_working(picture) for picture in pictures]
    try:
        while step < plan.steps:
            for group in optimiser.param_groups:
                group["lr"] = _rate(plan, step)
            image, masks, known = _batch(scene, prepared, plan, step, net.channels)
            optimiser.zero_grad(set_to_none=True)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast):
                logits = net(image.contiguous(memory_format=torch.channels_last))
            loss = partial_loss(logits, masks, known)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            step += 1
            _average_in(average, net)
            if step % _SAVE_EVERY == 0 and step < plan.steps:
                _save(checkpoint, made_from, step, net, average, optimiser)
            progress(step, float(loss.detach()))
    finally:
        # Also on Ctrl-C, so that the same command goes on from here.
        _save(checkpoint, made_from, step, net, average, optimiser)
    tuned = DruNet(len(scene.classes), files.record.width, files.record.channels, drawn=files.record.drawn)
    tuned.load_state_dict(average)
    return tuned.eval()


def partial_loss(
    logits: Float[Tensor, "n classes rows columns"],
    masks: Float[Tensor, "n classes rows columns"],
    known: Float[Tensor, "n classes"],
) -> Float[Tensor, ""]:
    """Dice + BCE where labels are known: a site labels vessels, but not the devices in its pictures.

    Args:
        known: 1 if the patch's mask of this class is a label, 0 if the class was not labelled.
    """
    logits = logits.float()
    weight = known[:, :, None, None]
    probability = torch.sigmoid(logits) * weight
    masks = masks * weight
    axes = (0, 2, 3)
    overlap = (probability * masks).sum(axes)
    dice = 1 - (2 * overlap + 50) / (probability.sum(axes) + masks.sum(axes) + 50)
    bce = torch.nn.functional.binary_cross_entropy_with_logits(logits, masks, reduction="none") * weight
    pixels = logits.shape[2] * logits.shape[3]
    return dice.mean() + bce.sum() / (weight.sum() * pixels).clamp(min=1)


def folds_of(count: int, folds: int) -> list[tuple[list[int], list[int]]]:
    """(train, test) positions of each fold; positions are assigned to the folds in turn.

    Raises:
        InputError: there are fewer pictures than folds, or fewer than two folds.
    """
    if not 2 <= folds <= count:
        raise InputError(f"--folds {folds}: with {count} pictures give 2 to {count}")
    tests = [[index for index in range(count) if index % folds == fold] for fold in range(folds)]
    return [([index for index in range(count) if index not in test], test) for test in tests]


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    picture: Float[np.ndarray, "rows columns"]
    mask: Float[np.ndarray, "rows columns"]


def _working(picture: LabelledPicture) -> _Prepared:
    """The picture at the working size with dark vessels, as in inference."""
    values = picture.frame.pixels.astype(np.float32)
    if picture.frame.vessels_bright:
        values = values.max() - values
    rows, columns = values.shape
    how = cv2.INTER_AREA if max(rows, columns) > WORKING_PX else cv2.INTER_LINEAR
    size = (WORKING_PX, WORKING_PX)
    mask = cv2.resize(picture.mask.astype(np.float32), size, interpolation=how)
    return _Prepared(cv2.resize(values, size, interpolation=how), mask)


def _batch(
    scene: Scene, prepared: Sequence[_Prepared], plan: FineTuning, step: int, channels: int
) -> tuple[Tensor, Tensor, Tensor]:
    images, masks, known = [], [], []
    for number in range(step * plan.batch, (step + 1) * plan.batch):
        random = np.random.default_rng(np.random.SeedSequence([plan.seed, number, 3]))
        own = None
        if random.random() >= plan.synthetic_share:
            own = _own_patch(random, prepared, plan.patch_px)
        if own is None:
            sample = sample_for(channels, scene, plan.seed, number, plan.patch_px)
            images.append(sample.channels)
            masks.append(sample.masks)
            known.append([1.0] * len(scene.classes))
            continue
        picture, mask = own
        labelled = np.zeros((len(scene.classes), *mask.shape), np.float32)
        labelled[0] = mask
        images.append(picture)
        masks.append(labelled)
        known.append([1.0] + [0.0] * (len(scene.classes) - 1))
    images = [channels_for(image, channels) for image in images]
    return tuple(torch.from_numpy(np.stack(part).astype(np.float32)) for part in (images, masks, known))  # type: ignore


def _own_patch(random: np.random.Generator, prepared: Sequence[_Prepared], side: int):
    """A conditioned crop, turned, mirrored, scaled and relit; None if several draws show nothing to learn."""
    for _ in range(4):
        chosen = prepared[int(random.integers(len(prepared)))]
        centre = WORKING_PX / 2 + random.uniform(-1, 1, 2) * max(WORKING_PX - side, 0) / 2
        turn = cv2.getRotationMatrix2D(tuple(centre), random.uniform(-180, 180), np.exp(random.uniform(-0.2, 0.2)))
        turn[:, 2] += side / 2 - centre
        if random.random() < 0.5:
            turn[0] = -turn[0]
            turn[0, 2] += side - 1
        edge = float(np.percentile(chosen.picture, 1))  # outside the detector the picture is dark, as behind a blade
        picture = cv2.warpAffine(chosen.picture, turn, (side, side), flags=cv2.INTER_LINEAR, borderValue=edge)
        mask = cv2.warpAffine(chosen.mask, turn, (side, side), flags=cv2.INTER_LINEAR, borderValue=0) > 0.5
        conditioned = condition_working(_relit(random, picture), working_px=WORKING_PX)
        if conditioned is None or mask.mean() < _SMALLEST_SHARE:
            continue
        if conditioned.field_of_view is not None:
            mask = mask & conditioned.field_of_view
        channels = -conditioned.channels if conditioned.inverted else conditioned.channels
        return np.ascontiguousarray(channels), mask.astype(np.float32)
    return None


def _relit(random: np.random.Generator, picture: Float[np.ndarray, "rows columns"]) -> np.ndarray:
    low, high = float(picture.min()), float(picture.max())
    lit = np.clip((picture - low) / (high - low + 1e-6), 0, 1) ** np.exp(random.normal(0, 0.25))
    if random.random() < 0.3:
        lit = cv2.GaussianBlur(lit, (0, 0), random.uniform(0.3, 0.9))
    lit = lit + random.normal(0, np.exp(random.uniform(np.log(0.002), np.log(0.025))), lit.shape)
    return (lit * 255).astype(np.float32)


def _rate(plan: FineTuning, step: int) -> float:
    warm = min(1.0, (step + 1) / 20)
    return plan.rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / plan.steps)))


@torch.no_grad()
def _average_in(average: dict[str, Tensor], net: DruNet) -> None:
    for name, value in net.state_dict().items():
        if value.dtype.is_floating_point:
            average[name].lerp_(value, 1 - _EMA_DECAY)
        else:
            average[name].copy_(value)


def _made_from(files: ModelFiles, pictures: Sequence[LabelledPicture], plan: FineTuning) -> dict:
    return {
        "plan": asdict(plan), "pictures": [picture.name for picture in pictures],
        "weights": files.record.files[files.safetensors.name],
    }  # fmt: skip


def _save(path: Path, made_from: dict, step: int, net: DruNet, average: dict, optimiser: torch.optim.Optimizer) -> None:
    state = {
        "made_from": made_from, "step": step, "net": net.state_dict(), "average": average,
        "optimiser": optimiser.state_dict(),
    }  # fmt: skip
    write_atomically(path, lambda beside: torch.save(state, beside))


def _resume(path: Path, made_from: dict, net: DruNet, average: dict, optimiser: torch.optim.Optimizer) -> int:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises unrelated types for a foreign file
        raise InputError(f"{path}: not a readable training checkpoint ({type(error).__name__}); delete it") from error
    if state.get("made_from") != made_from:
        raise InputError(
            f"{path}: was made from other pictures, weights or settings; choose another --out or delete it"
        )
    net.load_state_dict(state["net"])
    for name, value in state["average"].items():
        average[name].copy_(value)
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])
