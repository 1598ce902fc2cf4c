"""Store finished trials beside the report, so that an interrupted evaluation goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from calibration.errors import InputError
from calibration.store import write_bytes
from engines.evaluation.registration.trial import Trial, TrialKey


class TrialLog:
    """A file with the settings in its first line and one JSON line per trial; without a path, kept in memory only.

    Args:
        report: path of the future report; trials are stored beside it as `<name>.trials.jsonl`.
        settings: settings that make trials comparable; a log with other settings is started anew.

    Raises:
        InputError: the folder cannot be written to.
    """

    def __init__(
        self, report: Path | None, settings: dict[str, Any], *, progress: Callable[[str], None] = lambda _: None
    ) -> None:
        self.path = None if report is None else report.with_name(f"{report.name}.trials.jsonl")
        self._done: dict[TrialKey, Trial] = {}
        if self.path is None:
            return
        header = json.dumps({"settings": settings}, sort_keys=True)
        lines = self._lines()
        if lines and lines[0] == header:
            self._done = {trial.key: trial for trial in _trials(lines[1:])}
            progress(f"{self.path}: going on after {len(self._done)} finished trials")
        elif lines:
            progress(f"{self.path}: is of other settings; begun anew")
        # Rewritten, because the last line of a killed run may be cut off.
        kept = [header, *(trial.model_dump_json() for trial in self._done.values())]
        write_bytes(self.path, ("\n".join(kept) + "\n").encode())

    def of_source(self, source: str) -> dict[TrialKey, Trial]:
        """Finished trials of one source."""
        return {key: trial for key, trial in self._done.items() if trial.source == source}

    def add(self, trial: Trial) -> None:
        """Add a trial and write it to disk at once."""
        self._done[trial.key] = trial
        if self.path is None:
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(trial.model_dump_json() + "\n")
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be written ({error.strerror}); free space and start again"
            ) from error

    def remove(self) -> None:
        """Remove the log, after the report with the trials was written."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _lines(self) -> list[str]:
        assert self.path is not None
        try:
            return self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{self.path}: cannot be read ({error}); remove it to begin anew") from error


def _trials(lines: list[str]) -> list[Trial]:
    found = []
    for line in lines:
        try:
            found.append(Trial.model_validate_json(line))
        except ValidationError:
            continue  # cut off when the process was killed
    return found
