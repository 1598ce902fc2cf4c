"""Make the 8-bit graph that is shipped beside a network; a gate limits its loss against the 32-bit graph.

One graph serves OpenVINO, ONNX Runtime and TensorRT: explicit Quantize/Dequantize pairs, signed and symmetric,
weights quantised per channel, biases left in float (TensorRT refuses 32-bit integer biases).
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from jaxtyping import Float
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from calibration.errors import GuidanceError, InputError
from calibration.store import write_bytes
from engines.evaluation.segmentation.pooled_dice import pooled_dice
from engines.inference.model_files import Int8Gate, ModelFiles, ModelRecord, read_manifest, sha256
from engines.segmentation.arrival import channels_for
from engines.segmentation.scenes import Scene, scene_of_model
from engines.simulation.angiograms.angiogram_synthesis import WORKING_PX
from engines.training.segmentation.drawn_arrival import sample_for
from engines.training.segmentation.export import enter

CALIBRATION_SEED = 6_000_000  # different from the seeds of training, tuning, evaluation and the test suite
GATE_SEED = 3_000_000  # the pictures of the model card
LIMIT_POINTS = 0.5
_PICTURES = 32
GATE_PICTURES = 40
# Additions stay in float: rounding the residual path lost 0.4 points of Dice and saved only 4 % of the time.
_OPERATORS = ["Conv", "Concat", "MaxPool", "Resize"]
# First the full range of values; then the range up to a quantile, in case rare extremes make the steps too coarse.
_METHODS = (CalibrationMethod.MinMax, CalibrationMethod.Percentile)
_PERCENTILE = 99.99
SOURCE_KEY = "quantised_from_sha256"


def add_int8(folder: Path, name: str) -> Int8Gate:
    """Quantise one network of a model folder: write `NAME.int8.onnx` and enter it with its gate in the manifest.

    Raises:
        InputError: there is no such network, or its weights differ from the manifest's.
        GuidanceError: the graph loses more than the limit; nothing is written then.
    """
    models = read_manifest(folder).models
    if name not in models:
        raise InputError(f"no model is called {name!r} in {folder}; known are {', '.join(models)}")
    record, scene = models[name], scene_of_model(name)
    files = ModelFiles(name=name, folder=folder, record=record)
    graph = files.read(files.onnx)
    quantised, gate = best_quantised(graph, scene, record)
    write_bytes(files.int8_onnx, quantised)
    listed = {**record.files, files.int8_onnx.name: sha256(quantised)}
    enter(folder, name, record.model_copy(update={"files": listed, "int8": gate}))
    return gate


def quantise_folder(folder: Path, progress: Callable[[str], None] = lambda _: None) -> dict[str, Int8Gate]:
    """`add_int8` for every network of a folder; a progress line before and after each.

    Raises:
        GuidanceError: some networks lose more than the limit; the others have their graph.
    """
    gates, refused = {}, []
    for name in read_manifest(folder).models:
        progress(f"{name}: quantising")
        try:
            gates[name] = gate = add_int8(folder, name)
        except InputError:
            raise
        except GuidanceError as error:
            progress(str(error))
            refused.append(str(error))
            continue
        progress(f"{name}: Dice {gate.dice} -> {gate.dice_int8} (%), lost {gate.lost_points:.2f} points")
    if refused:
        raise GuidanceError("; ".join(refused))
    return gates


def best_quantised(graph: bytes, scene: Scene, record: ModelRecord) -> tuple[bytes, Int8Gate]:
    """The first calibration whose graph passes the gate. Raises GuidanceError if none does."""
    lost = []
    for method in _METHODS:
        quantised = quantised_onnx(graph, scene, method=method)
        gate = measure_gate(graph, quantised, scene, record)
        if gate.passed:
            return quantised, gate
        lost.append(f"{gate.lost_points:.2f} ({method.name})")
    raise GuidanceError(
        f"{scene.name}: the 8-bit graph loses {', '.join(lost)} points of Dice, the limit is {LIMIT_POINTS}; "
        "nothing was written, the program goes on without it"
    )


def quantised_onnx(
    graph: bytes,
    scene: Scene,
    *,
    pictures: int = _PICTURES,
    method: CalibrationMethod = CalibrationMethod.MinMax,
) -> bytes:
    """The network in 8 bits, calibrated on synthetic pictures; keeps the metadata and states its source."""
    model = onnx.load_from_string(graph)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    widen_weights(model)
    extra: dict[str, bool | float] = {"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False}
    if method == CalibrationMethod.Percentile:
        extra["CalibPercentile"] = _PERCENTILE
    with tempfile.TemporaryDirectory(prefix="guidance-int8-") as folder, _quiet():
        path = Path(folder) / "int8.onnx"
        quantize_static(
            model, path, _Pictures(scene, model.graph.input[0], pictures), quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_OPERATORS, per_channel=True, activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8, calibrate_method=method, extra_options=extra,
        )  # fmt: skip
        outcome = onnx.load(path)
    metadata |= {SOURCE_KEY: sha256(graph), "calibration": f"{method.name}, {pictures} pictures"}
    onnx.helper.set_model_props(outcome, metadata)
    onnx.checker.check_model(outcome)
    return outcome.SerializeToString()


def measure_gate(
    graph: bytes, quantised: bytes, scene: Scene, record: ModelRecord, *, pictures: int = GATE_PICTURES
) -> Int8Gate:
    """Pooled Dice of both graphs for each class, on pictures that neither training nor calibration used."""
    dice, dice_int8 = gate_dice((graph, quantised), scene, record, pictures=pictures)
    return Int8Gate(pictures=pictures, seed=GATE_SEED, dice=dice, dice_int8=dice_int8, limit_points=LIMIT_POINTS)


def gate_dice(
    graphs: Sequence[bytes], scene: Scene, record: ModelRecord, *, pictures: int = GATE_PICTURES
) -> list[dict[str, float]]:
    """Of each graph, the pooled Dice of every class in percent, on the gate's pictures."""
    sessions = [onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]) for content in graphs]
    # What arrived counts only if all are shown it.
    fewest = min(int(session.get_inputs()[0].shape[1]) for session in sessions)
    samples = [sample_for(fewest, scene, GATE_SEED, index, WORKING_PX) for index in range(pictures)]
    found = []
    for session in sessions:
        key, channels = session.get_inputs()[0].name, int(session.get_inputs()[0].shape[1])
        masks = [
            np.asarray(session.run(None, {key: channels_for(s.channels, channels)[None]})[0])[0] >= record.threshold
            for s in samples
        ]
        found.append(
            {
                name: round(100 * pooled_dice((m[k], s.masks[k] > 0.5) for m, s in zip(masks, samples, strict=True)), 3)
                for k, name in enumerate(record.classes)
            }
        )
    return found


