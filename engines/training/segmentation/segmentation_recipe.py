"""Train the shipped networks: seeded, resumable, on synthetic angiograms and simulated cases only."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from calibration.errors import InputError
from calibration.store import write_atomically
from engines.inference.model_files import ModelFiles, read_manifest
from engines.inference.network_weights import load_network
from engines.networks.dru_net import DruNet
from engines.segmentation.arrival import WITH_ARRIVAL
from engines.segmentation.conditioning import CHANNELS
from engines.segmentation.scenes import Scene, is_bundled, scene_named, scene_of_model
from engines.training.segmentation.drawn_arrival import sample_for
from engines.training.segmentation.simulated_cases import SimulatedFrames, load_simulated

LossName = Literal["dice+bce", "dice+bce+cldice", "dice", "bce"]
Precision = Literal["float32", "bfloat16"]
_EMA_DECAY = 0.995
_SAVE_EVERY = 50
_CHECK_EVERY = 200
_BLOCK_STEPS = 120  # number of batches that are repeated together; a multiple of usual numbers of workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that determines the weights.

    Args:
        scene: name of the network.
        loss: "dice+bce", or one of the paper's two alone (`Scene.paper_loss`).
        initial: checkpoint, or `NAME.safetensors` of a model folder, whose weights are the start (the head's only if
            the scene is the same); "" for random weights.
        cases: folder of simulated cases whose frames are mixed in; "" for none.
        case_share: share of the patches from these cases.
        repeats: how often a patch is used, each time turned or mirrored differently.
        randomised: whether to draw the imaging chain of every synthetic patch; False only in the ablation.
        form: "paper" for the network as published: one input channel, the picture itself, and the decoder as drawn.
        precision: precision of the forward and backward pass; weights, updates and the loss stay in float32.
        arrival: whether the network also sees what came with the contrast (`engines.segmentation.arrival`): of
            simulated cases as their runs show it, of synthetic pictures as drawn, and unknown in some of both.
    """

    scene: str
    steps: int = 2000
    seed: int = 1
    width: int = 16
    batch: int = 6
    patch_px: int = 192
    rate: float = 2e-3
    loss: LossName = "dice+bce"
    initial: str = ""
    cases: str = ""
    case_share: float = 0.4
    repeats: int = 3
    randomised: bool = True
    form: Literal["ours", "paper"] = "ours"
    precision: Precision = "float32"
    arrival: bool = False


