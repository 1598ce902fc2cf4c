"""What stands in for `bench latency` in the job's process: a real session on a made run with a stand-in engine."""

import time
from pathlib import Path

from calibration.errors import InputError
from guidance_app.live.benches.latency_follow import followed
from guidance_app.live.session.session import LiveSession
from guidance_app.sources.file_source import PacedFileSource
from tests.guidance_app.live.stand_ins import FakeRun, fake_recipe
from tests.guidance_app.live.window_stand_in import drive


def measure_a_stand_in(folder: Path, tell, *, follow: str, fps: float, seconds: float, **_asked) -> None:
    del seconds
    session = LiveSession(
        source=PacedFileSource(FakeRun(), fps=fps, loop=True), recipe=fake_recipe(), paced_fps=fps, run_for_s=1.5,
        spare_engine=False,
    )  # fmt: skip
    tell("measuring", 0.5)
    with followed(session, Path(follow), every_s=0.2), session:
        drive(session, limit_s=20.0)
    session.report().write(folder / "latency.json")


def measure_for_ever(_folder: Path, tell, **_asked) -> None:
    tell("measuring", 0.1)
    while True:
        time.sleep(0.05)


def fail(_folder: Path, _tell, **_asked) -> None:
    raise InputError("coronary: the case has no recording to play; take another case")
