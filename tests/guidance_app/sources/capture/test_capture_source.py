"""A video file as a capture device: region, text, repeats, and what is not there."""

import io
import json
import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from calibration.errors import InputError
from engines.angiography.files.open_run import open_run
from guidance_app.sources.capture.capture_source import CaptureSource
from guidance_app.sources.live_uris import CaptureUri, parse_capture
from guidance_app.sources.source import CorruptFrame, SourceClosed
from tests.guidance_app.sources.rigs import write_video


def frames_of(uri: CaptureUri) -> list:
    source, frames = CaptureSource(uri), []
    try:
        while True:
            frames.append(source.next_frame(10.0))
    except SourceClosed:
        return frames
    finally:
        source.close()


def calibration(folder: Path, **content) -> Path:
    path = folder / "capture.json"
    path.write_text(json.dumps({"schema": "guidance-app/capture/1", "made_by": "somebody", **content}))
    return path


@pytest.fixture
def screen(tmp_path) -> Path:
    """A picture of 40 inside a dark frame, with a bright word in its corner."""
    picture = np.full((48, 64), 8, np.uint8)
    picture[8:40, 16:56] = 40
    picture[10:14, 18:30] = 255
    write_video(tmp_path / "screen.avi", [picture] * 3)
    return tmp_path / "screen.avi"


def test_region_is_cut_out_and_text_painted_over_in_the_grey_around_it(screen, tmp_path):
    path = calibration(tmp_path, region_px=[16, 8, 40, 32], text_masks_px=[[18, 10, 12, 4]])
    frame = frames_of(CaptureUri(device=screen, fps=500, calibration=path))[0]
    assert frame.shape_px == (32, 40)
    assert np.unique(frame.pixels).tolist() == [40]
    assert frame.geometry is None


def test_geometry_comes_from_the_calibration_alone(screen, tmp_path):
    view = {"primary_deg": 20.0, "secondary_deg": -5.0, "sid_mm": 1000.0, "sod_mm": 700.0}
    path = calibration(tmp_path, region_px=[16, 8, 40, 32], pixel_spacing_mm=[0.5, 0.4], geometry=view)
    geometry = frames_of(CaptureUri(device=screen, fps=500, calibration=path))[0].geometry
    assert geometry.shape_px == (32, 40)
    assert (geometry.row_spacing_mm, geometry.column_spacing_mm) == (0.5, 0.4)
    assert geometry.principal_point_px == (19.5, 15.5)
    assert geometry.spacing_source == "calibration"


def test_region_outside_the_picture_is_told_with_every_frame(screen, tmp_path):
    path = calibration(tmp_path, region_px=[60, 8, 40, 32])
    source = CaptureSource(CaptureUri(device=screen, fps=500, calibration=path))
    try:
        with pytest.raises(CorruptFrame, match=r"64 x 48 pixels.*does not fit"):
            source.next_frame(10.0)
    finally:
        source.close()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"region_px": [0, 0, 0, 10]}, "no box"),
        ({"region_px": [0, 0, 10]}, "region_px"),
        ({"schema": "other/1"}, "schema"),
        ({"valid_until": "next week"}, "valid_until"),
        ({"pixel_spacing_mm": [0.0, 0.1]}, "above 0"),
        ({"geometry": {"primary_deg": 0, "secondary_deg": 0, "sid_mm": 700, "sod_mm": 800}}, "sod_mm"),
    ],
)
def test_unusable_calibration_is_refused_with_what_is_wrong(screen, tmp_path, content, said):
    path = calibration(tmp_path, **content)
    with pytest.raises(InputError, match=said):
        CaptureSource(CaptureUri(device=screen, calibration=path))


def test_calibration_nested_without_end_is_no_json(screen, tmp_path):
    path = tmp_path / "capture.json"
    path.write_text("[" * 100_000)
    with pytest.raises(InputError, match="not JSON"):
        CaptureSource(CaptureUri(device=screen, calibration=path))


def test_an_expired_calibration_is_refused_and_one_still_valid_is_used(screen, tmp_path):
    path = calibration(tmp_path, region_px=[16, 8, 40, 32], valid_until="2020-02-01T12:30:00Z")
    said = f"{path}: the calibration expired on 2020-02-01 12:30 UTC; calibrate again"
    with pytest.raises(InputError, match=f"^{re.escape(said)}$"):
        CaptureSource(CaptureUri(device=screen, calibration=path))
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    path = calibration(tmp_path, region_px=[16, 8, 40, 32], valid_until=tomorrow.isoformat())
    assert frames_of(CaptureUri(device=screen, fps=500, calibration=path))[0].shape_px == (32, 40)


