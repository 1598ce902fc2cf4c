"""What a training says of itself while it runs: step, loss, validation figures and time left, in a file beside it.

    OUT/NAME.training.json

It also keeps the options that the training was started with, so that `train NAME --resume` can go on with the same.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import pydantic

from calibration.errors import InputError
from calibration.store import write_json

SCHEMA = "guidance-app/training/1"
_WRITE_EVERY_S = 5.0
_SMOOTHING = 0.95  # of the loss that is told
State = Literal["running", "finished", "interrupted"]


class TrainingState(pydantic.BaseModel):
    """The file's content.

    Args:
        spent_s: time of all parts of a training that was interrupted.
        step_s: seconds a step, since this part began; None until there are two.
        validation: figures by name, on pictures or patients that the training does not learn from.
        options: of the command, to go on with.
    """

    model_config = pydantic.ConfigDict(extra="forbid", populate_by_name=True)
    schema_: Literal["guidance-app/training/1"] = pydantic.Field(default=SCHEMA, alias="schema")
    name: str
    stage: str = ""
    state: State = "running"
    step: int = 0
    steps: int = 0
    loss: float | None = None
    validation: dict[str, float] = {}
    spent_s: float = 0.0
    step_s: float | None = None
    process: int = 0
    options: dict[str, Any] = {}

    @property
    def seconds_left(self) -> float | None:
        """At the present pace; None if nobody knows."""
        return None if self.step_s is None or not self.steps else max(0, self.steps - self.step) * self.step_s


class TrainingLog:
    """Writes the file; every few seconds at the most, and always at an end.

    Use it as a context: an exception or Ctrl-C leaves `interrupted`, the end `finished`. Before the first part begins
    nothing is written, so that refused input leaves no file.

    Attributes:
        begun: whether a part of the training has begun.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        options: Mapping[str, Any] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path, self._clock = training_file(folder, name), clock
        before = read_training(self.path) if self.path.exists() else None
        self._before_s = before.spent_s if before is not None and before.state != "finished" else 0.0
        self._state = TrainingState(name=name, process=os.getpid(), options=dict(options or {}), spent_s=self._before_s)
        self._began = self._written = clock()
        self._first: tuple[int, float] | None = None
        self.begun = False

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.begun:
            self._change(state="finished" if kind is None else "interrupted")
            self._write()

    @property
    def loss(self) -> float:
        """As told last, smoothed; not a number before."""
        return math.nan if self._state.loss is None else self._state.loss

    def begin(self, stage: str, steps: int) -> None:
        """A part of the training begins, with its own count of steps."""
        self._first, self.begun = None, True
        self._change(stage=stage, steps=steps, step=0, step_s=None)
        self._write()

    def tell(self, step: int, loss: float, **validation: float) -> None:
        """A step is done; figures are kept until the next of their name."""
        now = self._clock()
        step_s = None
        if self._first is None:
            self._first = (step, now)
        elif step > self._first[0]:
            step_s = (now - self._first[1]) / (step - self._first[0])
        old = self._state.loss
        smooth = loss if old is None or not math.isfinite(old) else _SMOOTHING * old + (1 - _SMOOTHING) * loss
        told = {key: float(value) for key, value in validation.items() if math.isfinite(value)}
        self._change(
            step=step, loss=smooth if math.isfinite(smooth) else None, step_s=step_s,
            validation={**self._state.validation, **told},
        )  # fmt: skip
        if told or now - self._written >= _WRITE_EVERY_S:
            self._write()

    def _change(self, **values: Any) -> None:
        spent_s = self._before_s + self._clock() - self._began
        self._state = self._state.model_copy(update={**values, "spent_s": spent_s})

    def _write(self) -> None:
        self._written = self._clock()
        write_json(self.path, self._state.model_dump(by_alias=True))


def training_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.training.json"


def read_training(path: Path) -> TrainingState:
    """The state of a training; one whose process is gone counts as interrupted.

    Raises:
        InputError: the file is missing or is something else.
    """
    try:
        state = TrainingState.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); no training was started there") from error
    except ValueError as error:
        raise InputError(f"{path}: no state of a training ({str(error).splitlines()[0]}); remove it") from error
    if state.state == "running" and not _is_alive(state.process):
        return state.model_copy(update={"state": "interrupted"})
    return state


def trainings(folder: Path) -> list[TrainingState]:
    """All trainings of a folder, by name.

    Raises:
        InputError: there is none.
    """
    files = sorted(folder.glob("*.training.json"))
    if not files:
        raise InputError(f"{folder}: no training was started there; give the folder of `train NAME --out FOLDER`")
    return [read_training(path) for path in files]


def line_of(state: TrainingState) -> str:
    """One line for a person."""
    share = f"step {state.step}/{state.steps}" if state.steps else f"step {state.step}"
    parts = [f"{state.name}: {state.state}", *([state.stage] if state.stage else []), share]
    parts.append("no loss yet" if state.loss is None else f"loss {state.loss:.3f}")
    parts += [f"{key.replace('_', ' ')} {value:.3f}" for key, value in state.validation.items()]
    parts.append(f"{state.spent_s / 3600:.2f} h spent")
    left = state.seconds_left
    if state.state != "finished":
        parts.append("time left unknown" if left is None else f"{left / 3600:.2f} h left")
    if state.state == "interrupted":
        parts.append(f"go on with `train {state.name} --resume`")
    return ", ".join(parts)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
