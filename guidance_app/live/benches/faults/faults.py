"""The faults: how each is done to a running session, and what must be said of it."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from calibration.errors import InputError
from guidance_app.live.benches.faults.dicom_peer import AET, HOSTILE, LOCAL, DicomPeer
from guidance_app.live.benches.faults.drill_engine import order_memory
from guidance_app.live.benches.faults.onlooker import Onlooker
from guidance_app.live.benches.faults.reel import Reel, damaged_frames
from guidance_app.live.benches.faults.scripted_source import ScriptedSource
from guidance_app.live.benches.faults.still_room import StillSource
from guidance_app.live.session.session import LiveSession
from guidance_app.sources.dicom.dicom_server import Admission
from guidance_app.sources.dicom.dicom_source import DicomSource

_FULL_DISK_WAIT_S = 6.0
_LARGE_PX = 1536
_SHARED_BYTES = 5 * 2**20  # two slots for such pictures take six, the logs of some minutes less
_AFTERWARDS_NS = 2_000_000_000
_DISK_BYTES = (900_000, 2_500_000)  # the first quarter of a second, which is written at once, fits


class WallClock:
    """The system's clock, with jumps."""

    def __init__(self) -> None:
        self.jumped_ns = 0

    def __call__(self) -> int:
        return time.time_ns() + self.jumped_ns


@dataclass(slots=True, kw_only=True)
class Room:
    """A running session and everything that can be done to it. `peer` stands only where the source is DICOM."""

    session: LiveSession
    onlooker: Onlooker
    rng: np.random.Generator
    folder: Path
    source: ScriptedSource
    clock: WallClock = field(default_factory=WallClock)
    reel: Reel = field(default_factory=Reel)
    peer: DicomPeer | None = None
    turn: int = 0


class WrongOutcomeError(Exception):
    """A fault had an outcome of its own that it must not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kind of fault.

    Args:
        do: does it; may wait until it is over, and raises `WrongOutcomeError`.
        told: kinds of events that must follow, each with its reason.
        engine: the engine is lost, so that the time until one answers again counts.
        unharmed: kinds of events that must not follow.
    """

    name: str
    do: Callable[[Room], None]
    told: tuple[str, ...]
    engine: bool = False
    unharmed: tuple[str, ...] = ()


def _disconnect(room: Room) -> None:
    room.source.disconnect(room.rng.uniform(0.9, 1.4))


def _freeze(room: Room) -> None:
    room.source.freeze(room.rng.uniform(1.3, 1.7))


def _turn(room: Room) -> None:
    """From just beyond the tolerance to across the room."""
    step_deg = float(np.exp(room.rng.uniform(np.log(0.1), np.log(40.0))))
    primary_deg, secondary_deg = room.source.angles_deg
    primary_deg += step_deg if primary_deg < 0 else -step_deg
    room.source.turn(primary_deg, secondary_deg if room.rng.random() < 0.5 else room.rng.uniform(-20.0, 20.0))


def _hide_geometry(room: Room) -> None:
    room.source.hide_geometry(int(room.rng.integers(1, 12)))


def _resize(room: Room) -> None:
    room.source.resize(int(room.rng.choice([64, 128, 320, 512])), int(room.rng.integers(2, 14)))


def _corrupt(room: Room) -> None:
    room.source.corrupt(int(room.rng.integers(1, 6)))


def _jump_clock(room: Room) -> None:
    seconds = float(room.rng.choice([-1.0, 1.0])) * float(np.exp(room.rng.uniform(0.0, np.log(86400.0))))
    room.clock.jumped_ns += round(seconds * 1e9)


def _kill_engine(room: Room) -> None:
    _signal_engine(room, signal.SIGKILL)


def _hang_engine(room: Room) -> None:
    _signal_engine(room, signal.SIGSTOP)


