"""What a run's pictures before the bolus do to the masks of its frames."""

from dataclasses import replace

import numpy as np
import pytest

from engines.angiography.contrast_gate import background_of_run
from engines.angiography.files.open_run import open_run
from engines.angiography.frame_run import FrameRun
from engines.inference.factory import make_backend
from engines.inference.model_files import ModelRecord
from engines.segmentation.arrival import WITH_ARRIVAL, arrival_channel, channels_for
from engines.segmentation.run_memory import RunMemory, load_network_pair
from engines.segmentation.scenes import SCENES
from engines.segmentation.segmenter import Segmenter
from engines.training.segmentation.drawn_arrival import sample_for
from tests.engines.angiography.bolus_runs import FULLEST, bolus, bolus_file, vessel
from tests.engines.inference.models import bundled

_SIZE = 64


class _CallsEverythingAorta:
    """A network that one picture tells nothing; it keeps what it was shown."""

    name, device = "stand-in", "cpu"

    def __init__(self) -> None:
        self.shown: list[np.ndarray] = []

    def run(self, batch: np.ndarray) -> np.ndarray:
        self.shown.append(batch)
        return np.full((len(batch), 2, *batch.shape[2:]), 0.9, np.float32)


def _segmenter(network: _CallsEverythingAorta, channels: int = 2, name: str = "aortic-upper") -> Segmenter:
    record = ModelRecord(
        classes=("aorta", "device"), working_px=_SIZE, channels=channels, width=16, threshold=0.6, smallest_px=4,
        seed=1, steps=1, initial="", loss="dice", data="", machine="", files={},
    )  # fmt: skip
    return Segmenter(name, record, network)


@pytest.fixture
def run(tmp_path):
    return open_run(bolus_file(tmp_path / "bolus.dcm", bolus()))


def _mask(memory: RunMemory, segmenter: Segmenter, index: int, name: str = "aorta") -> np.ndarray:
    found = memory.segment(segmenter, memory.shown.frame(index))
    return found.probability(name) >= segmenter.threshold


def test_only_what_contrast_darkened_is_vessel_and_devices_stay(run):
    segmenter = _segmenter(_CallsEverythingAorta())
    memory = RunMemory.of(run, "aortic-upper")
    assert memory.means(segmenter) == "gate"
    full = _mask(memory, segmenter, FULLEST)
    assert full[vessel() > 0.8].mean() > 0.9
    assert full[vessel() < 0.01].mean() < 0.02
    assert _mask(memory, segmenter, FULLEST, "device").all()


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_frame_without_contrast_comes_out_empty(run, index):
    assert not _mask(RunMemory.of(run, "aortic-upper"), _segmenter(_CallsEverythingAorta()), index).any()


@pytest.mark.parametrize("index", [0, 2])
def test_a_native_head_is_subtracted_and_empty_before_contrast(run, index):
    memory = RunMemory.of(run, "cerebral")
    assert memory.means(_segmenter(_CallsEverythingAorta(), name="cerebral")) == "subtraction"
    assert memory.shown.frame(index).kind == "dsa"


@pytest.mark.parametrize("model", ["coronary", "aortic-upper", "cerebral"])
def test_without_pictures_before_the_bolus_every_frame_is_judged_for_itself(tmp_path, model):
    full = open_run(bolus_file(tmp_path / "full.dcm", bolus(amounts=(1.0, 1.0, 1.0, 1.0, 1.0))))
    memory = RunMemory.of(full, model)
    assert (memory.shown, memory.background) == (full, None)
    assert memory.means(_segmenter(_CallsEverythingAorta())) == ""
    assert _mask(memory, _segmenter(_CallsEverythingAorta()), 0).all()


def test_a_beating_heart_is_gated_and_not_subtracted(run):
    memory = RunMemory.of(run, "coronary")
    assert memory.shown is run
    assert memory.background is not None


@pytest.mark.parametrize("model", ["coronary", "aortic-lower", "cerebral"])
def test_a_single_frame_is_judged_for_itself(run, model):
    memory = RunMemory.of(run, model, single_frame=True)
    assert (memory.shown, memory.background) == (run, None)


def test_weights_of_unknown_name_are_shown_the_run_as_it_is(run):
    assert RunMemory.of(run, "a site's own").background is None


