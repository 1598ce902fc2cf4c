"""One contract for classical and learnt similarities, and the verification of weights."""

from __future__ import annotations

import json

import pytest
import torch

from calibration.errors import InputError
from engines.networks.correlation_network import CorrelationNetwork, Design
from engines.registration.correlation.learned_similarity import LearnedSimilarity, Similarity, measured_similarity
from engines.registration.correlation.similarity_weights import load_similarity, save_similarity

NAMES = ("ncc", "gradient-ncc", "mutual-information", "learned")


def _similarity(name: str) -> Similarity:
    torch.manual_seed(0)
    return LearnedSimilarity("learned", CorrelationNetwork()) if name == "learned" else measured_similarity(name)


def _blobs(shift_px: float, side: int = 48) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(side) * 1.0, torch.arange(side) * 1.0, indexing="ij")
    places = ((14.0, 12.0, 4.0), (30.0, 26.0, 6.0), (20.0, 36.0, 3.0))
    parts = [torch.exp(-((columns - x - shift_px) ** 2 + (rows - y) ** 2) / (2 * s * s)) for x, y, s in places]
    return torch.stack(parts).sum(dim=0)[None, None]


@pytest.mark.parametrize("name", NAMES)
def test_equal_pictures_are_lowest_and_gradients_reach_the_moving_picture_alone(name):
    similarity = _similarity(name)
    assert isinstance(similarity, Similarity)
    assert similarity.name == name
    fixed = _blobs(0.0)
    values = [float(similarity(fixed, _blobs(shift))[0]) for shift in (0.0, 2.0, 6.0)]
    assert values[0] < values[1]
    assert values[0] < values[2]
    found = similarity.value_and_grad_image(fixed, _blobs(2.0))
    assert found.gradient.shape == fixed.shape
    assert float(found.value[0]) == pytest.approx(values[1], rel=1e-5)
    step = 1e-2 * found.gradient / found.gradient.norm()
    assert float(similarity(fixed, _blobs(2.0) - step)[0]) < values[1]


@pytest.mark.parametrize("name", NAMES)
def test_one_fixed_picture_serves_a_batch(name):
    similarity = _similarity(name)
    values = similarity(_blobs(0.0), torch.cat([_blobs(0.0), _blobs(3.0)]))
    assert values.shape == (2,)
    assert float(values[0]) < float(values[1])


def test_an_unknown_similarity_is_named_with_the_nearest():
    with pytest.raises(InputError, match="did you mean gradient-ncc"):
        measured_similarity("gradientncc")


def _saved(folder, design: Design | None = None) -> CorrelationNetwork:
    torch.manual_seed(3)
    net = CorrelationNetwork(design)
    save_similarity("some", net, folder, recipe="cddfuse", steps=2, seed=3, data="nothing", machine="here")
    return net


@pytest.mark.parametrize("design", [Design(), Design(branches="single", gate=False)], ids=["ours", "single"])
def test_saved_weights_come_back_as_the_same_network(tmp_path, design):
    net = _saved(tmp_path, design)
    expected = net.eval()(_blobs(0.0), _blobs(4.0)).distance
    found = load_similarity("some", tmp_path)(_blobs(0.0), _blobs(4.0))
    torch.testing.assert_close(found, expected.detach(), rtol=2e-2, atol=1e-4)


def test_changed_or_unlisted_weights_are_refused(tmp_path):
    _saved(tmp_path)
    path = tmp_path / "some.safetensors"
    path.write_bytes(path.read_bytes()[:-2] + b"\0\1")
    with pytest.raises(InputError, match="refused, its sha-256"):
        load_similarity("some", tmp_path)
    with pytest.raises(InputError, match="guidance-app train other"):
        load_similarity("other", tmp_path)
    path.unlink()
    with pytest.raises(InputError, match="cannot read the weights"):
        load_similarity("some", tmp_path)


def test_a_list_that_cannot_be_understood_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot read the list"):
        load_similarity("some", tmp_path)
    (tmp_path / "similarities.json").write_text(json.dumps({"schema": "another/1", "models": {}}))
    with pytest.raises(InputError, match="not a list of similarities"):
        load_similarity("some", tmp_path)
