"""The bundled networks for tests, with an 8-bit graph even where none ships yet."""

import functools
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from engines.inference.model_files import BUNDLED_MODELS, Int8Gate, ModelFiles, NarrowGate, read_manifest, sha256
from engines.segmentation.scenes import SCENES


def bundled(name: str = "coronary") -> ModelFiles:
    return ModelFiles(name=name, folder=BUNDLED_MODELS, record=read_manifest().models[name])


@functools.cache
def _graph_of_two_pictures() -> bytes:
    from engines.training.segmentation.quantise import quantised_onnx

    files = bundled()
    return quantised_onnx(files.read(files.onnx), SCENES["coronary"], pictures=2)


def with_int8(folder: Path | None = None, *, lost_points: float = 0.1) -> ModelFiles:
    """The coronary network with an 8-bit graph (the shipped one, or one calibrated on two pictures), no narrow one."""
    shipped = bundled()
    folder = folder or Path(tempfile.mkdtemp(prefix="guidance-models-"))
    for path in (shipped.onnx, shipped.safetensors):
        shutil.copy(path, folder)
    graph = shipped.read(shipped.int8_onnx) if shipped.has_int8 else _graph_of_two_pictures()
    (folder / "coronary.int8.onnx").write_bytes(graph)
    gate = Int8Gate(
        pictures=1, seed=0, dice={"vessel": 70.0, "device": 50.0},
        dice_int8={"vessel": 70.0 - lost_points, "device": 50.0}, limit_points=0.5,
    )  # fmt: skip
    listed = {**shipped.record.files, "coronary.int8.onnx": sha256(graph)}
    listed.pop(shipped.narrow_onnx.name, None)
    record = shipped.record.model_copy(update={"files": listed, "int8": gate, "narrow": None})
    return ModelFiles(name="coronary", folder=folder, record=record)


def without_int8() -> ModelFiles:
    files = bundled()
    ends = (".int8.onnx", ".narrow.onnx")
    listed = {name: value for name, value in files.record.files.items() if not name.endswith(ends)}
    record = files.record.model_copy(update={"files": listed, "int8": None, "narrow": None})
    return ModelFiles(name="coronary", folder=files.folder, record=record)


def with_shipped_narrow(files: ModelFiles) -> ModelFiles:
    """The same with the narrow network that ships."""
    shipped = bundled()
    shutil.copy(shipped.narrow_onnx, files.folder)
    name = shipped.narrow_onnx.name
    listed = {**files.record.files, name: shipped.record.files[name]}
    return replace(files, record=files.record.model_copy(update={"files": listed, "narrow": shipped.record.narrow}))


def with_narrow(files: ModelFiles, *, lost_points: float = 0.1) -> ModelFiles:
    """The same with a narrow network, which is the wide one once more: tests of the choice run neither."""
    graph = files.read(files.onnx)
    files.narrow_onnx.write_bytes(graph)
    gate = NarrowGate(
        pictures=1, seed=0, dice={"vessel": 70.0}, dice_narrow={"vessel": 70.0 - lost_points}, limit_points=0.5,
        width=8, steps=1, training_seed=1,
    )  # fmt: skip
    listed = {**files.record.files, files.narrow_onnx.name: sha256(graph)}
    return replace(files, record=files.record.model_copy(update={"files": listed, "narrow": gate}))
