"""Whatever moves without being stated: no frame is valid for longer than a second while it is more than 5 mm off."""

from __future__ import annotations

import numpy as np
import pytest

from guidance_app.live import guidance_state
from guidance_app.live.benches.faults.scripted_source import FPS
from guidance_app.live.benches.faults.still_room import StillSource, make_still_pipeline
from guidance_app.live.benches.fluoroscopy.fluoroscopy_bench import run_fluoroscopy_bench
from guidance_app.live.benches.fluoroscopy.stories import longest_s
from guidance_app.live.engine.pipeline import Pipeline
from guidance_app.live.guidance_state import Situation
from guidance_app.live.session.overlay_rule import ComputedOverlay, OverlayLimits, decide_overlay

_WRONG_MM, _WRONG_S = 5.0, 1.0
_FRAME_NS = round(1e9 / FPS)


class Room:
    """The live pipeline, its rule for `valid`, and a source whose truth is known; a search is answered at once."""

    def __init__(self) -> None:
        self.source = StillSource()
        self.steps: Pipeline = make_still_pipeline()
        self.situation = Situation()
        self.errors_mm: list[float | None] = []  # of valid frames; None where nothing was valid
        self._now_ns = 1

    def frames(self, count: int) -> None:
        for _ in range(count):
            self._now_ns += _FRAME_NS
            frame = self.source._made(self._now_ns)
            outcome = self.steps.step(frame, self.situation)
            self.situation = outcome.situation
            if outcome.cold_start is not None:
                found = self.steps.register(outcome.cold_start)
                asked = outcome.cold_start.generation
                assert frame.geometry is not None
                self.situation = guidance_state.registration_finished(self.situation, found, frame.geometry, asked)
            overlay = outcome.result.overlay
            drawn = None if overlay is None else ComputedOverlay(overlay=overlay, frame_received_ns=frame.received_ns)
            seen = decide_overlay(frame, drawn, self.situation, engine_up=True, limits=OverlayLimits())
            self.errors_mm.append(self._error_mm(seen.overlay, frame.index) if seen.state == "valid" else None)

    def _error_mm(self, overlay, index: int) -> float:
        at_px = overlay.centerlines[0].points_px.mean(axis=0)
        true_px = np.asarray(overlay.geometry.principal_point_px) + self.source.sent[index].shift_px
        return float(np.linalg.norm(at_px - true_px)) * overlay.geometry.isocentre_mm_per_px

    @property
    def wrong_s(self) -> float:
        return longest_s([error is not None and error > _WRONG_MM for error in self.errors_mm], FPS)


def _happens(room: Room, rng: np.random.Generator) -> None:
    """One thing that a room does, of a size and pace drawn at random."""
    way = rng.uniform(0.0, 2.0 * np.pi)
    far_px = float(np.exp(rng.uniform(np.log(2.0), np.log(600.0))))
    frames = int(rng.choice([1, 3, 10, 40]))
    shift = (far_px * float(np.cos(way)), far_px * float(np.sin(way)))
    match rng.choice(["drain", "inject", "move", "move", "stated", "silent", "rest"]):
        case "drain":
            room.source.drain()
            room.frames(8)
        case "inject":
            room.source.restore()
            room.frames(8)
        case "move":
            room.source.move(shift, frames)
            room.frames(frames + 25)
        case "stated":
            room.source.move(shift, frames, stated=True)
            room.frames(frames + 5)
        case "silent":
            room.source.move(shift, frames, silent=True)
            room.frames(frames + 5)
        case _:
            room.frames(20)


@pytest.mark.parametrize("seed", range(6))
def test_nothing_that_moves_unexplained_stays_valid(seed):
    rng = np.random.default_rng(seed)
    room = Room()
    room.frames(12)
    room.source.drain()
    room.frames(16)
    for _ in range(8):
        _happens(room, rng)
    assert room.wrong_s <= _WRONG_S
    assert sum(error is not None for error in room.errors_mm) >= 20, "it was there before it was lost"


@pytest.mark.parametrize("frames", [1, 60, 300])
def test_a_picture_that_slides_by_598_px_is_left_within_a_second(frames):
    room = Room()
    room.frames(12)
    room.source.drain()
    room.frames(16)
    assert room.errors_mm[-1] is not None, "bones hold it while nothing moves"
    room.source.move((598.0, 0.0), frames)
    room.frames(frames + 25)
    assert room.wrong_s <= _WRONG_S
    assert room.errors_mm[-1] is None


@pytest.mark.slow  # minutes: simulated patients, with the networks
@pytest.mark.parametrize("kind", ["evt", "tavi"])
def test_simulated_patients_that_move_unexplained(kind):
    report = run_fluoroscopy_bench([kind], [1000], fps=5.0, seconds=20.0)
    assert report.wrong_valid_s <= _WRONG_S
