"""Long work in a process of its own, as far as it needs no Qt: what is to be done, and how it is told and ended."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from calibration.errors import GuidanceError, InputError

_NICENESS = 10  # the live picture comes first

TellProgress = Callable[[str, float], None]
"""Called with the stage in a few words and the share that is done, from 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one job does.

    Args:
        words: for the person who waits, as "IVUS registration".
        run: a function at the top of a module, called in the job's process as `run(folder, tell, **arguments)`: it
            writes its files into `folder`, and calls `tell` (`TellProgress`) as it goes.
        arguments: all picklable.
        gives_way: it runs at a lower priority than the live picture; False for what measures how fast the machine is.
        out: the folder that appears with all files once the work is done, and not before; one that exists is replaced.
    """

    words: str
    run: Callable[..., None]
    out: Path
    arguments: Mapping[str, Any] = field(default_factory=dict)
    gives_way: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    stage: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """`problem` is one line, "" where the work is done."""

    problem: str


class WorkProcess:
    """The process of one job, from its start to the last trace of it. To be used from one thread.

    Raises:
        InputError: nothing can be written where the result is to lie.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        try:
            work.out.parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(dir=work.out.parent, prefix=f".part-{work.out.name}-"))
        except OSError as error:
            raise InputError(f"{work.out}: cannot write here ({error.strerror}); choose another folder") from error
        self._scratch = Path(tempfile.mkdtemp(prefix="guidance-job-"))
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_run, args=(theirs, work, self._folder, self._scratch), name="guidance-job"
        )
        self._over = False
        try:
            self._process.start()
        except BaseException:  # arguments that cannot be pickled: a defect, but nothing may stay behind
            self._tidy_up()
            raise
        theirs.close()  # so that its death shows as the end of the pipe

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def news(self) -> list[Progress | Ended]:
        """What the process has said since the last call; the last of all is `Ended`."""
        said: list[Progress | Ended] = []
        while not self._over:
            try:
                if not self._connection.poll():
                    break
                report = self._connection.recv()
            except (EOFError, OSError):
                self._process.join()
                report = Ended(problem=f"it broke off (exit code {self._process.exitcode}); nothing was written")
            if isinstance(report, Ended):
                report = self._end(report)
            said.append(report)
        return said

    def cancel(self) -> None:
        """Kill the process with all its children, and remove what it has written so far; twice is harmless."""
        if not self._over:
            self._end(Ended(problem="cancelled"))

    def _end(self, report: Ended) -> Ended:
        self._over = True
        if report.problem:
            _kill_tree(self._process.pid)
        self._process.join()
        self._connection.close()
        self._process.close()
        if not report.problem:
            report = self._publish()
        self._tidy_up()
        return report

    def _tidy_up(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _publish(self) -> Ended:
        out = self._work.out
        try:
            self._folder.chmod(0o755)
            if out.exists():
                out.replace(self._scratch / "before")
            self._folder.replace(out)
        except OSError:
            return self._publish_slowly()
        return Ended(problem="")

    def _publish_slowly(self) -> Ended:
        """The folder before cannot be moved aside, as where it lies on another disk: remove it first."""
        out = self._work.out
        try:
            shutil.rmtree(out, ignore_errors=True)
            self._folder.replace(out)
        except OSError as error:
            return Ended(problem=f"{out}: the result could not be put here ({error.strerror})")
        return Ended(problem="")


def _run(connection: Connection, work: Work, folder: Path, scratch: Path) -> None:
    """Main function of the process; it ends here, whatever threads and processes the work has left."""
    if hasattr(os, "setsid"):
        os.setsid()  # a group of its own: the window ends it as a whole, and Ctrl-C does not reach it
    os.environ["TMPDIR"] = str(scratch)
    tempfile.tempdir = str(scratch)
    if work.gives_way and hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(_NICENESS)
    threading.Thread(target=_end_with_window, args=(connection, folder, scratch), daemon=True).start()

    def tell(stage: str, share: float) -> None:
        connection.send(Progress(stage=stage, share=min(max(share, 0.0), 1.0)))

    try:
        work.run(folder, tell, **work.arguments)
    except GuidanceError as error:
        problem = " ".join(str(error).split())
    except MemoryError:
        problem = "out of memory"
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        problem = f"defect in the program, please report it ({text})"
    else:
        problem = ""
    _kill(psutil.Process().children(recursive=True))
    connection.send(Ended(problem=problem))
    os._exit(0)


def _end_with_window(connection: Connection, folder: Path, scratch: Path) -> None:
    """The window never sends anything: what ends this wait is its death, and then nobody else tidies up."""
    with contextlib.suppress(EOFError, OSError):
        connection.recv()
    _kill(psutil.Process().children(recursive=True))
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(1)


def _kill_tree(pid: int | None) -> None:
    if pid is None:
        return
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        process.suspend()  # so that it makes no more children meanwhile
        _kill([process, *process.children(recursive=True)])
    if hasattr(os, "killpg"):
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)  # children whose parent is gone


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
