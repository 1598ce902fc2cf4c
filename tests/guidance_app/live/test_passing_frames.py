"""The mailbox and the shared memory that frames pass through."""

import errno
import gc
import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import numpy as np
import pytest

from engines.angiography.frame import Frame
from guidance_app.live.engine.engine_process import StepJob
from guidance_app.live.engine.mailbox import Mailbox
from guidance_app.live.engine.shared_frames import FrameReader, FrameWriter
from guidance_app.live.guidance_state import Situation


def test_mailbox_keeps_only_the_newest_and_says_what_it_replaced():
    box: Mailbox[int] = Mailbox()
    assert box.put(1) is None
    assert box.put(2) == 1
    assert box.take() == 2
    assert box.take() is None


def test_mailbox_wakes_a_waiting_reader():
    box: Mailbox[int] = Mailbox()
    taken: list[int | None] = []
    reader = threading.Thread(target=lambda: taken.append(box.take(timeout_s=5.0)))
    reader.start()
    box.put(7)
    reader.join(timeout=5.0)
    assert taken == [7]


def test_pixels_cross_unchanged_in_both_depths_and_when_the_size_changes():
    writer, reader = FrameWriter(), FrameReader()
    rng = np.random.default_rng(0)
    for shape, dtype in [((16, 24), np.uint8), ((1100, 1000), np.uint16), ((8, 8), np.uint16), ((16, 24), np.uint8)]:
        pixels = rng.integers(0, 255, shape).astype(dtype)
        seen = reader.read(writer.write(pixels))
        assert seen.dtype == dtype
        np.testing.assert_array_equal(seen, pixels)
    reader.close()
    writer.close()


def test_read_frame_does_not_change_when_the_slots_are_used_again():
    writer, reader = FrameWriter(), FrameReader()
    first = reader.read(writer.write(np.full((4, 4), 1, np.uint8)))
    for value in range(2, 6):
        writer.write(np.full((4, 4), value, np.uint8))
    assert (first == 1).all()
    reader.close()
    writer.close()


def test_memory_is_gone_after_the_owner_closed_it():
    writer, reader = FrameWriter(), FrameReader()
    where = writer.write(np.zeros((4, 4), np.uint8))
    reader.read(where)
    reader.close()
    writer.close()
    writer.close()
    with pytest.raises(FileNotFoundError):
        SharedMemory(name=where.memory)


def _look_and_leave(where, connection) -> None:
    reader = FrameReader()
    connection.send(int(reader.read(where).sum()))
    gc.collect()


def test_other_process_sees_the_pixels_and_its_end_leaves_them_alone():
    """The resource tracker must not remove memory because a process that only looked has ended."""
    context = multiprocessing.get_context("spawn")
    writer = FrameWriter()
    where = writer.write(np.full((4, 4), 3, np.uint8))
    for _ in range(2):
        ours, theirs = context.Pipe()
        process = context.Process(target=_look_and_leave, args=(where, theirs))
        process.start()
        assert ours.poll(20.0)
        assert ours.recv() == 48
        process.join()
        assert process.exitcode == 0
        ours.close()
        theirs.close()
    writer.close()


@contextmanager
def _no_memory_above(size_bytes: int) -> Iterator[None]:
    """A limit on the size of files, which shared memory is too, stands in for a small /dev/shm."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_shared_memory_cannot_hold_is_refused_once_before_a_pixel_is_written():
    writer, reader = FrameWriter(), FrameReader()
    small, large = np.full((4, 4), 1, np.uint8), np.full((2000, 2000), 2, np.uint8)
    with _no_memory_above(4 * 2**20):
        assert writer.write(large) is None
        assert "shared memory" in writer.short_of
        assert "\n" not in writer.short_of
        assert writer.write(large) is None
        where = writer.write(small)
        assert where is not None
        assert (reader.read(where) == 1).all()
        assert writer.short_of == ""
    where = writer.write(large)
    assert where is not None
    assert (reader.read(where) == 2).all()
    reader.close()
    writer.close()


def test_memory_that_cannot_be_reserved_is_given_back(monkeypatch):
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    folder = Path("/dev/shm")
    if not folder.is_dir():
        pytest.skip("shared memory is no folder here")
    before = set(folder.iterdir())
    writer = FrameWriter()
    assert writer.write(np.zeros((4, 4), np.uint8)) is None
    assert "No space left" in writer.short_of
    assert {file for file in folder.iterdir() if file.name.startswith("psm_")} <= before


def test_a_frame_without_shared_memory_carries_its_pixels():
    frame = Frame(pixels=np.full((4, 4), 7, np.uint8), kind="fluoro")
    assert StepJob.of(frame, None, Situation()).frame.pixels is frame.pixels
