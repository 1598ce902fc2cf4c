"""Run many cases, each as one task: in this process, on processes of this machine, or on a Dask cluster.

Results do not depend on where they are computed, as long as each task has its own seed. A failed task is reported and
the others go on; a task whose worker is lost is given to another worker.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from calibration.errors import GuidanceError, InputError

TaskT = TypeVar("TaskT", contravariant=True)
ItemT = TypeVar("ItemT", contravariant=True)
_CONNECT_S = 15.0
_LOOK_AGAIN_S = 5.0  # time between two checks whether any worker is left


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """Where tasks run.

    Args:
        cluster: address of a Dask scheduler ("tcp://host:8786"), "" for this machine. Its workers run code that
            this process sends, so the scheduler must be trusted; every worker needs this program installed.
        workers: processes of this machine; 0 for this process alone.
    """

    cluster: str = ""
    workers: int = 0

    def __post_init__(self) -> None:
        if self.cluster and self.workers:
            raise InputError(f"--workers {self.workers}: a cluster brings its own; leave out --workers or --cluster")


# The work for a task; it passes each result to the second argument at once. It must be picklable, so it makes by itself
# what is not picklable: networks, renderers, open files.
Work = Callable[[TaskT, Callable[[ItemT], None]], None]


class Listener(Protocol[TaskT, ItemT]):
    """Receives results, always in the process that started the cohort."""

    def item(self, task: TaskT, item: ItemT) -> None: ...

    def finished(self, task: TaskT) -> None: ...

    def failed(self, task: TaskT, reason: str) -> None: ...

    def note(self, text: str) -> None:
        """Receive a remark about the workers for a waiting person."""
        ...


def run_cohort(
    work: Work[TaskT, ItemT],
    tasks: Sequence[TaskT],
    listener: Listener[TaskT, ItemT],
    place: Workplace | None = None,
) -> None:
    """Do every task; results arrive when finished, one task at a time and in the task's order.

    In this process each item arrives at once; from other processes a task's items arrive together when it is done.

    Raises:
        InputError: no scheduler answers, or it went away; results that arrived before stay valid.
    """
    place = place or Workplace()
    if place.cluster:
        _on_cluster(work, tasks, listener, place.cluster)
    elif place.workers:
        _on_processes(work, tasks, listener, place.workers)
    else:
        _here(work, tasks, listener)


def _here(work: Work, tasks: Sequence[Any], listener: Listener) -> None:
    import dask

    for task in tasks:

        def emit(item: Any, task: Any = task) -> None:
            try:
                listener.item(task, item)
            except Exception as error:
                raise _ListenerFailed(error) from error

        job = dask.delayed(_reason_of, pure=False, traverse=False)(work, _Held(task), emit)  # pyright: ignore[reportPrivateImportUsage]
        try:
            reason = job.compute(scheduler="synchronous")
        except _ListenerFailed as error:
            raise error.why from None
        _tell_end(listener, task, reason)


def _on_processes(work: Work, tasks: Sequence[Any], listener: Listener, workers: int) -> None:
    from distributed import LocalCluster

    # Not reachable from other machines.
    with LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as cluster:  # fmt: skip
        threads = max(1, (os.cpu_count() or 1) // workers)
        _on_cluster(work, tasks, listener, str(cluster.scheduler_address), threads=threads)  # pyright: ignore[reportAttributeAccessIssue] - distributed's classes are sync and async at once


def _on_cluster(work: Work, tasks: Sequence[Any], listener: Listener, address: str, *, threads: int = 0) -> None:
    from distributed import Client
    from distributed.client import FutureCancelledError

    try:
        client = Client(address, timeout=_CONNECT_S)
    except (OSError, ValueError) as error:
        raise InputError(
            f"--cluster {address}: no Dask scheduler answers there ({type(error).__name__}); start one with "
            "`dask scheduler` and workers with `dask worker ADDRESS`"
        ) from error
    with client:
        task_of = {client.submit(_collected, work, _Held(task), threads, pure=False): task for task in tasks}
        try:
            _gather(client, task_of, listener)
        except (OSError, FutureCancelledError) as error:
            raise InputError(
                f"--cluster {address}: the scheduler went away ({type(error).__name__}); finished cases are kept, "
                "start again to go on"
            ) from error


def _gather(client: Any, task_of: dict[Any, Any], listener: Listener) -> None:
    from distributed import KilledWorker, wait

    waiting, warned = set(task_of), False
    while waiting:
        try:
            done, waiting = wait(waiting, timeout=_LOOK_AGAIN_S, return_when="FIRST_COMPLETED")  # pyright: ignore[reportGeneralTypeIssues]
        except TimeoutError:
            done = set()
            idle = not client.scheduler_info()["workers"]
            if idle and not warned:
                listener.note(f"no worker is there; {len(waiting)} cases wait for one")
            warned = idle
        for future in done:
            task = task_of[future]
            try:
                items, reason = future.result()
            except KilledWorker:
                items, reason = [], "ended every worker that it was given to; is there memory enough?"
            for item in items:
                listener.item(task, item)
            _tell_end(listener, task, reason)
            future.release()


def _tell_end(listener: Listener, task: Any, reason: str) -> None:
    if reason:
        listener.failed(task, reason)
    else:
        listener.finished(task)


class _ListenerFailed(BaseException):
    """The listener failed, for example on a full disk; this is not the task's fault and ends the whole cohort."""

    def __init__(self, why: Exception) -> None:
        super().__init__(str(why))
        self.why = why


@dataclass(frozen=True, slots=True)
class _Held:
    """Holds a task so that Dask does not search for tasks inside it."""

    task: Any


def _collected(work: Work, held: _Held, threads: int) -> tuple[list[Any], str]:
    """Run on a worker: the task's results until it ended or failed."""
    if threads:
        import torch

        torch.set_num_threads(threads)
    items: list[Any] = []
    return items, _reason_of(work, held, items.append)


def _reason_of(work: Work, held: _Held, emit: Callable[[Any], None]) -> str:
    """Do the task; returns "", or why it failed."""
    try:
        work(held.task, emit)
    except GuidanceError as error:
        return str(error)
    except Exception as error:  # any error of a case fails this case and no other
        return f"{type(error).__name__}: {error}"
    return ""
