"""A whole run in the window without a display: painted, exported, ended in order."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PyQt6.QtGui import QImage
from PyQt6.QtWidgets import QApplication

from calibration.errors import InputError
from guidance_app.ending import EndRequest
from guidance_app.panels.pictures.annotated_video import AnnotatedVideo
from guidance_app.window import run
from guidance_app.window.application import application
from guidance_app.window.kept_pictures import picture_of
from guidance_app.window.screenshot import contrast_along
from guidance_app.window.window import SIZE_PX as SIZE_PX_OF_WINDOW
from tests.guidance_app.rooms.live.staged_case import CASE
from tests.guidance_app.views.staging import LINE_ROW, SIZE_PX, StagedSession, frame, overlay, screen


def test_a_headless_run_paints_every_screen_and_leaves_video_and_screenshot(tmp_path: Path) -> None:
    session = StagedSession([screen(0, state="hidden", guidance="unregistered"), *(screen(i) for i in range(1, 6))])
    report = run.run_window(
        session, case=CASE, headless=True, annotate=tmp_path / "a.mp4", screenshot=tmp_path / "s.png", title="Test"
    )
    assert [painted.frame.index for painted in session.painted_screens] == list(range(6))
    assert (session.started, session.stopped >= 1) == (1, True)
    assert report is not None
    assert (report.frames, report.dropped) == (3, 0)  # every second
    with av.open(str(tmp_path / "a.mp4")) as video:
        pictures = [picture.to_ndarray(format="rgb24") for picture in video.decode(video=0)]
    assert len(pictures) == 3
    assert pictures[0].shape[0] % 2 == pictures[0].shape[1] % 2 == 0
    research = [picture[-110:-80, 300:700].min(axis=2).max() for picture in pictures]
    assert min(research) > 130, "a frame lacks the research-use line"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "s.png"]
    still = QImage(str(tmp_path / "s.png"))
    assert (still.width(), still.height()) == SIZE_PX_OF_WINDOW
    colours = {
        still.pixelColor(x, still.height() // 2 - 20 + y).name() for x in range(400, 600) for y in range(-90, 90)
    }
    assert "#3fd0ff" in colours, "the screenshot shows no valid overlay"


def test_the_grab_of_the_window_is_what_was_painted(qapp: QApplication) -> None:
    pictures: list[QImage] = []
    session = StagedSession([screen(0), screen(1, state="hidden", guidance="unregistered")])

    def take(_screen: object) -> bool:
        window = next(w for w in qapp.topLevelWidgets() if w.isVisible())
        pictures.extend((picture_of(window), window.grab().toImage()))
        return False

    run.run_window(session, case=CASE, headless=True, until=take)
    first, again = (picture.convertToFormat(QImage.Format.Format_RGB32) for picture in pictures[:2])
    assert first == again


def test_until_ends_the_run() -> None:
    session = StagedSession([screen(index) for index in range(50)])
    run.run_window(session, case=CASE, headless=True, until=lambda seen: seen.frame.index == 3)  # type: ignore[union-attr]
    assert len(session.painted_screens) == 4


def test_the_duration_ends_a_run_that_never_ends_itself() -> None:
    class Endless(StagedSession):
        @property
        def finished(self) -> bool:
            return False

    session = Endless([screen(0)])
    run.run_window(session, case=CASE, headless=True, duration_s=0.2)
    assert session.stopped >= 1


_INTERRUPTED = """
import os, signal, sys
from pathlib import Path
from guidance_app.window import run
from tests.guidance_app.views.staging import StagedSession, screen
from tests.guidance_app.rooms.live.staged_case import CASE

number, screenshot = int(sys.argv[1]), Path(sys.argv[2])
before = signal.getsignal(number)

class Interrupted(StagedSession):
    finished = False
    def painted(self, screen, painted_ns):
        super().painted(screen, painted_ns)
        if len(self.painted_screens) == 2:
            os.kill(os.getpid(), number)

