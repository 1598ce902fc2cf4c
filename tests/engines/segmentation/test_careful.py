import numpy as np
import pytest

from engines.angiography.frame import Frame
from engines.segmentation.careful import careful_probabilities
from engines.segmentation.scenes import SCENES
from engines.segmentation.segmenter import load_segmenter
from engines.simulation.angiograms.angiogram_synthesis import synthesize


class _Lopsided:
    """Answers with the picture's first plane, made brighter towards the right, and records the input shapes."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        assert batch.flags.c_contiguous
        self.shapes.append(batch.shape)
        return batch[:, :1] * np.linspace(0.5, 1.0, batch.shape[3], dtype=np.float32)


def test_every_scale_has_a_size_that_networks_accept():
    network = _Lopsided()
    careful_probabilities(network, np.zeros((2, 256, 240), np.float32), (1.0, 0.75))
    assert network.shapes == [(1, 2, 256, 240)] * 4 + [(1, 2, 192, 176)] * 4


@pytest.mark.parametrize("axis", [1, 2])
def test_a_mirrored_picture_gets_the_mirrored_answer(axis):
    picture = np.random.default_rng(0).random((2, 64, 64)).astype(np.float32)
    plain = careful_probabilities(_Lopsided(), picture, (1.0, 0.75))
    mirrored = careful_probabilities(_Lopsided(), np.flip(picture, axis), (1.0, 0.75))
    np.testing.assert_allclose(mirrored, np.flip(plain, axis), atol=1e-5)


def test_what_all_answers_agree_on_stays():
    always = np.float32(0.7)
    answer = careful_probabilities(
        lambda batch: np.full_like(batch[:, :1], always), np.zeros((2, 32, 32), np.float32), (1.0, 0.5)
    )
    assert answer.shape == (1, 32, 32)
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer, 0.7, atol=1e-6)


def test_a_careful_segmenter_answers_on_the_frames_grid_and_seldom_differs():
    quick, careful = (load_segmenter("coronary", "onnx", careful=careful) for careful in (False, True))
    picture = synthesize(SCENES["coronary"], 4_000_000, 1, 256).picture
    frame = Frame(pixels=np.clip(picture, 0, 255).astype(np.uint8)[:, :200], kind="fluoro")
    one, other = quick.segment(frame), careful.segment(frame)
    assert other.probabilities.shape == one.probabilities.shape == (2, 256, 200)
    assert 0 <= other.probabilities.min() <= other.probabilities.max() <= 1
    differing = (one.vessel() >= quick.threshold) != (other.vessel() >= careful.threshold)
    assert 0 < differing.mean() < 0.05
