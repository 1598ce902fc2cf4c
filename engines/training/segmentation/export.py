"""Export trained weights to the files that are shipped: safetensors, ONNX, manifest."""

from __future__ import annotations

import copy
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import safetensors.torch
import torch

from calibration.errors import GuidanceError
from calibration.store import write_bytes, write_json
from engines.inference.model_files import MANIFEST_NAME, SCHEMA, Manifest, ModelRecord, read_manifest, sha256
from engines.networks.dru_net import DruNet, ProbabilityNet
from engines.segmentation.scenes import Scene, arrival_weights
from engines.simulation.angiograms.angiogram_synthesis import WORKING_PX
from engines.training.segmentation.segmentation_recipe import Recipe, machine
from engines.training.segmentation.simulated_cases import fitting_cases

PARITY_TOLERANCE = 1e-3  # difference of a probability on noise; fused and unfused batch norms round differently
_LARGE = 256  # number of weights; smaller tensors are biases and shapes and take little space
_SYNTHETIC = "synthetic angiograms (engines/simulation/angiograms/angiogram_synthesis.py); no patient, no real picture"
_ARRIVAL = ", with what came with the contrast as third channel in 70% of those"
_DRAWN = ", with an arrival drawn in 60% of them"


def export(
    net: DruNet,
    scene: Scene,
    recipe: Recipe,
    folder: Path,
    *,
    steps: int,
    threshold: float = 0.5,
    smallest_px: int = 0,
) -> ModelRecord:
    """Write `NAME.safetensors` and `NAME.onnx` (half-precision weights, float32 in and out), and enter them.

    NAME is that of the scene, or of its `arrival_weights`.

    The ONNX gives probabilities and computes in float32; only its weights are stored at half the size.

    Raises:
        GuidanceError: ONNX Runtime and torch disagree by more than 1e-3.
    """
    name = weights_name(recipe)
    halved = {n: v.half() if v.is_floating_point() else v for n, v in net.state_dict().items()}
    net = copy.deepcopy(net)
    net.load_state_dict({n: v.float() if v.is_floating_point() else v for n, v in halved.items()})
    tensors = safetensors.torch.save({n: v.contiguous() for n, v in halved.items()}, metadata={"model": name})
    graph = onnx_bytes(net.eval(), scene, {"steps": steps, "seed": recipe.seed})
    check_parity(net, graph)
    contents = {f"{name}.safetensors": tensors, f"{name}.onnx": graph}
    for file, content in contents.items():
        write_bytes(folder / file, content)
    record = ModelRecord(
        classes=scene.classes, working_px=WORKING_PX, channels=net.channels, drawn=net.drawn, width=recipe.width,
        threshold=threshold,
        smallest_px=smallest_px, seed=recipe.seed, steps=steps, initial=Path(recipe.initial).stem, loss=recipe.loss,
        data=data_used(recipe, scene), machine=machine(),
        files={file: sha256(content) for file, content in contents.items()},
    )  # fmt: skip
    enter(folder, name, record)
    return record


def weights_name(recipe: Recipe) -> str:
    """Name of a recipe's weights in a model folder."""
    return arrival_weights(recipe.scene) if recipe.arrival else recipe.scene


def data_used(recipe: Recipe, scene: Scene) -> str:
    """The recipe's training data in words, for the manifest and the card."""
    if not recipe.cases:
        return _SYNTHETIC
    cases = [case.name for case in fitting_cases(Path(recipe.cases), scene)]
    synthetic = f"{_SYNTHETIC}{_DRAWN if recipe.arrival else ''}"
    return (
        f"{synthetic}; {recipe.case_share:.0%} of the patches from {len(cases)} simulated cases, "
        f"`guidance-app simulate`: {in_short(cases)}{_ARRIVAL if recipe.arrival else ''}"
    )


def in_short(case_names: list[str]) -> str:
    """KIND-SEED names with consecutive seeds combined: "evt-100 to evt-107, evt-109"."""
    runs: list[list[str]] = []
    for name in case_names:
        kind, _, seed = name.rpartition("-")
        if runs and runs[-1][-1] == f"{kind}-{int(seed) - 1}":
            runs[-1].append(name)
        else:
            runs.append([name])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)


def enter(folder: Path, name: str, record: ModelRecord) -> None:
    """Put a network's record into the folder's manifest."""
    models = dict(read_manifest(folder).models) if (folder / MANIFEST_NAME).exists() else {}
    models[name] = record
    manifest = Manifest.model_validate({"schema": SCHEMA, "models": dict(sorted(models.items()))})
    write_json(folder / MANIFEST_NAME, manifest.model_dump(mode="json", by_alias=True))


def check_parity(net: DruNet, graph: bytes) -> float:
    """Largest difference between torch and ONNX Runtime on a random batch. Raises GuidanceError above 1e-3."""
    batch = torch.randn(2, net.channels, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = ProbabilityNet(net)(batch).numpy()
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    found = np.asarray(session.run(None, {session.get_inputs()[0].name: batch.numpy()})[0])
    worst = float(np.abs(found - expected).max())
    if worst > PARITY_TOLERANCE:
        raise GuidanceError(f"the exported network differs from torch by {worst:.2g}, more than {PARITY_TOLERANCE}")
    return worst


def store_weights_halved(model: onnx.ModelProto) -> None:
    """Keep large float32 weights as float16 behind a Cast; runtimes fold it when they load the graph."""
    kept, casts = [], []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < _LARGE:
            kept.append(tensor)
            continue
        half = onnx.numpy_helper.from_array(
            onnx.numpy_helper.to_array(tensor).astype(np.float16), f"{tensor.name}_half"
        )
        kept.append(half)
        casts.append(
            onnx.helper.make_node(
                "Cast", [half.name], [tensor.name], name=f"widen_{tensor.name}", to=onnx.TensorProto.FLOAT
            )
        )
    nodes = [*casts, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)


def onnx_bytes(net: DruNet, scene: Scene, metadata: dict[str, Any]) -> bytes:
    """The network as a graph that gives probabilities, its weights stored in half precision."""
    batch = torch.zeros(2, net.channels, 64, 96)
    dynamic = {0: torch.export.Dim("n"), 2: 16 * torch.export.Dim("rows16", min=1, max=512),
               3: 16 * torch.export.Dim("columns16", min=1, max=512)}  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside the exporter do not concern this code
        program = torch.onnx.export(
            ProbabilityNet(net).eval(), (batch,), dynamo=True, external_data=False, opset_version=20, verbose=False,
            input_names=["image"], output_names=["probabilities"], dynamic_shapes=(dynamic,),
        )  # fmt: skip
    assert program is not None
    program.model.metadata_props.update(
        {
            "model": scene.name, "classes": json.dumps(scene.classes), "working_px": str(WORKING_PX),
            "channels": str(net.channels), **{key: str(value) for key, value in metadata.items()},
        }
    )  # fmt: skip
    model = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # the exporter's stack traces hold paths of the training machine
    store_weights_halved(model)
    onnx.checker.check_model(model)
    return model.SerializeToString()