class _Patches(IterableDataset):
    """The endless seeded series from a step on, so that a resumed training gets the same patches.

    A block of batches is used `repeats` times, each time turned differently, because making a patch takes as long as
    learning from it. With several workers, each makes whole batches in turn.
    """

    def __init__(self, scene: Scene, recipe: Recipe, first_step: int) -> None:
        self.scene, self.recipe, self.first_step = scene, recipe, first_step

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        import cv2

        cv2.setNumThreads(1)
        recipe = self.recipe
        frames = load_simulated(Path(recipe.cases), self.scene) if recipe.cases else None
        worker = get_worker_info()
        mine, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        block: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
        for step in range(self.first_step + mine, recipe.steps, workers):
            round_, place = divmod(step, _BLOCK_STEPS)
            number = round_ // recipe.repeats
            source = number * _BLOCK_STEPS + place
            if source not in block:
                block = {known: patches for known, patches in block.items() if known // _BLOCK_STEPS == number}
                block[source] = [self._patch(source * recipe.batch + k, frames) for k in range(recipe.batch)]
            for place_in_batch, (channels, masks) in enumerate(block[source]):
                turned = _turned(channels, masks, place + place_in_batch + 3 * round_)
                yield turned[0].astype(np.float32), turned[1].astype(np.float32)

    def _patch(self, index: int, frames: SimulatedFrames | None) -> tuple[np.ndarray, np.ndarray]:
        recipe, sample = self.recipe, None
        if frames is not None and np.random.default_rng([recipe.seed, index, 2]).random() < recipe.case_share:
            sample = frames.sample(recipe.seed, index, recipe.patch_px, arrival=recipe.arrival)
        if sample is None:
            channels = channels_of(recipe)
            sample = sample_for(
                channels, self.scene, recipe.seed, index, recipe.patch_px, randomised=recipe.randomised
            )  # fmt: skip
        # float16 is exact enough for values within 5 and keeps a block of patches small.
        return sample.channels.astype(np.float16), sample.masks.astype(bool)


def _turned(channels: np.ndarray, masks: np.ndarray, index: int) -> tuple[np.ndarray, np.ndarray]:
    # The paper's augmentation: quarter turns and flips.
    turns, flip = index % 4, (index // 4) % 2
    channels, masks = np.rot90(channels, turns, (1, 2)), np.rot90(masks, turns, (1, 2))
    if flip:
        channels, masks = channels[:, :, ::-1], masks[:, :, ::-1]
    return np.ascontiguousarray(channels), np.ascontiguousarray(masks)


def train(
    recipe: Recipe,
    checkpoint: Path,
    *,
    device: str = "cpu",
    workers: int = 0,
    progress: Callable[[int, float], None] | None = None,
    checked: Callable[[int, DruNet], None] | None = None,
) -> DruNet:
    """Train or go on from `checkpoint`; returns the averaged network in evaluation mode.

    The checkpoint is written every 50 steps and at the end.

    Args:
        checked: given the averaged network every 200 steps, to validate it.

    Raises:
        InputError: the checkpoint belongs to another recipe.
    """
    scene = scene_named(recipe.scene)
    torch.manual_seed(recipe.seed)
    net = network_of(recipe)
    if recipe.initial:
        _start_from(net, Path(recipe.initial), recipe.scene)
    net = net.to(device)
    net = net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - missing from torch's stubs
    average = {name: value.detach().clone() for name, value in net.state_dict().items()}
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=1e-4)
    step = 0
    if checkpoint.exists():
        step = _resume(checkpoint, recipe, net, average, optimiser)
    batches = DataLoader(
        _Patches(scene, recipe, step), batch_size=recipe.batch, num_workers=workers,
        prefetch_factor=4 if workers else None,
    )  # fmt: skip
    net.train()
    for image, masks in batches:
        for group in optimiser.param_groups:
            group["lr"] = _rate(recipe, step)
        image = image.to(device=device, memory_format=torch.channels_last)
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            logits = net(image[:, : net.channels])
        loss = segmentation_loss(logits, masks.to(device), recipe.loss)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        _average_in(average, net, step)
        if progress is not None:
            progress(step, float(loss.detach()))
        if checked is not None and (step % _CHECK_EVERY == 0 or step == recipe.steps):
            checked(step, _averaged(recipe, average))
        if step % _SAVE_EVERY == 0 or step == recipe.steps:
            _save(checkpoint, recipe, step, net, average, optimiser)
    return _averaged(recipe, average)


def network_of(recipe: Recipe) -> DruNet:
    """The untrained network of a recipe."""
    classes = len(scene_named(recipe.scene).classes)
    return DruNet(classes, recipe.width, channels_of(recipe), drawn=recipe.form == "paper")


def channels_of(recipe: Recipe) -> int:
    """Input channels of a recipe's network."""
    if recipe.form == "paper":
        return 1
    return WITH_ARRIVAL if recipe.arrival else CHANNELS


def _averaged(recipe: Recipe, average: dict[str, Tensor]) -> DruNet:
    net = network_of(recipe)
    net.load_state_dict({name: value.cpu() for name, value in average.items()})
    return net.eval()


def fast_precision(device: str) -> Precision:
    """bfloat16 if the device multiplies it natively (steps are 2.5 times faster on a CPU with AMX), else float32."""
    native = (
        torch.cuda.is_bf16_supported(including_emulation=False)
        if device != "cpu"
        else torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )
    return "bfloat16" if native else "float32"


def load_average(checkpoint: Path) -> tuple[DruNet, dict]:
    """The averaged network of a checkpoint and {recipe, step}."""
    state = _read(checkpoint)
    told = {key: state["recipe"][key] for key in ("scene", "width", "form", "arrival") if key in state["recipe"]}
    net = network_of(Recipe(**told))
    net.load_state_dict(state["average"])
    return net.eval(), {"recipe": state["recipe"], "step": state["step"]}


def load_weights(path: Path) -> DruNet:
    """The network of a checkpoint, or of a model folder's `NAME.safetensors`."""
    return _shipped(path).eval() if path.suffix == ".safetensors" else load_average(path)[0]


def segmentation_loss(
    logits: Float[Tensor, "n classes rows columns"], masks: Float[Tensor, "n classes rows columns"], name: LossName
) -> Float[Tensor, ""]:
    """Equations 1 and 2 of the paper, or their sum; Dice over the whole batch, for each class.

    Dice over the batch, because many patches show no device and their own Dice would be undefined.
    """
    logits = logits.float()
    probability = torch.sigmoid(logits)
    axes = (0, 2, 3)
    overlap = (probability * masks).sum(axes)
    dice = 1 - (2 * overlap + 50) / (probability.sum(axes) + masks.sum(axes) + 50)
    bce = torch.nn.functional.binary_cross_entropy_with_logits(logits, masks)
    if name == "dice":
        return dice.mean()
    if name == "bce":
        return bce
    if name == "dice+bce":
        return dice.mean() + bce
    return dice.mean() + bce + 0.5 * _soft_cl_dice(probability[:, 0], masks[:, 0])


def _soft_cl_dice(
    found: Float[Tensor, "n rows columns"], true: Float[Tensor, "n rows columns"], thinnings: int = 6
) -> Float[Tensor, ""]:
    """1 - clDice with skeletons by repeated minimum and maximum pooling (Shit et al., CVPR 2021)."""
    found_line, true_line = _soft_skeleton(found[:, None], thinnings), _soft_skeleton(true[:, None], thinnings)
    precision = ((found_line * true[:, None]).sum() + 1) / (found_line.sum() + 1)
    recall = ((true_line * found[:, None]).sum() + 1) / (true_line.sum() + 1)
    return 1 - 2 * precision * recall / (precision + recall)


def _soft_skeleton(mask: Float[Tensor, "n 1 rows columns"], thinnings: int) -> Float[Tensor, "n 1 rows columns"]:
    line = torch.relu(mask - _opened(mask))
    for _ in range(thinnings):
        mask = -torch.nn.functional.max_pool2d(-mask, 3, 1, 1)
        rest = torch.relu(mask - _opened(mask))
        line = line + torch.relu(rest - line * rest)
    return line


def _opened(mask: Float[Tensor, "n 1 rows columns"]) -> Float[Tensor, "n 1 rows columns"]:
    thinner = -torch.nn.functional.max_pool2d(-mask, 3, 1, 1)
    return torch.nn.functional.max_pool2d(thinner, 3, 1, 1)


def machine() -> str:
    return f"{platform.machine()} {platform.system()}, torch {torch.__version__}, CUDA {torch.version.cuda or 'none'}"


def _rate(recipe: Recipe, step: int) -> float:
    warm = min(1.0, (step + 1) / 50)
    return recipe.rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(step / recipe.steps, 1.0))))


