"""Open any file or folder that holds a run; the content decides the format, not the name."""

from __future__ import annotations

from pathlib import Path

from calibration.errors import InputError
from engines.angiography.files.dicom_encoding import is_dicom, starts_dicom
from engines.angiography.files.image_file import PICTURE_SUFFIXES, PictureRun
from engines.angiography.files.secondary_capture import open_dicom_run
from engines.angiography.files.video_file import VideoRun, video_format
from engines.angiography.run import Run

_HEAD_BYTES = 256
_PICTURE_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"BM")
_ACCEPTED = "a DICOM XA file, PNG, JPEG, TIFF or BMP pictures, or an MP4, MKV or AVI video"


def open_run(path: Path | str) -> Run:
    """A run from an XA DICOM file, a picture, a folder of pictures, or a video.

    Raises:
        InputError: the path is missing, cannot be read as a run, or exceeds the caps.
    """
    path = Path(path)
    if path.is_dir():
        return _open_folder(path if path.name else path.resolve())  # "." has no name for messages
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror}); give {_ACCEPTED}") from error
    if not head:
        raise InputError(f"{path.name}: the file is empty; give {_ACCEPTED}")
    if starts_dicom(head):
        return open_dicom_run(path)
    if head.startswith(_PICTURE_STARTS):
        return PictureRun(path)
    container = video_format(head)
    if container is not None:
        return VideoRun(path, container)
    raise InputError(f"{path.name}: is neither DICOM nor a picture nor a video; give {_ACCEPTED}")


def _open_folder(path: Path) -> Run:
    try:
        files = sorted(entry for entry in path.iterdir() if entry.is_file())
    except OSError as error:
        raise InputError(f"{path}: cannot be listed ({error.strerror}); give {_ACCEPTED}") from error
    pictures = [file for file in files if file.suffix.lower() in PICTURE_SUFFIXES]
    dicoms = [file for file in files if is_dicom(file) and file.name.upper() != "DICOMDIR"]
    if pictures and dicoms:
        # Many exports put previews beside the run; they must not be played in its place, as they carry no geometry.
        raise InputError(
            f"{path.name}: the folder holds pictures and DICOM files; give one of them, as {dicoms[0].name}, or a "
            "folder of pictures alone"
        )
    if pictures:
        return PictureRun(path)
    if len(dicoms) == 1:
        return open_dicom_run(dicoms[0])
    if dicoms:
        raise InputError(
            f"{path.name}: the folder holds {len(dicoms)} DICOM files; give one of them, as {dicoms[0].name}"
        )
    raise InputError(f"{path.name}: the folder holds no picture and no DICOM file; give {_ACCEPTED}")