session = Interrupted([screen(index) for index in range(400)])
run.run_window(session, case=CASE, headless=True, screenshot=screenshot)
assert session.stopped >= 1
assert signal.getsignal(number) is before
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_in_order_and_hands_the_handlers_back(number: signal.Signals, tmp_path: Path) -> None:
    # In a process of its own: a signal to the one that runs the tests would end it if it came too late.
    picture = tmp_path / "s.png"
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED, str(int(number)), str(picture)],
        cwd=Path(__file__).parents[3], timeout=120, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert picture.exists()


_INTERRUPTED_EARLY = """
import os, sys
from guidance_app.ending import EndRequest
from guidance_app.window import run
from tests.guidance_app.views.staging import StagedSession, screen
from tests.guidance_app.rooms.live.staged_case import CASE

number = int(sys.argv[1])

class Slow(StagedSession):
    finished = False
    def stop(self):
        os.kill(os.getpid(), number)  # an impatient second one, while the files are being written
        super().stop()

session = Slow([screen(0)])
with EndRequest() as end:
    os.kill(os.getpid(), number)  # while the source opens
    run.run_window(session, case=CASE, headless=True, end=end)
assert (session.started, session.stopped >= 1) == (1, True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_source_opens_and_one_while_the_run_ends_are_orderly_too(number: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED_EARLY, str(int(number))],
        cwd=Path(__file__).parents[3], timeout=120, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_second_interrupt_is_taken_where_nobody_looks_at_the_first() -> None:
    end = EndRequest()  # not entered: a real signal would reach whatever runs the tests
    end._note(signal.SIGINT, None)
    assert end.asked
    end._note(signal.SIGTERM, None)
    with pytest.raises(KeyboardInterrupt):
        end._note(signal.SIGINT, None)
    end.running = True
    end._note(signal.SIGINT, None)


def test_an_error_inside_the_timer_comes_out_and_leaves_nothing_behind(tmp_path: Path) -> None:
    class Broken(StagedSession):
        def painted(self, screen: Any, painted_ns: int) -> None:  # noqa: ARG002 - the session's signature
            raise RuntimeError("the log is full")

    session = Broken([screen(0)])
    with pytest.raises(RuntimeError, match="the log is full"):
        run.run_window(session, case=CASE, headless=True, annotate=tmp_path / "a.mp4", screenshot=tmp_path / "s.png")
    assert session.stopped >= 1
    assert not (tmp_path / "s.png").exists()
    assert not any(path.name.startswith(".part-") for path in tmp_path.iterdir())


def test_a_missing_display_is_one_line_before_qt_can_abort(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(InputError, match="no display"):
        application(headless=False)


def test_a_video_that_cannot_be_written_is_one_line_and_hangs_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    video = AnnotatedVideo(tmp_path / "file" / "a.mp4", wait_when_full=True)
    image = QImage(64, 48, QImage.Format.Format_RGB32)
    for number in range(40):
        video.add(image, number)
    with pytest.raises(InputError, match="cannot write here"):
        video.close()


def test_a_live_window_drops_pictures_with_a_count_rather_than_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    encode = AnnotatedVideo._encode

    def slow(self: AnnotatedVideo, *arguments: Any) -> None:
        go_on.wait(5.0)
        encode(self, *arguments)

    monkeypatch.setattr(AnnotatedVideo, "_encode", slow)
    video = AnnotatedVideo(tmp_path / "a.mp4", wait_when_full=False)
    image = QImage(64, 49, QImage.Format.Format_RGB32)
    image.fill(0)
    for number in range(30):
        video.add(image, number * 66_000_000)
    go_on.set()
    report = video.close()
    assert report.frames + report.dropped == 30
    assert report.dropped >= 20


def test_no_picture_means_no_video_file(tmp_path: Path) -> None:
    assert AnnotatedVideo(tmp_path / "a.mp4", wait_when_full=True).close().frames == 0
    assert list(tmp_path.iterdir()) == []


def test_contrast_is_what_lies_under_the_overlay() -> None:
    pixels = np.full((SIZE_PX, SIZE_PX), 120, dtype=np.uint8)
    assert contrast_along(overlay(), frame()) == pytest.approx(0.0, abs=0.1)
    pixels[LINE_ROW - 5 : LINE_ROW + 5] = 40
    from dataclasses import replace

    assert contrast_along(overlay(), replace(frame(), pixels=pixels)) > 40