def _signal_engine(room: Room, number: signal.Signals) -> None:
    pid = room.session.engine_pid
    if pid is None:
        raise WrongOutcomeError("there was no engine to be hurt")
    os.kill(pid, number)


def _take_memory(room: Room) -> None:
    order_memory(room.folder)


def _fill_disk(room: Room) -> None:
    """A limit on the size of files stands in for a disk: the write fails as on a full one."""
    path = room.folder / f"recording-{room.turn}.mcap"
    room.reel.record(path)
    try:
        with _files_end_at(int(room.rng.integers(*_DISK_BYTES))):
            full = room.onlooker.wait_for(lambda: "recording stopped" in room.reel.fault, _FULL_DISK_WAIT_S)
    finally:
        room.reel.stop()
    if not full:
        raise WrongOutcomeError("the recording went on beyond the end of the disk")
    try:
        frames, damaged = damaged_frames(path)
    except InputError as error:
        raise WrongOutcomeError(f"the recording cannot be read ({error})") from error
    finally:
        path.unlink()
    if damaged or not frames:
        raise WrongOutcomeError(f"the recording kept {frames} frames, {damaged} of them not as they were sent")


@contextmanager
def _files_end_at(size_bytes: int) -> Iterator[None]:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _starve_shared_memory(room: Room) -> None:
    """A limit on the size of files stands in for a small /dev/shm: its files are such."""
    with _files_end_at(_SHARED_BYTES):
        room.source.resize(_LARGE_PX, int(room.rng.integers(6, 14)))
        began_ns = time.monotonic_ns()
        room.onlooker.wait_for(lambda: "worker_degraded" in room.onlooker.kinds_since(began_ns), 5.0)
        room.onlooker.wait_for(lambda: not room.source.disturbed, 5.0)


def _slide(room: Room) -> None:
    """The picture slides away at the pace of a table that is pushed by hand."""
    source = _drained(room)
    frames = int(room.rng.integers(60, 120))
    _moved(room, source, frames * room.rng.uniform(2.0, 5.0), frames)


def _push_table(room: Room) -> None:
    source = _drained(room)
    _moved(room, source, room.rng.uniform(110.0, 400.0), int(room.rng.integers(1, 16)))


def _drive_table(room: Room) -> None:
    source = _drained(room)
    _moved(room, source, room.rng.uniform(12.0, 400.0), int(room.rng.integers(1, 16)), stated=True)


def _forget_table(room: Room) -> None:
    source = _drained(room)
    _moved(room, source, room.rng.uniform(0.0, 300.0), int(room.rng.integers(1, 16)), silent=True)


def _drained(room: Room) -> StillSource:
    assert isinstance(room.source, StillSource)
    room.source.drain()
    # Half a second of bones alone: vessels of a moment ago no longer speak for the pose.
    gone_ns = time.monotonic_ns() + 700_000_000
    room.onlooker.wait_for(lambda: room.onlooker.first_valid(gone_ns, gone_ns) is not None, 5.0)
    return room.source


def _moved(room: Room, source: StillSource, far_px: float, frames: int, **how: bool) -> None:
    began_ns = time.monotonic_ns()
    angle = room.rng.uniform(0.0, 2.0 * np.pi)
    source.move((far_px * float(np.cos(angle)), far_px * float(np.sin(angle))), frames, **how)
    room.onlooker.wait_for(lambda: not source.moving, 20.0)
    # What is wrong must be given the time to show.
    over_ns = time.monotonic_ns() + _AFTERWARDS_NS
    room.onlooker.wait_for(lambda: time.monotonic_ns() > over_ns, 10.0)
    if "overlay_hidden" not in room.onlooker.kinds_since(began_ns):
        raise WrongOutcomeError(f"the overlay stayed while the picture moved by {far_px:.0f} px")
    source.restore()


