"""The parts of TensorRT that can be tested without a GPU: parsing, building, keys and trust; the executor needs one."""

import dataclasses
import os
import sys

import numpy as np
import onnx
import onnxruntime
import pytest

from calibration.errors import InputError
from engines.inference.tensorrt import tensorrt_plans
from engines.inference.tensorrt.half_precision import in_half_precision
from engines.inference.tensorrt.tensorrt_builder import build_plan, is_installed, operator_table, source_graph
from engines.inference.tensorrt.tensorrt_plans import PlanKey, plan_key, ready_plan, stored_plan
from tests.engines.inference.models import with_int8, without_int8

needs_rtx = pytest.mark.skipif(not is_installed("tensorrt-rtx"), reason="needs tensorrt-rtx; pip install tensorrt-rtx")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return with_int8(tmp_path_factory.mktemp("models"))


@pytest.fixture
def quick_builds(monkeypatch):
    """Replaces the compiler by instant builds, so that only trust is tested; returns the list of builds."""
    built = []

    def build(graph, flavour, *, channels, side_px):
        built.append((flavour, channels, side_px))
        return b"plan of " + graph[:16]

    monkeypatch.setattr(tensorrt_plans, "build_plan", build)
    monkeypatch.setattr(tensorrt_plans, "library", lambda _: type("Library", (), {"__version__": "11.4"}))
    return built


def test_half_precision_keeps_the_network_and_its_float_ends(files):
    graph = files.read(files.onnx)
    half = in_half_precision(graph)
    model = onnx.load_from_string(half)
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert model.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    large = [t for t in model.graph.initializer if np.prod(t.dims) > 64]
    assert large
    assert all(t.data_type == onnx.TensorProto.FLOAT16 for t in large)
    assert sum(node.op_type == "Cast" for node in model.graph.node) == 2
    batch = np.random.default_rng(0).normal(size=(1, 2, 64, 96)).astype(np.float32)
    a, b = (
        onnxruntime.InferenceSession(g, providers=["CPUExecutionProvider"]).run(None, {"image": batch})[0]
        for g in (graph, half)
    )
    assert np.abs(a - b).max() < 0.01


def test_a_quantised_graph_is_not_halved(files):
    with pytest.raises(ValueError, match="QuantizeLinear"):
        in_half_precision(files.read(files.int8_onnx))


def test_an_8_bit_plan_needs_an_8_bit_graph():
    with pytest.raises(InputError, match="no 8-bit graph"):
        source_graph(without_int8(), "int8")


@needs_rtx
@pytest.mark.parametrize("precision", ["f16", "int8"])
def test_the_parser_takes_every_operator_and_the_builder_the_graph(files, precision):
    graph = source_graph(files, precision)
    table = operator_table(graph, "tensorrt-rtx")
    assert {"Conv", "Relu", "Resize", "Concat", "Sigmoid"} <= {row.operator for row in table}
    assert [row.operator for row in table if not row.supported] == []
    assert sum(row.count for row in table) == len(onnx.load_from_string(graph).graph.node)
    assert len(build_plan(graph, "tensorrt-rtx", channels=2, side_px=64)) > 500_000


@needs_rtx
def test_a_graph_that_the_parser_refuses_is_an_error_in_one_line(files):
    model = onnx.load_from_string(files.read(files.onnx))
    model.graph.node[-1].op_type = "NoSuchOperator"
    with pytest.raises(InputError, match="parser refuses") as caught:
        build_plan(model.SerializeToString(), "tensorrt-rtx", channels=2, side_px=64)
    assert "\n" not in str(caught.value)
    unsupported = [
        row.operator for row in operator_table(model.SerializeToString(), "tensorrt-rtx") if not row.supported
    ]
    assert unsupported == ["NoSuchOperator"]