def test_repeated_pictures_share_their_pixels(screen):
    frames = frames_of(CaptureUri(device=screen, fps=500))
    assert len(frames) == 3
    assert frames[1].pixels is frames[0].pixels


def test_colour_becomes_luminance(tmp_path):
    import cv2

    path = tmp_path / "green.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"FFV1"), 15.0, (32, 32))
    green = np.zeros((32, 32, 3), np.uint8)
    green[..., 1] = 100
    writer.write(green)
    writer.release()
    assert int(frames_of(CaptureUri(device=path))[0].pixels[4, 4]) == pytest.approx(59, abs=2)


def test_own_rate_is_the_pace_and_a_loop_goes_on(tmp_path):
    path = tmp_path / "two.avi"
    write_video(path, [np.full((32, 32), value, np.uint8) for value in (10, 20)], fps=50.0)
    source = CaptureSource(CaptureUri(device=path, loop=True))
    try:
        frames = [source.next_frame(10.0) for _ in range(5)]
    finally:
        source.close()
    assert [int(frame.pixels[0, 0]) for frame in frames] == [10, 20, 10, 20, 10]
    assert np.diff([frame.received_ns for frame in frames]) == pytest.approx([20e6] * 4)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("capture:97", "no device /dev/video97"),
        ("capture:/dev/video98", "no device /dev/video98"),
        ("capture:/nowhere/run.avi", "/nowhere/run.avi: cannot be opened"),
        (f"capture:{__file__}", "is no MP4, MKV, AVI or MPEG video"),
    ],
)
def test_what_is_not_there_is_named(text, said):
    with pytest.raises(InputError, match=said):
        CaptureSource(parse_capture(text))


def test_playlist_is_not_followed(tmp_path):
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n")
    with pytest.raises(InputError, match="is no MP4"):
        CaptureSource(CaptureUri(device=tmp_path / "list.m3u8"))


def test_a_picture_that_changes_its_size_comes_in_its_own_shape_without_geometry(tmp_path: Path) -> None:
    path = _of_two_sizes(tmp_path / "screen.mkv", ((64, 48), (40, 40), (64, 48)))
    view = {"primary_deg": 20.0, "secondary_deg": -5.0, "sid_mm": 1000.0, "sod_mm": 700.0}
    known = calibration(tmp_path, pixel_spacing_mm=[0.5, 0.4], geometry=view)
    source, frames, told = CaptureSource(CaptureUri(device=path, fps=500, calibration=known)), [], []
    source.on_notice(told.append)
    try:
        while True:
            frames.append(source.next_frame(10.0))
    except SourceClosed:
        source.close()
    assert [frame.shape_px for frame in frames] == [(48, 64)] * 2 + [(40, 40)] * 2 + [(48, 64)] * 2
    # On its return the picture may show another zoom: nothing but a new calibration can tell.
    assert [frame.geometry is None for frame in frames] == [False] * 2 + [True] * 4
    assert [notice.kind for notice in told] == ["geometry_changed"] * 2
    assert "changed its size from 64 x 48 to 40 x 40" in frames[2].geometry_reason


def test_a_video_file_that_changes_its_size_is_read_whole(tmp_path: Path) -> None:
    run = open_run(_of_two_sizes(tmp_path / "screen.mkv", ((40, 40), (64, 48))))
    assert [run.frame(index).shape_px for index in range(4)] == [(40, 40)] * 2 + [(48, 64)] * 2
    assert run.frame(0).shape_px == (40, 40)


def _of_two_sizes(path: Path, sizes: tuple[tuple[int, int], ...]) -> Path:
    """Two pictures of each (columns, rows); JPEG is a video codec that may change its size."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = *sizes[0], "yuvj420p"
        for number in range(2 * len(sizes)):
            data = io.BytesIO()
            Image.new("RGB", sizes[number // 2], (20 * number,) * 3).save(data, "JPEG")
            packet = av.Packet(data.getvalue())
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 10), True
            packet.pts = packet.dts = number
            container.mux(packet)
    return path
