import numpy as np
import pytest

from calibration.errors import InputError
from engines.inference.backend import Backend
from engines.inference.factory import make_backend
from engines.inference.model_files import BUNDLED_MODELS, ModelFiles, read_manifest
from engines.training.export import PARITY_TOLERANCE

_MODELS = sorted(read_manifest().models)


def _files(name: str = "coronary") -> ModelFiles:
    return ModelFiles(name=name, folder=BUNDLED_MODELS, record=read_manifest().models[name])


@pytest.fixture(params=["onnx", "torch", "auto"])
def backend(request):
    return make_backend(request.param, _files())


def test_backend_keeps_the_contract(backend):
    assert isinstance(backend, Backend)
    assert backend.name in ("onnx", "torch")
    probabilities = backend.run(np.random.default_rng(0).normal(size=(2, 2, 32, 48)).astype(np.float32))
    assert probabilities.shape == (2, 2, 32, 48)
    assert probabilities.dtype == np.float32
    assert 0 <= probabilities.min() <= probabilities.max() <= 1


@pytest.mark.parametrize("shape", [(1, 1, 32, 32), (1, 2, 30, 32), (2, 32, 32), (0, 2, 32, 32)])
def test_wrong_shapes_are_refused(backend, shape):
    with pytest.raises(ValueError, match="multiple of 16"):
        backend.run(np.zeros(shape, np.float32))


@pytest.mark.parametrize("name", _MODELS)
def test_onnx_matches_torch(name):
    batch = np.random.default_rng(1).normal(size=(1, 2, 128, 96)).astype(np.float32)
    fast, reference = (make_backend(b, _files(name)).run(batch) for b in ("onnx", "torch"))
    assert np.abs(fast - reference).max() <= PARITY_TOLERANCE


@pytest.mark.parametrize("name", ["openvino", "tensorrt", "tensorrt-rtx"])
def test_runtimes_that_are_not_driven_name_their_extra(name):
    with pytest.raises(InputError, match=rf"guidance-app\[{name}\]"):
        make_backend(name, _files())


def test_unknown_runtime_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'onnx'"):
        make_backend("onx", _files())