def _send_hostile(room: Room) -> None:
    assert room.peer is not None
    before = len(room.peer.hostile)
    room.peer.send_hostile(HOSTILE[int(room.rng.integers(len(HOSTILE)))])
    peer = room.peer
    if not room.onlooker.wait_for(lambda: len(peer.hostile) > before, 5.0):
        raise WrongOutcomeError("the object was never answered")
    status = list(peer.hostile.values())[-1]
    if status & 0xF000 not in (0xA000, 0xC000):
        raise WrongOutcomeError(f"the object was answered with status {status:#06x}")


def _knock(room: Room) -> None:
    assert room.peer is not None
    # A title of its own each time: the same news again within ten seconds is only counted.
    if room.peer.knock(f"STRANGER{room.turn}"):
        raise WrongOutcomeError("an unknown peer was let in")


def _take_port(_room: Room) -> None:
    """A second source on a port that is taken: refused in one line that names it, and welcome once the port is free."""
    with socket.create_server((LOCAL, 0)) as taken:
        port = taken.getsockname()[1]
        try:
            DicomSource(host=LOCAL, port=port, admission=Admission(aet=AET)).close()
        except InputError as error:
            if str(port) not in str(error) or "\n" in str(error):
                raise WrongOutcomeError(f"the refusal does not name the port: {error}") from error
        else:
            raise WrongOutcomeError(f"port {port} was taken twice")
    DicomSource(host=LOCAL, port=port, admission=Admission(aet=AET)).close()


_CALM = ("source_stalled", "worker_died", "geometry_changed", "source_frozen")
STREAM_FAULTS = (
    Fault(name="source disconnects and returns", do=_disconnect, told=("source_stalled", "source_resumed")),
    Fault(name="one picture repeated (frozen)", do=_freeze, told=("source_frozen", "source_resumed")),
    Fault(name="geometry jumps", do=_turn, told=("geometry_changed",)),
    Fault(name="geometry missing", do=_hide_geometry, told=("geometry_missing",)),
    Fault(name="another picture size", do=_resize, told=("geometry_changed",)),
    Fault(name="corrupt picture", do=_corrupt, told=("frame_corrupt",)),
    Fault(name="wall clock jumps", do=_jump_clock, told=(), unharmed=_CALM),
    Fault(name="port taken", do=_take_port, told=(), unharmed=_CALM),
)
STILL_FAULTS = (
    Fault(name="picture slides without contrast", do=_slide, told=("overlay_hidden",), unharmed=_CALM),
    Fault(name="table pushed without contrast", do=_push_table, told=("overlay_hidden",), unharmed=_CALM),
    Fault(name="table driven without contrast", do=_drive_table, told=("overlay_hidden", "geometry_changed")),
    Fault(name="table position disappears", do=_forget_table, told=("overlay_hidden", "geometry_changed")),
)
ENGINE_FAULTS = (
    Fault(name="engine out of memory", do=_take_memory, told=("worker_died", "worker_restarted"), engine=True),
)
POSIX_FAULTS = (
    Fault(name="engine crashes", do=_kill_engine, told=("worker_died", "worker_restarted"), engine=True),
    Fault(name="engine hangs", do=_hang_engine, told=("worker_died", "worker_restarted"), engine=True),
    Fault(
        name="shared memory too small",
        do=_starve_shared_memory,
        told=("worker_degraded", "geometry_changed"),
        unharmed=("worker_died",),
    ),
    Fault(name="disk full while recording", do=_fill_disk, told=("recorder_full",), unharmed=_CALM),
)
PEER_FAULTS = (
    Fault(name="hostile object", do=_send_hostile, told=("frame_corrupt",), unharmed=("worker_died",)),
    Fault(name="unknown peer", do=_knock, told=("client_refused",), unharmed=_CALM),
)


def stream_faults() -> tuple[Fault, ...]:
    """Those that are done to the scripted source and the engine, as far as this system has them."""
    return (*STREAM_FAULTS, *ENGINE_FAULTS, *(POSIX_FAULTS if sys.platform != "win32" else ()))
