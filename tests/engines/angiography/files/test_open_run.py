"""One contract for every kind of run, and one clear line for everything that is no run."""

import os
import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pydicom
import pytest
from PIL import Image

from calibration.errors import InputError, MissingGeometryError
from engines.angiography.files.image_file import PictureRun
from engines.angiography.files.open_run import open_run
from engines.angiography.files.video_file import VideoRun
from engines.angiography.files.xa_file import XaRun
from engines.angiography.run import FrameDecodeError
from tests.engines.angiography.xa_samples import pixels, xa_file
from tests.guidance_app.sources.rigs import write_video


def _video(path: Path, stack: np.ndarray, rate: int = 20) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(rate))
        stream.height, stream.width = stack.shape[1:]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
        for picture in stack:
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def _folder(path: Path, stack: np.ndarray) -> Path:
    path.mkdir()
    for index, picture in enumerate(stack):
        Image.fromarray(picture).save(path / f"frame_{index + 8}.png")  # 8, 9, 10, ...: text order would mix them up
    return path


def _pages(path: Path, stack: np.ndarray) -> Path:
    first, *others = (Image.fromarray(picture) for picture in stack)
    first.save(path, save_all=True, append_images=others)
    return path


_MAKERS = {
    "xa": (lambda folder, stack: xa_file(folder / "run.dcm", stack), XaRun, 0),
    "xa folder": (lambda folder, stack: xa_file(folder / "study" / "run.dcm", stack).parent, XaRun, 0),
    "pictures": (lambda folder, stack: _folder(folder / "pictures", stack), PictureRun, 0),
    "tiff pages": (lambda folder, stack: _pages(folder / "pages.tif", stack), PictureRun, 0),
    "mp4": (lambda folder, stack: _video(folder / "run.mp4", stack), VideoRun, 12),
    "mkv": (lambda folder, stack: _video(folder / "run.mkv", stack), VideoRun, 12),
    "avi": (lambda folder, stack: _video(folder / "run.avi", stack), VideoRun, 12),
}


@pytest.mark.parametrize("kind", _MAKERS)
def test_every_kind_of_run_keeps_the_contract(tmp_path, kind):
    make, expected_type, tolerance = _MAKERS[kind]
    stack = pixels(5)
    path = make(tmp_path, stack)
    run = open_run(path)
    assert isinstance(run, expected_type)
    assert run.frame_count == 5
    assert run.source_id
    assert "/" not in run.source_id
    for index in (3, 0, 4, 4, 1):  # any order, and again
        frame = run.frame(index)
        assert frame.pixels.dtype == np.uint8
        assert frame.index == index
        np.testing.assert_allclose(frame.pixels.astype(int), stack[index], atol=tolerance)
        with pytest.raises(ValueError, match="read-only"):
            frame.pixels[0, 0] = 0
        if frame.geometry is None:
            assert frame.geometry_reason
            with pytest.raises(MissingGeometryError):
                run.geometry(index)
        else:
            assert run.geometry(index) == frame.geometry
    for index in (-1, 5):
        with pytest.raises(InputError, match="5 frames"):
            run.frame(index)
        with pytest.raises(InputError):
            run.geometry(index)


def test_content_counts_not_the_name(tmp_path):
    path = xa_file(tmp_path / "run.dcm").rename(tmp_path / "picture.png")
    assert isinstance(open_run(path), XaRun)
    Image.fromarray(pixels()[0]).save(tmp_path / "a.png")
    assert isinstance(open_run((tmp_path / "a.png").rename(tmp_path / "b.dcm")), PictureRun)


def test_a_video_states_its_frame_time(tmp_path):
    run = open_run(_video(tmp_path / "run.mp4", pixels(4), rate=25))
    assert run.frame_time_ms == pytest.approx(40.0)
    assert run.frame(0).frame_time_ms == pytest.approx(40.0)


def test_a_cut_off_video_gives_the_frames_it_has(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (8, 128, 128), dtype=np.uint8)
    path = _video(tmp_path / "run.avi", noise)
    run = open_run(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 5])
    run.frame(0)
    with pytest.raises(FrameDecodeError, match=r"run\.avi: frame 7"):
        run.frame(7)


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "jpg"])
def test_colour_pictures_become_grey(tmp_path, suffix):
    colour = np.zeros((20, 30, 3), np.uint8)
    colour[:10, :, 0], colour[10:, :, 1] = 200, 100
    Image.fromarray(colour).save(tmp_path / f"a.{suffix}", **({"quality": 100} if suffix == "jpg" else {}))
    frame = open_run(tmp_path / f"a.{suffix}").frame(0)
    assert frame.pixels[3, 15] == pytest.approx(60, abs=2)  # 0.299 of 200
    assert frame.pixels[17, 15] == pytest.approx(59, abs=2)  # 0.587 of 100


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_kept(tmp_path, suffix):
    picture = pixels(1, bits=16)[0]
    Image.fromarray(picture).save(tmp_path / f"a.{suffix}")
    frame = open_run(tmp_path / f"a.{suffix}").frame(0)
    assert frame.bits_stored == 16
    np.testing.assert_array_equal(frame.pixels, picture)


