"""All rooms, in the order of the rail and of Ctrl+1 to Ctrl+9. Add a room here; nothing else knows them by name."""

from __future__ import annotations

from guidance_app.rooms.benchmark.room import BenchmarkRoom
from guidance_app.rooms.case.room import CaseRoom
from guidance_app.rooms.cmr.room import CmrRoom
from guidance_app.rooms.ivus.room import IvusRoom
from guidance_app.rooms.live.room import LiveRoom
from guidance_app.rooms.replay.room import ReplayRoom
from guidance_app.rooms.room import MakeRoom
from guidance_app.rooms.settings.room import SettingsRoom
from guidance_app.rooms.training.room import TrainingRoom

ROOMS: tuple[MakeRoom, ...] = (
    CaseRoom,
    LiveRoom,
    ReplayRoom,
    IvusRoom,
    CmrRoom,
    TrainingRoom,
    BenchmarkRoom,
    SettingsRoom,
)
