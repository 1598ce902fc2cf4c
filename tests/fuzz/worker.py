"""A process that runs many cases and tells, line by line, which one it has begun and how it ended."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import resource
import shutil
import sys
import time
import traceback
import warnings
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from tests.fuzz.targets import Feed, Target, all_targets
from tests.fuzz.watch import MAX_RESIDENT_BYTES, Watch, peak_resident_bytes, place_of, reset_peak

MAX_CPU_S = 3.0
UNUSABLE = 3  # exit status where a target cannot even be opened: a fault of the samples
_MAX_DATA_BYTES = 4 * 1024**3  # far above what is allowed, far below what would hurt the machine
_MAX_FILE_BYTES = 512 * 1024**2
_MAX_LINE = 1000


def generator(target: str, number: int) -> np.random.Generator:
    """Of a case; the same in every process and on every machine."""
    return np.random.default_rng([zlib.crc32(target.encode()), number])


class Worker:
    """Runs cases in `folder`; opens a target when its first case comes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._targets: dict[str, Target] = {target.name: target for target in all_targets()}
        self._feeds: dict[str, Feed] = {}
        self._stack = ExitStack()
        self._watch = Watch()

    def close(self) -> None:
        self._stack.close()

    def run(self, name: str, number: int) -> dict[str, Any]:
        """How the case ended: `verdict` is read, refused or finding."""
        feed = self._feed(name)
        place = self._folder / "case"
        place.mkdir()
        found: list[str] = []
        verdict, said = "read", ""
        began_s = time.process_time()
        try:
            feed(generator(name, number), place, lambda: self._watch.armed(place))
        except BaseException as error:
            from calibration.errors import InputError

            if isinstance(error, KeyboardInterrupt):
                raise
            if isinstance(error, InputError):
                verdict, said = "refused", str(error)
                found += _unclear(said)
            else:
                found.append(place_of(error))
        cpu_s = time.process_time() - began_s
        found += self._watch.taken()
        if cpu_s > MAX_CPU_S:
            found.append(f"took {cpu_s:.1f} s of the processor, accepted are {MAX_CPU_S:g}")
        if (peak := peak_resident_bytes()) > MAX_RESIDENT_BYTES:
            found.append(f"took {peak >> 20} MiB of memory, accepted are {MAX_RESIDENT_BYTES >> 20}")
            reset_peak()
        shutil.rmtree(place)
        verdict = "finding" if found else verdict
        return {
            "verdict": verdict,
            "found": found,
            "said": said[:200],
            "cpu_s": round(cpu_s, 4),
            "peak_mib": peak >> 20,
        }

    def _feed(self, name: str) -> Feed:
        if name not in self._feeds:
            samples = self._folder / f"samples-{name}"
            samples.mkdir()
            try:
                self._feeds[name] = self._stack.enter_context(self._targets[name].opened(samples))
            except Exception:
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(UNUSABLE)
        return self._feeds[name]


def _unclear(said: str) -> list[str]:
    """What keeps a refusal from being one clear line."""
    if not said.strip():
        return ["a refusal without a word"]
    if len(said) > _MAX_LINE:
        return [f"a refusal of {len(said)} letters: {said[:80]}"]
    if not said.isprintable():
        return [f"a refusal with unprintable letters: {said[:200]!r}"]
    return []


def main() -> None:
    """Cases come in as lines `NAME NUMBER`; `begin ...` and the outcome as JSON go out."""
    answers = _own_output()
    resource.setrlimit(resource.RLIMIT_DATA, (_MAX_DATA_BYTES, _MAX_DATA_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_FILE_BYTES, _MAX_FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")  # as the program's own entry point does
    logging.getLogger("pydicom").setLevel(logging.ERROR)
    worker = Worker(Path(sys.argv[1]))
    try:
        for line in sys.stdin:
            name, number = line.split()
            print(json.dumps({"begin": [name, int(number)]}), file=answers, flush=True)
            print(json.dumps(worker.run(name, int(number))), file=answers, flush=True)
    finally:
        with contextlib.suppress(Exception):
            worker.close()


def _own_output() -> TextIO:
    """What libraries print must not mix with the answers."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return answers


if __name__ == "__main__":
    main()
