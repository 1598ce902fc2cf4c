"""An engine that is stuck, takes all memory, dies again and again, or loses its GPU."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from calibration.errors import InputError
from engines.angiography.frame import Frame
from engines.segmentation.segmentation import Segmentation
from guidance_app.live.engine.device_fallback import CpuBehind
from guidance_app.live.engine.step.door import ViewKey
from guidance_app.live.session.session import LiveSession
from guidance_app.live.supervision.engine_health import (
    LONGEST_STEP_S,
    StepPace,
    is_computing,
    restart_delay_s,
    waited_for_core_s,
)
from guidance_app.sources.file_source import PacedFileSource
from tests.guidance_app.live.stand_ins import FakeRun, fake_recipe, hurtful_at
from tests.guidance_app.live.window_stand_in import drive

PICTURE = Frame(pixels=np.zeros((64, 64), dtype=np.uint8), kind="fluoro")


class OnGpu:
    def __init__(self) -> None:
        self.error: Exception | None = None
        self.calls = 0

    def segment(self, frame: Frame, *, key: ViewKey | None = None) -> Segmentation:  # noqa: ARG002 - the seam's
        self.calls += 1
        if self.error is not None:
            raise self.error
        return _nothing(frame)


class OnCpu:
    def segment(self, frame: Frame, *, key: ViewKey | None = None) -> Segmentation:  # noqa: ARG002 - the seam's
        return _nothing(frame)


def _nothing(frame: Frame) -> Segmentation:
    maps = np.zeros((1, *frame.shape_px), dtype=np.float32)
    return Segmentation(classes=("vessel",), probabilities=maps, model="", backend="", field_of_view=None)


def test_frame_on_which_the_gpu_fails_is_segmented_on_the_cpu_and_so_is_every_later_one():
    gpu = OnGpu()
    guarded = CpuBehind(gpu, OnCpu)
    guarded.segment(PICTURE)
    assert guarded.degraded == ""
    gpu.error = RuntimeError("CUDA error: an illegal memory access was encountered")
    assert guarded.segment(PICTURE).probabilities.shape == (1, 64, 64)
    assert guarded.degraded.startswith("guidance runs on the CPU: the GPU failed (RuntimeError: CUDA error")
    guarded.segment(PICTURE)
    assert gpu.calls == 2, "a lost device is not asked again"


def test_frame_that_is_at_fault_itself_does_not_give_up_the_gpu():
    gpu = OnGpu()
    gpu.error = InputError("this frame is too large")
    guarded = CpuBehind(gpu, OnCpu)
    with pytest.raises(InputError):
        guarded.segment(PICTURE)
    assert guarded.degraded == ""


def test_lost_gpu_is_an_event_and_stays_in_the_banner_while_the_overlay_goes_on():
    source = PacedFileSource(hurtful_at(FakeRun(frame_count=400), 10, 253), fps=20)
    with LiveSession(source=source, recipe=fake_recipe(), spare_engine=False) as session:
        painted = drive(session, until=lambda screen: bool(screen.banner) and screen.overlay_state == "valid")
        event = next(event for event in session.events if event.kind == "worker_degraded")
    assert painted[-1].banner == event.text == "guidance runs on the CPU: the GPU failed (CUDA error)"


def test_engine_is_stuck_by_its_own_pace():
    pace = StepPace()
    assert pace.limit_s == LONGEST_STEP_S, "unknown yet"
    for _ in range(20):
        pace.add(0.06)
    assert pace.limit_s == 2.0
    for _ in range(40):
        pace.add(0.4)
    assert pace.limit_s == pytest.approx(6.0)


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="only Linux tells how long a process waited")
def test_only_a_process_that_lacks_a_core_waits_for_one():
    pinned = f"import os; os.sched_setaffinity(0, {{{min(os.sched_getaffinity(0))}}})\nwhile True: pass"
    programs = (pinned, pinned, "import time; time.sleep(60)")
    processes = [subprocess.Popen([sys.executable, "-c", program]) for program in programs]
    try:
        time.sleep(2.0)
        *lacking_s, asleep_s = [waited_for_core_s(process.pid) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert min(lacking_s) > 0.2
    assert min(lacking_s) > asleep_s


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what each thread of another process does")
@pytest.mark.parametrize(
    ("does", "computes"),
    [
        ("import threading\nthreading.Thread(target=turn, daemon=True).start()\ntime.sleep(60)", True),
        ("turn()", True),
        ("time.sleep(60)", False),
    ],
)
def test_a_process_computes_whichever_of_its_threads_does(does: str, computes: bool):
    code = f"import time\ndef turn():\n    while True: pass\nprint('on', flush=True)\n{does}"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(0.3)
            # A turning thread may be caught between two states; a sleeping process never turns.
            seen = [is_computing(child.pid) for _ in range(20)]
            assert any(seen) is computes
        finally:
            child.kill()
    assert not is_computing(child.pid)


def test_first_restart_is_immediate_and_later_ones_wait_longer_each_time():
    delays = [restart_delay_s(deaths) for deaths in range(1, 9)]
    assert delays[0] == 0.0
    assert delays == sorted(delays)
    assert delays[-1] == 8.0


# Memory is taken before the engine's pace is known: a busy machine may need long for it, and that is not being stuck.
@pytest.mark.parametrize(
    ("value", "at", "why"), [(248, 60, "stuck on one frame"), (249, 5, "ran out of memory")], ids=["stuck", "memory"]
)
def test_engine_that_is_stuck_or_takes_all_memory_is_replaced_by_the_spare(value, at, why):
    source = PacedFileSource(hurtful_at(FakeRun(frame_count=600), at, value), fps=20)
    recipe = fake_recipe(memory_limit_bytes=200 * 2**20)
    with LiveSession(source=source, recipe=recipe) as session:
        drive(
            session,
            until=lambda screen: (
                screen.overlay_state == "valid" and any(event.kind == "worker_restarted" for event in session.events)
            ),
            limit_s=40.0,
        )
        assert why in next(event.text for event in session.events if event.kind == "worker_died")
