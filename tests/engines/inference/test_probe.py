import json

import numpy as np
import pytest

from calibration.errors import InputError
from engines.inference import probe
from engines.inference.probe import choose, probe_path, remembered_choice
from tests.engines.inference.models import with_int8, with_narrow, without_int8


class _Clocked:
    """Fake runtimes with given speed and answers, and the clock that they advance."""

    def __init__(self, milliseconds: dict[str, float], *, answers: dict[str, float] | None = None, load_s: float = 0.1):
        self.milliseconds, self.answers, self.load_s = milliseconds, answers or {}, load_s
        self.now_s = 0.0
        self.loaded: list[str] = []

    def clock(self) -> float:
        return self.now_s

    def load(self, runtime, files, _threads):
        self.loaded.append(runtime.name)
        self.now_s += self.load_s
        if runtime.name not in self.milliseconds:
            raise InputError(f"{runtime.name} is not well")
        return _Fake(self, runtime.name, len(files.record.classes))


class _Fake:
    device = "cpu"

    def __init__(self, owner: _Clocked, name: str, classes: int):
        self.name, self._owner, self._classes = name, owner, classes

    def run(self, batch):
        self._owner.now_s += self._owner.milliseconds[self.name] / 1000
        return np.full((1, self._classes, *batch.shape[2:]), self._owner.answers.get(self.name, 0.5), np.float32)


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    return with_int8(folder)


@pytest.fixture(autouse=True)
def _every_cpu_runtime(monkeypatch):
    monkeypatch.setattr(probe, "cuda_is_there", lambda: False)
    monkeypatch.setattr(
        probe,
        "why_not",
        lambda runtime, files: (
            "no graph" if runtime.precision == "int8" and not files.has_int8
            else "no narrow network" if runtime.narrow and not files.has_narrow else None
        ),
    )  # fmt: skip
    monkeypatch.setattr(probe.openvino_runtime, "computes_in_bfloat16", lambda: False)


def _choose(files, tmp_path, machine, **options):
    return choose(files, folder=tmp_path / "cache", loader=machine.load, clock=machine.clock, **options)


_QUICK = {"openvino": 40.0, "openvino-bf16": 20.0, "openvino-int8": 10.0, "onnx": 60.0, "onnx-int8": 50.0}


def test_the_fastest_is_taken_and_the_reason_told(files, tmp_path):
    choice = _choose(files, tmp_path, _Clocked(_QUICK))
    assert choice.name == "openvino-int8"
    assert choice.best_ms == pytest.approx(_QUICK)
    assert "openvino-int8 10.0, openvino-bf16 20.0" in choice.why
    assert choice.complete


def test_a_small_gain_in_speed_does_not_outweigh_exactness(files, tmp_path):
    assert _choose(files, tmp_path, _Clocked(_QUICK | {"openvino-bf16": 10.5})).name == "openvino-bf16"
    assert _choose(
        files, tmp_path, _Clocked(_QUICK | {"openvino": 10.6, "openvino-bf16": 10.5}), refresh=True
    ).name == ("openvino")