def widen_weights(model: onnx.ModelProto) -> None:
    """Undo the half-precision storage of weights: make them float32 constants without a Cast behind."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        stored = constants.get(node.input[0]) if node.op_type == "Cast" else None
        if stored is None:
            nodes.append(node)
            continue
        wide = onnx.numpy_helper.to_array(stored).astype(np.float32)
        model.graph.initializer.remove(stored)
        model.graph.initializer.append(onnx.numpy_helper.from_array(wide, node.output[0]))
    del model.graph.node[:]
    model.graph.node.extend(nodes)


class _Pictures(CalibrationDataReader):
    def __init__(self, scene: Scene, graph_input: onnx.ValueInfoProto, count: int) -> None:
        channels = graph_input.type.tensor_type.shape.dim[1].dim_value
        self._batches = self._made(scene, graph_input.name, count, channels)

    @staticmethod
    def _made(
        scene: Scene, key: str, count: int, channels: int
    ) -> Iterator[dict[str, Float[np.ndarray, "1 c rows columns"]]]:
        for index in range(count):
            sample = sample_for(channels, scene, CALIBRATION_SEED, index, WORKING_PX)
            yield {key: channels_for(sample.channels, channels)[None]}

    def get_next(self):  # pyright: ignore[reportIncompatibleMethodOverride] - the base class declares a dict, ends by None
        return next(self._batches, None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the quantiser, whose log advises to preprocess a graph that is preprocessed already."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)
