"""Where an engine process keeps its cold starts: done on a thread of their own, or handed out to another process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from engines.angiography.contrast_gate import Background
from guidance_app.live.engine.exchange.parcel import Parcel, ParcelRoom, opened
from guidance_app.live.engine.exchange.reports import (
    ColdStartDone,
    ColdStartFailed,
    ColdStartHandedOut,
    ColdStartJob,
    Learned,
    LearnedElsewhere,
    Rehearsed,
    Report,
)
from guidance_app.live.engine.mailbox import Mailbox
from guidance_app.live.engine.pipeline import Steps
from guidance_app.live.engine.step.door import ViewKey
from guidance_app.live.engine.step.judge import ColdStart


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Errand:
    """`request` None: only rehearse. `away`: hand it out. `foreign`: it comes from another process."""

    request: ColdStart | None = None
    away: bool = False
    foreign: bool = False


class _OutOfDate(Exception):
    """A newer request has come."""


class ColdStartDesk:
    """One after the other. A newer request replaces one that waits or runs: its view, pose or picture is out of date.

    Args:
        tell: reports to the supervisor, from this desk's thread.
    """

    def __init__(self, steps: Steps, room: ParcelRoom, tell: Callable[[Report], None]) -> None:
        self._steps = steps
        self._room = room
        self._tell = tell
        self._errands: Mailbox[_Errand] = Mailbox()
        self._asked: tuple[int, ViewKey] | None = None  # generation and view of what was handed out last
        self._newest: ColdStart | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="guidance-cold-start", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait for the errand that is being run, and end."""
        self._closed.set()
        self._errands.put(_Errand())
        self._thread.join()

    def rehearse(self) -> None:
        self._errands.put(_Errand())

    def put(self, request: ColdStart, *, away: bool) -> None:
        """A step of this process asks for it."""
        self._asked = request.generation, request.key
        self._newest = request
        self._errands.put(_Errand(request=request, away=away))

    def take_over(self, job: ColdStartJob) -> None:
        """Another process asks for it."""
        try:
            request = opened(job.request)
        except OSError as error:
            self._tell(ColdStartFailed(text=text_of(error), generation=job.generation))
            return
        self._newest = request
        self._errands.put(_Errand(request=request, foreign=True))

    def learned(self, answer: LearnedElsewhere) -> None:
        """Another process has found the background for what was handed out; only the newest request counts."""
        try:
            background = opened(answer.background)
        except OSError:
            return  # cleared away: guidance goes on without, as before the bolus
        if self._asked is not None and self._asked[0] == answer.generation:
            self._steps.keep(background, self._asked[1])

    def _run(self) -> None:
        while True:
            errand = self._errands.take(timeout_s=60.0)
            if self._closed.is_set():
                return
            if errand is None:
                continue
            if errand.request is None:
                self._rehearse()
            elif not (errand.away and self._handed_out(errand.request)):
                self._search(errand.request, foreign=errand.foreign)

    def _rehearse(self) -> None:
        try:
            self._steps.rehearse()
        except Exception:
            pass  # a search that needs the same says what is wrong, where a person reads it
        finally:
            self._tell(Rehearsed())

    def _handed_out(self, request: ColdStart) -> bool:
        try:
            parcel = self._room.pack(request)
        except OSError:
            return False  # no room: this process does it itself
        self._tell(ColdStartHandedOut(request=parcel, generation=request.generation))
        return True

    def _search(self, request: ColdStart, *, foreign: bool) -> None:
        def tell_background(background: Background) -> None:
            parcel = self._packed(background)
            if parcel is not None:
                self._tell(Learned(background=parcel, generation=request.generation))

        def still_wanted() -> None:
            if self._newest is not request:
                raise _OutOfDate

        try:
            found = self._steps.register(request, learned=tell_background if foreign else None, between=still_wanted)
        except _OutOfDate:
            return
        except Exception as error:
            self._tell(ColdStartFailed(text=text_of(error), generation=request.generation))
            return
        self._tell(ColdStartDone(registration=found, geometry=request.view.geometry, generation=request.generation))

    def _packed(self, background: Background) -> Parcel | None:
        try:
            return self._room.pack(background)
        except OSError:
            return None


def text_of(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