def test_black_and_white_pictures_span_the_range(tmp_path):
    Image.fromarray(np.eye(8, dtype=bool)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(open_run(tmp_path / "a.png").frame(0).pixels, np.eye(8, dtype=np.uint8) * 255)


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (np.full((8, 8), np.nan, np.float32), "type F"),
        (np.full((8, 8), 0.5, np.float32), "type F"),
        (np.full((8, 8), 100_000, np.int32), "beyond 16 bits"),
        (np.full((8, 8), -1, np.int32), "beyond 16 bits"),
    ],
    ids=["nan", "float", "large", "negative"],
)
def test_pictures_that_are_not_grey_values_are_refused(tmp_path, picture, said):
    Image.fromarray(picture).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=said):
        open_run(tmp_path / "a.tif").frame(0)


def test_a_huge_picture_is_refused_by_its_header(tmp_path):
    Image.new("1", (8193, 8)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="8193 columns"):
        open_run(tmp_path / "a.png")


def test_a_damaged_picture_among_sound_ones(tmp_path):
    folder = _folder(tmp_path / "pictures", pixels(3))
    whole = (folder / "frame_9.png").read_bytes()
    (folder / "frame_9.png").write_bytes(whole[: len(whole) // 2])
    run = open_run(folder)
    assert run.frame(0).source_id == "frame_8.png"
    assert run.frame(2).source_id == "frame_10.png"
    with pytest.raises(FrameDecodeError, match=r"frame_9\.png"):
        run.frame(1)


def _empty(folder: Path) -> Path:
    (folder / "empty.dcm").touch()
    return folder / "empty.dcm"


def _garbage(folder: Path) -> Path:
    (folder / "garbage.dcm").write_bytes(np.random.default_rng(0).bytes(5000))
    return folder / "garbage.dcm"


def _playlist(folder: Path) -> Path:
    """A playlist of other addresses must never be followed."""
    (folder / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n")
    return folder / "list.mp4"


def _ct(folder: Path) -> Path:
    shutil.copy(pydicom.data.get_testdata_file("CT_small.dcm", download=False), folder / "ct.dcm")
    return folder / "ct.dcm"


def _report(folder: Path) -> Path:
    shutil.copy(pydicom.data.get_testdata_file("reportsi.dcm", download=False), folder / "report.dcm")
    return folder / "report.dcm"


def _half_png(folder: Path) -> Path:
    (folder / "half.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 10)
    return folder / "half.png"


def _half_video(folder: Path) -> Path:
    (folder / "half.mp4").write_bytes(b"\0\0\0\x18ftypisom" + b"\0" * 100)
    return folder / "half.mp4"


def _unknown_coding(folder: Path) -> Path:
    write_video(folder / "odd.avi", list(pixels(2, (32, 48))))
    (folder / "odd.avi").write_bytes((folder / "odd.avi").read_bytes().replace(b"FFV1", b"zzzz"))
    return folder / "odd.avi"


def _no_pictures(folder: Path) -> Path:
    (folder / "texts").mkdir()
    (folder / "texts" / "a.txt").write_text("no picture")
    return folder / "texts"


def _run_with_preview(folder: Path) -> Path:
    study = xa_file(folder / "study" / "a.dcm").parent
    (study / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    Image.fromarray(pixels(1)[0]).save(study / "preview.jpg")
    return study


def _two_runs(folder: Path) -> Path:
    xa_file(folder / "study" / "a.dcm")
    return xa_file(folder / "study" / "b.dcm").parent


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: folder / "missing.dcm", "cannot be opened"),
        (_empty, "the file is empty"),
        (_garbage, "neither DICOM nor a picture nor a video"),
        (_playlist, "neither DICOM nor a picture nor a video"),
        (_ct, "is CT Image Storage"),
        (_report, "holds no pixel data"),
        (_half_png, "no readable picture"),
        (_half_video, "no readable video"),
        (_unknown_coding, "its coding is unknown"),
        (_no_pictures, "no picture and no DICOM file"),
        (_two_runs, "2 DICOM files"),
        (_run_with_preview, "pictures and DICOM files; give one of them, as a.dcm"),
    ],
)
def test_what_is_no_run_ends_with_one_line_that_names_it(tmp_path, make, said):
    path = make(tmp_path)
    with pytest.raises(InputError, match=said) as error:
        open_run(path)
    assert path.name in str(error.value)
    assert "\n" not in str(error.value)


def test_a_directory_file_beside_a_run_is_no_second_run(tmp_path: Path) -> None:
    study = xa_file(tmp_path / "study" / "run.dcm").parent
    (study / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    assert isinstance(open_run(study), XaRun)


def test_the_current_folder_is_called_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _folder(tmp_path / "pictures", pixels(3))
    monkeypatch.chdir(folder)
    assert open_run(Path()).source_id == "pictures"


def test_a_file_name_that_is_no_text_is_read_and_named_readably(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/M\xfcnster run.dcm"))
    odd.write_bytes(xa_file(tmp_path / "plain.dcm").read_bytes())
    run = open_run(odd)
    assert run.source_id == "M\ufffdnster run.dcm"
    assert run.source_id.encode("utf-8")
    assert run.frame(0).source_id == run.source_id
