"""Cases that do what none may: the proof that the oracle sees it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from calibration.errors import InputError
from tests.fuzz.damage import Rng
from tests.fuzz.targets import Feed


def _good(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "result").write_text("fine")


def _refused(_: Path) -> None:
    raise InputError("run.dcm: is damaged; export it again")


def _writes_elsewhere(folder: Path) -> None:
    (folder.parent / "elsewhere.txt").write_text("x")


def _starts_a_program(_: Path) -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)


def _raises(_: Path) -> None:
    raise KeyError("Rows")


def _steers_the_terminal(_: Path) -> None:
    class Unfiltered(InputError):
        def __str__(self) -> str:
            return "run.dcm: \x1b[2J"

    raise Unfiltered


def _loses_a_thread(_: Path) -> None:
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()


def _takes_memory(_: Path) -> None:
    assert any(b"x" * (1200 * 1024**2))


def _takes_time(_: Path) -> None:
    end = time.process_time() + 3.3
    while time.process_time() < end:
        pass


def _prints_a_traceback(_: Path) -> None:
    print("Traceback (most recent call last):", file=sys.stderr, flush=True)


def _dies(_: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


DEEDS: tuple[Callable[[Path], None], ...] = (
    _good,
    _refused,
    _writes_elsewhere,
    _starts_a_program,
    _raises,
    _steers_the_terminal,
    _loses_a_thread,
    _takes_memory,
    _takes_time,
    _prints_a_traceback,
    _dies,
)


@contextmanager
def deeds_feed(_: Path) -> Iterator[Feed]:
    """The deed with the case's number."""

    def feed(rng: Rng, folder: Path, armed) -> None:
        _, number = rng.bit_generator.seed_seq.entropy  # type: ignore[attr-defined]
        with armed():
            DEEDS[number](folder)

    yield feed
