"""A narrow network beside the wide one that taught it, in a model folder of its own."""

from __future__ import annotations

import copy
from pathlib import Path

from calibration.store import make_folder, write_bytes
from engines.inference.model_files import ModelFiles, NarrowGate, sha256
from engines.networks.dru_net import DruNet
from engines.segmentation.scenes import scene_of_model
from engines.training.segmentation.distillation import Distillation
from engines.training.segmentation.export import check_parity, enter, onnx_bytes
from engines.training.segmentation.quantise import GATE_PICTURES, GATE_SEED, LIMIT_POINTS, gate_dice


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