def test_pictures_of_no_common_object_are_not_compared(run):
    frames = [replace(run.frame(index), sop_instance_uid="") for index in range(run.frame_count)]
    assert RunMemory.of(FrameRun(frames), "aortic-upper").background is None


def test_a_frame_of_another_size_is_judged_for_itself(run):
    memory = RunMemory.of(run, "aortic-upper")
    other = replace(run.frame(FULLEST), pixels=np.ascontiguousarray(run.frame(FULLEST).pixels[:, :100]))
    assert memory.segment(_segmenter(_CallsEverythingAorta()), other).probability("aorta").min() > 0.5


def test_a_network_that_takes_the_arrival_is_shown_it_and_is_not_gated(run):
    network = _CallsEverythingAorta()
    segmenter = _segmenter(network, WITH_ARRIVAL)
    memory = RunMemory.of(run, "aortic-upper")
    assert memory.means(segmenter) == "arrival"
    assert _mask(memory, segmenter, FULLEST).all()
    shown = network.shown[-1][0]
    assert shown.shape == (WITH_ARRIVAL, _SIZE, _SIZE)
    assert memory.background is not None
    expected = arrival_channel(memory.background.darkening(run.frame(FULLEST)), _SIZE, None)
    field = shown[2] != 0
    np.testing.assert_allclose(shown[2][field], expected[field], atol=1e-5)


def test_the_arrival_is_zero_where_nothing_is_known_and_below_where_nothing_came(run):
    network = _CallsEverythingAorta()
    _segmenter(network, WITH_ARRIVAL).segment(run.frame(FULLEST))
    assert not network.shown[-1][0, 2].any()
    background = background_of_run(run)
    assert background is not None
    nothing = arrival_channel(background.darkening(run.frame(0)), _SIZE, None)
    filled = arrival_channel(background.darkening(run.frame(FULLEST)), 128, None)
    assert np.median(nothing) < -0.3
    assert filled[:, : filled.shape[1]].max() > 2.0


def test_networks_of_one_two_and_three_channels_read_the_same_picture():
    channels = np.random.default_rng(0).normal(size=(2, 8, 8)).astype(np.float32)
    arrival = np.ones((8, 8), np.float32)
    assert channels_for(channels, 1).shape == (1, 8, 8)
    assert channels_for(channels, 2, arrival) is not None
    np.testing.assert_array_equal(channels_for(channels, 2, arrival), channels)
    np.testing.assert_array_equal(channels_for(channels, 3, arrival)[2], arrival)
    assert not channels_for(channels, 3)[2].any()


def test_an_aortas_run_is_given_to_the_weights_that_take_its_arrival_and_other_runs_are_not(run, tmp_path):
    network = load_network_pair("aortic-upper", "onnx")
    assert network.arrival is not None
    assert network.arrival.takes_arrival
    assert not network.single.takes_arrival
    assert RunMemory.of(run, "aortic-upper").best(network) is network.arrival
    full = open_run(bolus_file(tmp_path / "full.dcm", bolus(amounts=(1.0, 1.0, 1.0, 1.0, 1.0))))
    assert RunMemory.of(full, "aortic-upper").best(network) is network.single
    assert load_network_pair("aortic-upper", "onnx", single_frame=True).arrival is None
    assert load_network_pair("coronary", "onnx").arrival is None


def test_the_shipped_weights_go_by_what_arrived():
    backend = make_backend("onnx", bundled("aortic-upper-arrival"))
    scene, threshold = SCENES["aortic-upper"], bundled("aortic-upper-arrival").record.threshold
    agreed, empty = [], []
    for index in range(24):
        sample = sample_for(WITH_ARRIVAL, scene, 4_000_000, index, 256)
        if not sample.channels[2].any():
            continue
        found, wanted = backend.run(sample.channels[None])[0, 0] >= threshold, sample.masks[0] > 0.5
        if wanted.mean() > 0.01:
            agreed.append(2 * (found & wanted).sum() / (found.sum() + wanted.sum()))
        elif not wanted.any():
            empty.append(found.mean())
    # By the pictures alone such masks agree by half: they are far harder than any patient.
    assert np.median(agreed) > 0.75
    assert len(empty) > 1
    assert np.median(empty) < 0.01