def test_int8_that_failed_its_gate_is_never_chosen(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    choice = _choose(with_int8(folder, lost_points=0.6), tmp_path, _Clocked(_QUICK))
    assert choice.name == "openvino-bf16"
    assert "0.60 points" in choice.left_out["openvino-int8"]


def test_without_an_8_bit_graph_the_others_are_measured(tmp_path):
    choice = _choose(without_int8(), tmp_path, _Clocked(_QUICK))
    assert choice.name == "openvino-bf16"
    assert {choice.left_out[name] for name in ("openvino-int8", "onnx-int8")} == {"no graph"}


_SLOW = {"openvino": 70.0, "onnx": 75.0, "openvino-narrow": 24.0}


def test_a_narrow_network_is_taken_where_the_wide_one_is_slow(files, tmp_path):
    # It answers a little otherwise, and is not refused for that.
    machine = _Clocked(_SLOW, answers={"openvino-narrow": 0.45})
    choice = _choose(with_narrow(files), tmp_path, machine)
    assert choice.name == "openvino-narrow"
    assert "openvino-narrow 24.0" in choice.why


def test_only_the_live_path_takes_a_narrow_network(files, tmp_path):
    choice = _choose(with_narrow(files), tmp_path, _Clocked(_SLOW))
    assert choice.name_for(live=True) == "openvino-narrow"
    assert choice.name_for(live=False) == "openvino"


def test_what_it_loses_of_devices_does_not_count(files):
    gate = with_narrow(files).record.narrow
    gate = gate.model_copy(
        update={"dice": {**gate.dice, "device": 50.0}, "dice_narrow": {"vessel": 69.9, "device": 30.0}}
    )
    assert gate.lost_points == pytest.approx(0.1)
    assert gate.passed


def test_a_narrow_network_has_to_win_much(files, tmp_path):
    assert _choose(with_narrow(files), tmp_path, _Clocked(_SLOW | {"openvino-narrow": 45.0})).name == "openvino"


def test_a_narrow_network_that_failed_its_gate_is_never_chosen(files, tmp_path):
    choice = _choose(with_narrow(files, lost_points=1.2), tmp_path, _Clocked(_SLOW))
    assert choice.name == "openvino"
    assert "1.20 points" in choice.left_out["openvino-narrow"]


def test_a_processor_with_bfloat16_keeps_the_wide_network(files, tmp_path, monkeypatch):
    monkeypatch.setattr(probe.openvino_runtime, "computes_in_bfloat16", lambda: True)
    choice = _choose(with_narrow(files), tmp_path, _Clocked(_SLOW | {"openvino-bf16": 30.0}))
    assert choice.name == "openvino-bf16"
    assert "quick enough" in choice.left_out["openvino-narrow"]


def test_the_choice_is_remembered(files, tmp_path):
    machine = _Clocked(_QUICK)
    first = _choose(files, tmp_path, machine)
    measured = list(machine.loaded)
    assert _choose(files, tmp_path, machine) == first
    assert machine.loaded == measured
    assert remembered_choice(files, folder=tmp_path / "cache") == first
    assert remembered_choice(files, threads=2, folder=tmp_path / "cache") is None


def test_a_remembered_choice_that_does_not_run_here_is_measured_again(files, tmp_path, monkeypatch):
    assert _choose(files, tmp_path, _Clocked(_QUICK)).name == "openvino-int8"
    monkeypatch.setattr(
        probe, "why_not",
        lambda runtime, _: "no" if runtime.name in ("openvino-int8", "openvino-narrow") else None,
    )  # fmt: skip
    choice = _choose(files, tmp_path, _Clocked(_QUICK))
    assert choice.name == "openvino-bf16"
    assert choice.left_out == {"openvino-int8": "no", "openvino-narrow": "no"}


@pytest.mark.parametrize("content", ["", "{", '{"schema": "guidance-app/probe/1"}', "\x00\xff", "[]"])
def test_a_broken_cache_is_measured_again(files, tmp_path, content):
    first = _choose(files, tmp_path, _Clocked(_QUICK))
    path = probe_path(first.key, tmp_path / "cache")
    path.write_text(content)
    assert _choose(files, tmp_path, _Clocked(_QUICK | {"onnx": 1.0})).name == "onnx"
    assert json.loads(path.read_text())["name"] == "onnx"


def test_a_choice_for_another_key_is_ignored(files, tmp_path):
    first = _choose(files, tmp_path, _Clocked(_QUICK))
    path = probe_path(first.key, tmp_path / "cache")
    path.write_text(path.read_text().replace(first.key, "0" * len(first.key)))
    assert remembered_choice(files, folder=tmp_path / "cache") is None


def test_a_cache_that_cannot_be_written_blocks_nothing(files, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert _choose(files, tmp_path, _Clocked(_QUICK)).name == "openvino-int8"


def test_a_runtime_that_does_not_load_is_left_out_with_its_reason(files, tmp_path):
    choice = _choose(files, tmp_path, _Clocked({"onnx": 60.0, "openvino": 40.0}))
    assert choice.name == "openvino"
    assert choice.left_out["openvino-int8"] == "openvino-int8 is not well"


@pytest.mark.parametrize("answer", [0.9, float("nan")])
def test_a_runtime_that_disagrees_is_left_out(files, tmp_path, answer):
    choice = _choose(files, tmp_path, _Clocked(_QUICK, answers={"openvino-int8": answer}))
    assert choice.name == "openvino-bf16"
    assert "agrees" in choice.left_out["openvino-int8"]


def test_on_a_busy_machine_the_measurement_ends_and_is_repeated_later(files, tmp_path, monkeypatch):
    busy = _Clocked({name: 20 * ms for name, ms in _QUICK.items()}, load_s=1.2)
    choice = _choose(files, tmp_path, busy)
    assert not choice.complete
    assert busy.loaded == ["openvino-bf16", "openvino-int8"]
    assert busy.now_s < probe.BUDGET_S + 2
    assert _choose(files, tmp_path, busy) == choice
    later = probe.time.time() + 2 * 3600
    monkeypatch.setattr(probe.time, "time", lambda: later)
    assert _choose(files, tmp_path, _Clocked(_QUICK)).complete


def test_changed_weights_are_an_error_and_no_other_runtime_is_taken(files, tmp_path):
    files.int8_onnx.write_bytes(files.int8_onnx.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"coronary\.int8\.onnx: refused"):
        _choose(files, tmp_path, _Clocked(_QUICK))


def test_on_a_cuda_machine_torch_and_built_plans_compete(files, tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "cuda_is_there", lambda: True)
    plans = {"tensorrt": (tmp_path / "a.plan", ""), "tensorrt-rtx": (None, "none was built")}
    monkeypatch.setattr("engines.inference.tensorrt.tensorrt_plans.stored_plan", lambda _, flavour: plans[flavour])
    choice = _choose(files, tmp_path, _Clocked({"torch": 2.0, "tensorrt": 0.5, "tensorrt-rtx": 0.4}))
    assert choice.name == "tensorrt"
    assert "engines build" in choice.left_out["tensorrt-rtx"]


def test_the_real_measurement_chooses_something_that_runs(files, tmp_path, monkeypatch):
    monkeypatch.undo()
    choice = choose(files, folder=tmp_path / "cache", budget_s=1.0)
    assert choice.name in choice.best_ms
    assert all(ms > 0 for ms in choice.best_ms.values())
