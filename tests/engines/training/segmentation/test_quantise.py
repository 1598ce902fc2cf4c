import json

import numpy as np
import onnx
import pytest

from calibration.errors import GuidanceError, InputError
from engines.inference.factory import make_backend
from engines.inference.model_files import MANIFEST_NAME, SCHEMA, Int8Gate, ModelFiles, read_manifest, sha256
from engines.segmentation.scenes import SCENES
from engines.training.segmentation import quantise
from engines.training.segmentation.quantise import SOURCE_KEY, add_int8, quantised_onnx
from tests.engines.inference.models import with_int8, without_int8


def _folder(tmp_path):
    """A model folder with one network and no 8-bit graph."""
    record = without_int8().record
    content = {"schema": SCHEMA, "models": {"coronary": record.model_dump(mode="json")}}
    (tmp_path / MANIFEST_NAME).write_text(json.dumps(content))
    for name in record.files:
        (tmp_path / name).write_bytes((without_int8().folder / name).read_bytes())
    return tmp_path


def _gate(lost: float) -> Int8Gate:
    return Int8Gate(
        pictures=1, seed=0, dice={"a": 50.0, "b": 60.0}, dice_int8={"a": 51.0, "b": 60.0 - lost}, limit_points=0.5
    )


@pytest.fixture(scope="module")
def graph():
    files = without_int8()
    return files.read(files.onnx)


@pytest.fixture(scope="module")
def quantised(graph):
    return quantised_onnx(graph, SCENES["coronary"], pictures=2)


def test_the_graph_has_what_every_runtime_takes(graph, quantised):
    """TensorRT refuses asymmetric activations, unsigned types and integer biases."""
    model = onnx.load_from_string(quantised)
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    pairs = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert pairs
    for node in pairs:
        zero = constants[node.input[2]]
        assert zero.dtype == np.int8
        assert not zero.any()
    assert all(value.dtype != np.int32 for value in constants.values())
    weights = [value for value in constants.values() if value.dtype == np.int8 and value.ndim == 4]
    assert len(weights) == sum(node.op_type == "Conv" for node in model.graph.node)
    assert len(quantised) < 0.65 * len(graph)


def test_the_graph_keeps_its_metadata_and_names_its_source(graph, quantised):
    properties = {entry.key: entry.value for entry in onnx.load_from_string(quantised).metadata_props}
    assert properties["classes"] == '["vessel", "device"]'
    assert properties[SOURCE_KEY] == sha256(graph)


def test_a_graph_that_passes_is_written_and_entered(tmp_path, monkeypatch, quantised):
    folder = _folder(tmp_path)
    monkeypatch.setattr(quantise, "quantised_onnx", lambda *_, **__: quantised)
    monkeypatch.setattr(quantise, "measure_gate", lambda *_, **__: _gate(0.3))
    assert add_int8(folder, "coronary").lost_points == pytest.approx(0.3)
    record = read_manifest(folder).models["coronary"]
    assert record.int8 == _gate(0.3)
    files = ModelFiles(name="coronary", folder=folder, record=record)
    assert files.read(files.int8_onnx) == quantised
    assert make_backend("onnx-int8", files).name == "onnx-int8"


def test_a_graph_that_loses_too_much_is_not_written(tmp_path, monkeypatch, quantised):
    folder = _folder(tmp_path)
    before = sorted(path.name for path in folder.iterdir())
    monkeypatch.setattr(quantise, "quantised_onnx", lambda *_, **__: quantised)
    monkeypatch.setattr(quantise, "measure_gate", lambda *_, **__: _gate(0.6))
    with pytest.raises(GuidanceError, match=r"0\.60 \(MinMax\), 0\.60 \(Percentile\) points"):
        add_int8(folder, "coronary")
    assert sorted(path.name for path in folder.iterdir()) == before
    assert read_manifest(folder).models["coronary"].int8 is None


def test_the_second_calibration_may_pass(monkeypatch, graph):
    gates = iter([_gate(0.6), _gate(0.1)])
    tried = []

    def quantised_with(*_, method):
        tried.append(method.name)
        return method.name.encode()

    monkeypatch.setattr(quantise, "quantised_onnx", quantised_with)
    monkeypatch.setattr(quantise, "measure_gate", lambda *_, **__: next(gates))
    content, gate = quantise.best_quantised(graph, SCENES["coronary"], without_int8().record)
    assert (content, gate.lost_points) == (b"Percentile", pytest.approx(0.1))
    assert tried == ["MinMax", "Percentile"]


def test_the_gate_measures_each_class(graph, quantised):
    record = with_int8().record
    gate = quantise.measure_gate(graph, quantised, SCENES["coronary"], record, pictures=2)
    assert set(gate.dice) == set(gate.dice_int8) == {"vessel", "device"}
    assert gate.dice["vessel"] > 20
    assert abs(gate.dice["vessel"] - gate.dice_int8["vessel"]) < 5


def test_unknown_network_is_refused(tmp_path):
    with pytest.raises(InputError, match="coronay"):
        add_int8(_folder(tmp_path), "coronay")
