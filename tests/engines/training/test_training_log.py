"""What a training leaves for those who wait: step, loss, validation, hours left, and how it ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibration.errors import InputError
from engines.training.training_log import TrainingLog, line_of, read_training, training_file, trainings


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


def test_pace_and_time_left_come_from_the_steps_of_this_part(tmp_path: Path, clock: _Clock) -> None:
    with TrainingLog(tmp_path, "pose", clock=clock) as log:
        log.begin("patients", 110)
        for step in (10, 11, 12):  # as after a resume: the first ten were done before
            clock.now += 36.0
            log.tell(step, 0.5)
        state = read_training(training_file(tmp_path, "pose"))
        assert state.state == "running"
        assert (state.step, state.steps, state.step_s) == (12, 110, 36.0)
        assert state.seconds_left == pytest.approx(98 * 36.0)
        assert "step 12/110, loss 0.500" in line_of(state)
        assert "0.98 h left" in line_of(state)
    assert read_training(training_file(tmp_path, "pose")).state == "finished"


def test_validation_figures_stay_until_the_next_of_their_name(tmp_path: Path, clock: _Clock) -> None:
    with TrainingLog(tmp_path, "coronary", clock=clock) as log:
        log.begin("pictures", 9)
        log.tell(1, 1.0, validation_dice=0.5)
        clock.now += 60.0
        log.tell(2, 1.0)
        assert "validation dice 0.500" in line_of(read_training(log.path))
        log.tell(3, 1.0, validation_dice=0.75)
        assert read_training(log.path).validation == {"validation_dice": 0.75}


def test_an_interruption_is_named_and_its_time_counts_on(tmp_path: Path, clock: _Clock) -> None:
    log = TrainingLog(tmp_path, "prost", {"steps": 7}, clock=clock)

    def interrupted() -> None:
        with log:
            log.begin("scenes", 7)
            clock.now += 3600.0
            log.tell(3, float("nan"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    state = read_training(log.path)
    assert (state.state, state.options, state.loss) == ("interrupted", {"steps": 7}, None)
    assert "train prost --resume" in line_of(state)
    with TrainingLog(tmp_path, "prost", clock=clock) as again:
        again.begin("scenes", 7)
        clock.now += 1800.0
    assert read_training(again.path).spent_s == pytest.approx(5400.0)


def test_a_process_that_is_gone_was_interrupted(tmp_path: Path, clock: _Clock) -> None:
    with TrainingLog(tmp_path, "affine", clock=clock) as log:
        log.begin("aortas", 5)
        here = log.path.read_text()
    log.path.write_text(here.replace(f'"process": {read_training(log.path).process}', '"process": 2147483646'))
    assert read_training(log.path).state == "interrupted"


def test_nothing_is_left_where_nothing_began(tmp_path: Path) -> None:
    with pytest.raises(InputError), TrainingLog(tmp_path, "pose"):
        raise InputError("refused")
    assert list(tmp_path.iterdir()) == []


def test_no_training_and_a_torn_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no training was started"):
        trainings(tmp_path)
    (tmp_path / "x.training.json").write_text("{")
    with pytest.raises(InputError, match="no state of a training"):
        trainings(tmp_path)
