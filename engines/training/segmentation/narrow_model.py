"""A narrow network beside the wide one that taught it, in a model folder of its own."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.special import logit

from calibration.store import make_folder, write_bytes
from engines.inference.backend import Backend
from engines.inference.factory import make_backend
from engines.inference.model_files import ModelFiles, NarrowGate, sha256
from engines.networks.dru_net import DruNet
from engines.segmentation.arrival import channels_for
from engines.segmentation.scenes import Scene, scene_of_model
from engines.training.segmentation.distillation import Distillation
from engines.training.segmentation.drawn_arrival import sample_for
from engines.training.segmentation.export import check_parity, enter, onnx_bytes
from engines.training.segmentation.quantise import GATE_PICTURES, GATE_SEED, gate_dice

# More than 8 bits may lose: where the wide network is slower than the pictures come, the choice is between these
# masks and none. Searches on simulated patients were as often right and accepted (assets/results/segmentation.md).
LIMIT_POINTS = 3.0
_LEVEL_SEED, _LEVEL_PICTURES, _LEVEL_PX = 5_000_000, 30, 256
_TRIED = np.linspace(0.2, 0.7, 11)


def scene_pictures(scene: Scene, channels: int) -> list[Float[np.ndarray, "channels size size"]]:
    """Synthetic pictures that neither training nor gate sees."""
    samples = [sample_for(channels, scene, _LEVEL_SEED, index, _LEVEL_PX) for index in range(_LEVEL_PICTURES)]
    return [channels_for(sample.channels, channels) for sample in samples]


def level_with(
    net: DruNet, wide: Backend, pictures: Sequence[Float[np.ndarray, "channels size size"]], threshold: float
) -> None:
    """Move the last biases so that at this threshold its masks agree best (Dice) with those of the wide network.

    Taught by soft answers, a narrow network is less sure of thin vessels: at the wide one's threshold it misses some.
    """
    answers = np.concatenate([wide.run(picture[None]) for picture in pictures])
    bias = net.head.bias
    assert bias is not None
    with torch.no_grad():
        own = torch.sigmoid(net.eval()(torch.from_numpy(np.stack(pictures)))).numpy()
        for channel in range(net.classes):
            wanted = answers[:, channel] >= threshold
            agreed = [_dice(own[:, channel] >= tried, wanted) for tried in _TRIED]
            best = _TRIED[int(np.argmax(agreed))]
            bias[channel] += logit(threshold) - logit(best)


def _dice(found: Bool[np.ndarray, "n rows columns"], wanted: Bool[np.ndarray, "n rows columns"]) -> float:
    """Mean over pictures; where both are empty they agree."""
    both = (found & wanted).sum((1, 2))
    return float(np.mean((2.0 * both + 1.0) / (found.sum((1, 2)) + wanted.sum((1, 2)) + 1.0)))


def write_narrow_model(net: DruNet, recipe: Distillation, wide: ModelFiles, out: Path) -> NarrowGate:
    """Write `NAME.narrow.onnx`, with the wide network's files and what the narrow one loses against it.

    A network that loses more than the limit is written too; `auto` leaves it out and says why.

    Args:
        net: the narrow network.
        wide: the network that taught it.
        out: model folder; may be that of the wide one.

    Raises:
        GuidanceError: ONNX Runtime and torch disagree on the exported network.
    """
    scene = scene_of_model(recipe.teacher)
    net = copy.deepcopy(net)
    level_with(net, make_backend("onnx", wide), scene_pictures(scene, net.channels), wide.record.threshold)
    net.load_state_dict({n: v.half().float() if v.is_floating_point() else v for n, v in net.state_dict().items()})
    graph = onnx_bytes(net.eval(), scene, {"steps": recipe.steps, "seed": recipe.seed, "teacher": wide.name})
    check_parity(net, graph)
    dice, dice_narrow = gate_dice((wide.read(wide.onnx), graph), scene, wide.record)
    gate = NarrowGate(
        pictures=GATE_PICTURES, seed=GATE_SEED, dice=dice, dice_narrow=dice_narrow, limit_points=LIMIT_POINTS,
        width=net.width, steps=recipe.steps, training_seed=recipe.seed,
    )  # fmt: skip
    make_folder(out)
    if out.resolve() != wide.folder.resolve():
        for name in wide.record.files:
            write_bytes(out / name, wide.read(wide.folder / name))
    write_bytes(out / wide.narrow_onnx.name, graph)
    listed = {**wide.record.files, wide.narrow_onnx.name: sha256(graph)}
    enter(out, wide.name, wide.record.model_copy(update={"files": listed, "narrow": gate}))
    return gate
