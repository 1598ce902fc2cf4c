"""Times, windows and mask shifts as each frame of a run states them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from engines.angiography.dsa import subtract
from engines.angiography.files.xa_file import XaRun
from engines.angiography.files.xa_writer import xa_dataset
from guidance_app.sources.file_source import PacedFileSource
from tests.calibration.xa_headers import enhanced_header, group
from tests.engines.angiography.xa_samples import changed_file, pixels, record

_PIXEL_KEYWORDS = ("SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit",
                   "PixelRepresentation", "PixelData", "SOPInstanceUID")  # fmt: skip


def _run(folder: Path, frames: int, **values: object) -> XaRun:
    def change(dataset: Dataset) -> None:
        for keyword in ("FrameTime", "FrameTimeVector", "CineRate", "RecommendedDisplayFrameRate"):
            if keyword in dataset:
                del dataset[keyword]
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    return XaRun(changed_file(folder / "run.dcm", change, pixels(frames)))


def _enhanced(folder: Path, frames: list[dict[str, object]], **shared: object) -> XaRun:
    stack = pixels(len(frames), shape=(256, 512))
    header, written = enhanced_header(tuple(10.0 + i for i in range(len(frames))), **shared), xa_dataset(record(stack))
    for keyword in _PIXEL_KEYWORDS:
        header[keyword] = written[keyword]
    header.file_meta = written.file_meta
    for item, values in zip(header.PerFrameFunctionalGroupsSequence, frames, strict=True):
        for keyword, value in values.items():
            setattr(item, keyword, value)
    header.save_as(folder / "enhanced.dcm", enforce_file_format=True)
    return XaRun(folder / "enhanced.dcm")


@pytest.mark.parametrize(
    ("values", "times_ms"),
    [
        ({"FrameTimeVector": [0, 100, 200, 50]}, (100, 200, 50, 50)),
        ({"FrameTimeVector": [100, 200, 50]}, (100, 200, 50, 50)),
        ({"FrameTimeVector": [100, 200], "FrameTime": 40}, (40,) * 4),
        ({"FrameTimeVector": [0, 100, 0, 50], "CineRate": 10}, (100,) * 4),
        ({"FrameTime": 0, "CineRate": 25}, (40,) * 4),
        ({"FrameTime": 0, "RecommendedDisplayFrameRate": 5}, (200,) * 4),
    ],
)
def test_times_are_those_that_the_header_states(tmp_path, values, times_ms):
    assert _run(tmp_path, 4, **values).frame_times_ms == pytest.approx(times_ms)


def test_a_run_is_played_at_its_own_uneven_times(tmp_path):
    now_ns = 0

    def clock_ns() -> int:
        nonlocal now_ns
        now_ns += 250_000_000  # few steps: between them the source truly waits
        return now_ns

    source = PacedFileSource(_run(tmp_path, 4, FrameTimeVector=[100, 500, 200]), clock_ns=clock_ns)
    frames = [source.next_frame(5.0) for _ in range(4)]
    due_ms = np.array([frame.received_ns for frame in frames]) / 1e6
    assert np.diff(due_ms) == pytest.approx([100, 500, 200])
    assert [frame.frame_time_ms for frame in frames] == pytest.approx([100, 500, 200, 200])


@pytest.mark.parametrize("keyword", ["FrameReferenceDateTime", "FrameAcquisitionDateTime"])
def test_frames_of_an_enhanced_object_state_their_own_times(tmp_path, keyword):
    stamps = ("20200101235959.900000", "20200102000000.000000+0100", "20200102000000.250")
    run = _enhanced(tmp_path, [{"FrameContentSequence": [group(**{keyword: stamp})]} for stamp in stamps])
    assert run.frame_times_ms == pytest.approx((100.0, 250.0, 250.0))


def test_frames_of_an_enhanced_object_that_run_backwards_state_no_times(tmp_path):
    stamps = ("20200101000001", "20200101000000")
    run = _enhanced(tmp_path, [{"FrameContentSequence": [group(FrameReferenceDateTime=stamp)]} for stamp in stamps])
    assert run.frame_times_ms == ()


def test_the_window_of_an_enhanced_object_is_that_of_the_frame_or_of_all(tmp_path):
    voi = [group(WindowCenter=100, WindowWidth=50)]
    run = _enhanced(tmp_path, [{}, {"FrameVOILUTSequence": [group(WindowCenter=30, WindowWidth=20)]}],
                    FrameVOILUTSequence=voi)  # fmt: skip
    windows = [(frame.window_center, frame.window_width) for frame in map(run.frame, range(2))]
    assert windows == [(100, 50), (30, 20)]


def test_the_mask_of_an_enhanced_object_is_shifted_frame_by_frame(tmp_path):
    def shifted(row: float, column: float, item: int = 1) -> dict[str, object]:
        return {"FramePixelShiftSequence": [group(SubtractionItemID=item, MaskSubPixelShift=[row, column])]}

    plain = _enhanced(tmp_path, [{}, shifted(2.0, -3.0), shifted(9.0, 9.0, item=2)])
    header = plain.header
    header.MaskSubtractionSequence = [group(MaskOperation="AVG_SUB", MaskFrameNumbers=[1], SubtractionItemID=1)]
    header.PixelData = pixels(3, shape=(256, 512)).tobytes()
    header["PixelData"].VR = "OB"
    header.save_as(tmp_path / "masked.dcm", enforce_file_format=True)
    run = XaRun(tmp_path / "masked.dcm")
    assert [run.mask[0].shift_of(frame) for frame in range(3)] == [(0, 0), (2, -3), (0, 0)]
    by_header = subtract(run, align=False).frame(1).pixels
    assert (by_header != subtract(run, mask_frames=[0], align=False).frame(1).pixels).any()