@torch.no_grad()
def _average_in(average: dict[str, Tensor], net: DruNet, step: int) -> None:
    # The average follows quickly at first, or the random initial weights would stay in it for a thousand steps.
    decay = min(_EMA_DECAY, step / (step + 10))
    for name, value in net.state_dict().items():
        if value.dtype.is_floating_point:
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)


def _start_from(net: DruNet, path: Path, scene: str) -> None:
    own = net.state_dict()
    if path.suffix == ".safetensors":
        found = _shipped(path).state_dict()
        same_scene = is_bundled(path.stem) and scene_of_model(path.stem).name == scene
    else:
        state = _read(path)
        found, same_scene = state["average"], state["recipe"]["scene"] == scene
    found = {name: _widened(value, own[name]) for name, value in found.items() if name in own}
    fitting = {name: value for name, value in found.items() if own[name].shape == value.shape}
    if not same_scene:
        # Other scenes have other classes, so their heads start anew.
        fitting = {name: value for name, value in fitting.items() if not name.startswith("head.")}
    net.load_state_dict(fitting, strict=False)


def _widened(weights: Tensor, own: Tensor) -> Tensor:
    """Weights of fewer input channels for a network that takes more: at the start it does not heed the others."""
    if weights.ndim != 4 or weights.shape[0] != own.shape[0] or weights.shape[2:] != own.shape[2:]:
        return weights
    more = own.shape[1] - weights.shape[1]
    return torch.nn.functional.pad(weights, (0, 0, 0, 0, 0, more)) if more > 0 else weights


def _shipped(path: Path) -> DruNet:
    """The network of a model folder, whose weights its manifest confirms."""
    records = read_manifest(path.parent).models
    if path.stem not in records:
        raise InputError(f"{path}: the manifest beside it knows no {path.stem!r}; known are {', '.join(records)}")
    return load_network(ModelFiles(name=path.stem, folder=path.parent, record=records[path.stem]))


def _save(path: Path, recipe: Recipe, step: int, net: DruNet, average: dict, optimiser: torch.optim.Optimizer) -> None:
    state = {
        "recipe": asdict(recipe), "step": step, "net": net.state_dict(), "average": average,
        "optimiser": optimiser.state_dict(),
    }  # fmt: skip
    write_atomically(path, lambda beside: torch.save(state, beside))


def _read(path: Path) -> dict:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(f"{path}: not a readable training checkpoint ({type(error).__name__}); delete it") from error


def _resume(path: Path, recipe: Recipe, net: DruNet, average: dict, optimiser: torch.optim.Optimizer) -> int:
    state = _read(path)
    if state["recipe"] != asdict(recipe):
        raise InputError(
            f"{path}: the checkpoint was made by another recipe ({state['recipe']}); choose another --out or delete it"
        )
    net.load_state_dict(state["net"])
    for name, value in state["average"].items():
        average[name].copy_(value)
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])
