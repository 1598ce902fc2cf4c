"""`train status`, and the options with which `train NAME --resume` goes on."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from calibration.errors import InputError


def show_trainings(folder: Path, *, as_json: bool) -> None:
    """Print a line a training of a folder, or all of them as JSON."""
    from engines.training.training_log import line_of, trainings

    found = trainings(folder)
    if as_json:
        rows = [{**state.model_dump(by_alias=True), "seconds_left": state.seconds_left} for state in found]
        print(json.dumps(rows, indent=1))
        return
    for state in found:
        print(line_of(state))


def options_to_keep(command: Callable[..., None], given: Mapping[str, Any]) -> dict[str, Any]:
    """A command's options as JSON can hold them, without those that only say how to look or go on."""
    kept = {}
    for key in inspect.signature(command).parameters:
        value = given[key]
        if key in ("name", "out", "resume", "as_json") or value is None:
            continue
        kept[key] = [str(part.resolve()) for part in value] if isinstance(value, tuple) else value
        if isinstance(value, Path):
            kept[key] = str(value.resolve())
    return kept


def options_of_interrupted(name: str, folder: Path) -> dict[str, Any]:
    """The options of a training that did not end, for `--resume`.

    Raises:
        InputError: no training of this name was started there, it is still running, or it is finished.
    """
    from engines.training.training_log import read_training, training_file

    path = training_file(folder, name)
    if not path.exists():
        raise InputError(f"train {name} --resume: {path} is missing; nothing was interrupted there, leave out --resume")
    state = read_training(path)
    if state.state == "running":
        raise InputError(f"train {name} --resume: it is running (process {state.process}); see `train status`")
    if state.state == "finished":
        raise InputError(f"train {name} --resume: it is finished; leave out --resume and choose another --out")
    options = dict(state.options)
    for key in ("models", "arcade"):
        if key in options:
            options[key] = Path(options[key])
    if "finetune" in options:
        options["finetune"] = tuple(Path(part) for part in options["finetune"])
    return options