@needs_rtx
def test_the_key_names_weights_library_precision_gpu_and_driver(files, monkeypatch):
    monkeypatch.setattr(tensorrt_plans, "this_gpu", lambda: ("NVIDIA X sm90", "600.1"))
    graph = source_graph(files, "f16")
    key = plan_key(graph, "tensorrt-rtx", "f16")
    assert key.library.startswith("tensorrt-rtx 1.")
    assert (key.precision, key.gpu, key.driver) == ("f16", "NVIDIA X sm90", "600.1")
    assert plan_key(graph, "tensorrt-rtx", "f16") == key
    assert plan_key(graph + b" ", "tensorrt-rtx", "f16").digest != key.digest


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(PlanKey)])
def test_any_change_makes_another_key(field):
    key = PlanKey(onnx_sha256="a", library="b", precision="c", gpu="d", driver="e")
    assert dataclasses.replace(key, **{field: "other"}).digest != key.digest


def test_a_plan_is_built_once_and_found_again(files, tmp_path, quick_builds):
    assert stored_plan(files, "tensorrt", folder=tmp_path)[0] is None
    first = ready_plan(files, "tensorrt", folder=tmp_path)
    second = ready_plan(files, "tensorrt", folder=tmp_path)
    assert (first.found, second.found) == (False, True)
    assert first.content == second.content
    assert quick_builds == [("tensorrt", 2, 256)]
    assert stored_plan(files, "tensorrt", folder=tmp_path)[0] == first.path
    assert stored_plan(files, "tensorrt", "f32", folder=tmp_path)[0] is None


@pytest.mark.parametrize("harm", ["changed", "other seal", "no seal", "other user's"])
def test_a_plan_that_is_not_ours_is_refused_and_built_again(files, tmp_path, quick_builds, harm):
    plan = ready_plan(files, "tensorrt", folder=tmp_path)
    if harm == "changed":
        plan.path.write_bytes(plan.content + b"!")
    elif harm == "other seal":
        plan.path.with_suffix(".seal").write_text("0" * 64)
    elif harm == "no seal":
        plan.path.with_suffix(".seal").unlink()
    else:
        (plan.path.parent / "secret").write_bytes(b"s" * 32)
    assert stored_plan(files, "tensorrt", folder=tmp_path)[0] is None
    again = ready_plan(files, "tensorrt", folder=tmp_path)
    assert not again.found
    assert again.content == plan.content
    assert len(quick_builds) == 2
    assert ready_plan(files, "tensorrt", folder=tmp_path).found


@pytest.mark.skipif(sys.platform == "win32", reason="permission bits are POSIX")
def test_a_folder_that_others_can_write_to_is_not_trusted(files, tmp_path, quick_builds):
    plan = ready_plan(files, "tensorrt", folder=tmp_path)
    assert (plan.path.parent / "secret").stat().st_mode & 0o077 == 0
    plan.path.parent.chmod(0o777)
    assert not ready_plan(files, "tensorrt", folder=tmp_path).found
    assert len(quick_builds) == 2


def test_a_cache_that_cannot_be_written_costs_a_build_and_nothing_else(files, tmp_path, quick_builds):
    (tmp_path / "plans").write_text("a file where the folder should be")
    assert not ready_plan(files, "tensorrt", folder=tmp_path).found
    assert len(quick_builds) == 1
    assert os.listdir(tmp_path) == ["plans"]  # noqa: PTH208 - names alone


@pytest.mark.gpu
@pytest.mark.parametrize("flavour", ["tensorrt", "tensorrt-rtx"])
def test_the_executor_agrees_with_the_reference(files, flavour):
    """Never run by its authors, who have no GPU."""
    if not is_installed(flavour):
        pytest.skip(f"needs {flavour}")
    from engines.inference.backends.onnx_backend import OnnxBackend
    from engines.inference.tensorrt.tensorrt_backend import TensorrtBackend

    backend, reference = TensorrtBackend(files, flavour=flavour), OnnxBackend(files)
    random = np.random.default_rng(0)
    for shape in ((1, 2, 256, 256), (2, 2, 96, 160), (1, 2, 256, 256)):
        batch = random.normal(size=shape).astype(np.float32)
        assert np.abs(backend.run(batch) - reference.run(batch)).max() < 0.02
