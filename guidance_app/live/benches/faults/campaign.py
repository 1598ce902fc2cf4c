"""Does the faults to running sessions in random order, and judges everything that was on the screen meanwhile."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engines.inference.machine import this_machine
from guidance_app.live.benches.faults.dicom_peer import AET, LOCAL, VIEW, DicomPeer
from guidance_app.live.benches.faults.drill_engine import drill_recipe
from guidance_app.live.benches.faults.faults import (
    PEER_FAULTS,
    STILL_FAULTS,
    Fault,
    Room,
    WrongOutcomeError,
    stream_faults,
)
from guidance_app.live.benches.faults.judge import LATE_MS, delays_ms, wrong_for_long, wrong_lines, wrongly_valid
from guidance_app.live.benches.faults.onlooker import Onlooker
from guidance_app.live.benches.faults.report import FaultReport, FaultRow, Trial, row_of
from guidance_app.live.benches.faults.scripted_source import ScriptedSource, Sent
from guidance_app.live.benches.faults.still_room import StillSource, still_recipe
from guidance_app.live.session.session import LiveSession
from guidance_app.sources.dicom.dicom_server import Admission
from guidance_app.sources.dicom.dicom_source import DicomSource
from guidance_app.sources.source import FrameSource

_FIRST_OVERLAY_S = 60.0  # engine and spare load
_RECOVERY_S = 12.0
_REST_S = 30.0
_SHOWN_WRONGS = 20
_BREATH_S = (0.15, 0.45)  # between two faults, so that they come at any moment of the source's and the engine's pace

# Paints the session until the last argument says so (see `guidance_app.window.run.run_window`).
Show = Callable[[LiveSession, Callable[[], bool]], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """How often, from which seed, and only these faults (names, or () for all)."""

    repeats: int
    seed: int
    only: tuple[str, ...] = ()
    painted_by: str = "the window, off screen"


def fault_names() -> tuple[str, ...]:
    return tuple(fault.name for fault in (*stream_faults(), *STILL_FAULTS, *PEER_FAULTS))


def run_campaign(
    campaign: Campaign, show: Show, *, progress: Callable[[str], None] = lambda _line: None
) -> FaultReport:
    """The whole campaign: a session on a scripted source, one on bones without contrast, one on DICOM over loopback."""
    begun_s = time.monotonic()
    rows: list[FaultRow] = []
    wrong: list[str] = []
    lines: list[str] = []
    pictures = 0
    wings = {"stream": stream_faults(), "still": STILL_FAULTS, "dicom": PEER_FAULTS}
    for wing, faults in ((_Wing(campaign, name), faults) for name, faults in wings.items()):
        chosen = [fault for fault in faults if not campaign.only or fault.name in campaign.only]
        if chosen:
            outcome = wing.run(chosen, show, progress)
            rows += outcome.rows
            wrong += outcome.wrong
            lines += outcome.wrong_lines
            pictures += outcome.pictures
    return FaultReport(
        machine=this_machine(),
        seed=campaign.seed,
        repeats=campaign.repeats,
        engine="drill engine: registers at once, draws one line, checks every picture",
        painted_by=campaign.painted_by,
        seconds=round(time.monotonic() - begun_s, 1),
        faults=tuple(rows),
        invalid_as_valid=len(wrong),
        invalid=tuple(wrong[:_SHOWN_WRONGS]),
        wrong_lines=tuple(lines),
        pictures=pictures,
        passed=bool(rows) and not wrong and not lines and all(row.kept for row in rows),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    rows: list[FaultRow]
    wrong: list[str]
    wrong_lines: list[str]
    pictures: int


class _Wing:
    """One session, and the thread that does the faults to it while the caller's thread paints."""

    def __init__(self, campaign: Campaign, name: str) -> None:
        self._campaign = campaign
        self._name = name
        self._trials: list[Trial] = []
        self._error: BaseException | None = None
        self._done = threading.Event()

    def run(self, faults: Sequence[Fault], show: Show, progress: Callable[[str], None]) -> _Outcome:
        with tempfile.TemporaryDirectory(prefix="guidance-faults-") as name:
            folder = Path(name)
            room, source = self._furnish(folder)
            director = threading.Thread(target=self._direct, args=(room, faults, progress), name="guidance-director")
            director.start()
            try:
                show(room.session, self._done.is_set)
            finally:
                self._done.set()
                room.onlooker.end()  # nobody waits for a screen that is gone
                director.join()
                if room.peer is not None:
                    room.peer.close()
                room.session.stop()
                source.close()
            if self._error is not None:
                raise self._error
            return self._judged(room, faults, folder / "logs" / "frames.jsonl")

    def _furnish(self, folder: Path) -> tuple[Room, FrameSource]:
        rng = np.random.default_rng([self._campaign.seed, len(self._name)])
        scripted = StillSource() if self._name == "still" else ScriptedSource()
        source: FrameSource = scripted
        peer = None
        if self._name == "dicom":
            dicom = DicomSource(host=LOCAL, port=0, admission=Admission(aet=AET))
            source, peer = dicom, DicomPeer(dicom.port)
        room = Room(session=None, onlooker=Onlooker(), rng=rng, folder=folder, source=scripted, peer=peer)  # type: ignore[arg-type]
        room.session = LiveSession(
            source=source,
            recipe=still_recipe() if self._name == "still" else drill_recipe(folder),
            out=folder / "logs",
            witnesses=(room.onlooker, room.reel),
            wall_clock_ns=room.clock,
        )
        return room, source

    # The director's thread ------------------------------------------------------------------------------------------
    def _direct(self, room: Room, faults: Sequence[Fault], progress: Callable[[str], None]) -> None:
        try:
            if room.peer is not None:
                room.peer.start()
            if not room.onlooker.wait_for(lambda: room.onlooker.first_valid(0, 0) is not None, _FIRST_OVERLAY_S):
                raise TimeoutError(
                    f"{self._name}: no valid overlay within {_FIRST_OVERLAY_S:.0f} s; nothing can be tried"
                )
            for turn in range(self._campaign.repeats):
                for place in room.rng.permutation(len(faults)):
                    if self._done.is_set():
                        return
                    room.turn = turn
                    self._trials.append(self._try(room, faults[place]))
                progress(f"{self._name}: {turn + 1} of {self._campaign.repeats} rounds")
        except BaseException as error:
            self._error = error
        finally:
            self._done.set()

    def _try(self, room: Room, fault: Fault) -> Trial:
        self._rest(room)
        began_ns, complaints = time.monotonic_ns(), []
        try:
            fault.do(room)
        except WrongOutcomeError as error:
            complaints.append(f"{fault.name}: {error}")
        onlooker = room.onlooker
        over_ns = began_ns

        def told() -> bool:
            return set(fault.told) <= set(onlooker.kinds_since(began_ns))

        def recovered() -> bool:
            return told() and not room.source.disturbed and onlooker.first_valid(over_ns, over_ns) is not None

        onlooker.wait_for(lambda: told() and not room.source.disturbed, _RECOVERY_S)
        over_ns = time.monotonic_ns() if not fault.engine else began_ns + 1
        if fault.engine and (back := onlooker.first_event("worker_restarted", began_ns)) is not None:
            over_ns = back.heard_ns
        well = onlooker.wait_for(recovered, _RECOVERY_S)
        said = set(onlooker.kinds_since(began_ns))
        complaints += [f"{fault.name}: led to {kind}" for kind in fault.unharmed if kind in said]
        back = onlooker.first_event("worker_restarted", began_ns) if fault.engine else None
        valid = onlooker.first_valid(over_ns, over_ns)
        return Trial(
            fault=fault.name,
            engine=fault.engine,
            began_ns=began_ns,
            ended_ns=time.monotonic_ns(),
            recovered=well,
            untold=tuple(
                f"{fault.name}: no event {kind} with a reason"
                for kind in fault.told
                if not _reason(onlooker, kind, began_ns)
            ),
            complaints=tuple(complaints),
            engine_back_s=None if back is None else (back.heard_ns - began_ns) / 1e9,
            overlay_back_s=None
            if valid is None
            else (valid.painted_ns - (began_ns if fault.engine else over_ns)) / 1e9,
        )

    def _rest(self, room: Room) -> None:
        """Each fault meets a healthy session: overlay valid, and a loaded spare engine."""
        rested_ns = time.monotonic_ns()
        room.onlooker.wait_for(
            lambda: room.session.at_rest and room.onlooker.first_valid(rested_ns, rested_ns) is not None, _REST_S
        )
        self._done.wait(room.rng.uniform(*_BREATH_S))

    # Afterwards -----------------------------------------------------------------------------------------------------
    def _judged(self, room: Room, faults: Sequence[Fault], frames_jsonl: Path) -> _Outcome:
        sent = room.source.sent if room.peer is None else _sent_by(room.peer, room.onlooker)
        states = room.onlooker.painted_states
        wrong, delays = wrongly_valid(states, sent) + wrong_for_long(states, sent), delays_ms(states, sent)
        by_name = {fault.name: [trial for trial in self._trials if trial.fault == fault.name] for fault in faults}
        return _Outcome(
            rows=[row_of(name, trials, wrong, delays, LATE_MS) for name, trials in by_name.items()],
            wrong=[why for _, why in wrong],
            wrong_lines=wrong_lines(frames_jsonl, sent),
            pictures=len(sent),
        )


def _reason(onlooker: Onlooker, kind: str, since_ns: int) -> str:
    heard = onlooker.first_event(kind, since_ns)
    return "" if heard is None else heard.event.text


def _sent_by(peer: DicomPeer, onlooker: Onlooker) -> dict[int, Sent]:
    """Objects arrive one after the other over one association, so that the running number says which it was."""
    good = {
        index: Sent(received_ns=received_ns, geometry=VIEW, mark=index)
        for index, received_ns in onlooker.frames_ns.items()
    }
    bad = {index: Sent(received_ns=0, geometry=None, mark=index, corrupt=True) for index in peer.hostile}
    return {**good, **bad}
