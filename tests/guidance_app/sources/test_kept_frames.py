"""A loop decodes each frame once, within a limit."""

import pytest

from engines.angiography.run import FrameDecodeError
from guidance_app.sources.file_source import PacedFileSource
from guidance_app.sources.kept_frames import KeptFrames
from tests.guidance_app.live.stand_ins import FakeRun


class CountedRun(FakeRun):
    def __init__(self, **changes) -> None:
        super().__init__(**changes)
        self.decoded: list[int] = []

    def frame(self, index):
        self.decoded.append(index)
        return super().frame(index)


def test_second_time_round_nothing_is_decoded():
    run = CountedRun(frame_count=3)
    source = PacedFileSource(run, fps=1000.0, loop=True)
    shown = [source.next_frame(5.0) for _ in range(7)]
    assert run.decoded == [0, 1, 2]
    assert [int(frame.pixels[0, 0]) for frame in shown] == [0, 1, 2, 0, 1, 2, 0]
    assert [frame.index for frame in shown] == list(range(7))


@pytest.mark.parametrize(("hold_at_end", "decoded"), [(True, [0]), (False, [0, 0])])
def test_run_that_a_person_goes_back_over_is_decoded_once_and_one_without_a_person_keeps_nothing(hold_at_end, decoded):
    run = CountedRun(frame_count=3)
    source = PacedFileSource(run, fps=1000.0, hold_at_end=hold_at_end)
    source.next_frame(5.0)
    source.seek(0)
    source.next_frame(5.0)
    assert run.decoded == decoded


def test_what_does_not_fit_is_decoded_again_and_the_rest_is_kept():
    run = CountedRun(frame_count=3)
    kept = KeptFrames(run, most_bytes=2 * 64 * 64)
    for index in (0, 1, 2, 0, 1, 2):
        assert int(kept.frame(index).pixels[0, 0]) == index
    assert run.decoded == [0, 1, 2, 2]


def test_damaged_frame_is_tried_again():
    run = CountedRun(frame_count=3, damaged=frozenset({1}))
    kept = KeptFrames(run)
    for _ in range(2):
        with pytest.raises(FrameDecodeError):
            kept.frame(1)
    assert run.decoded == [1, 1]
