"""Still pictures (PNG, JPEG, TIFF, BMP), one file or a folder of them. They carry no geometry."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image, UnidentifiedImageError

from calibration.carm import CArmGeometry
from calibration.errors import InputError, MissingGeometryError
from engines.angiography.files.luminance import luminance
from engines.angiography.frame import Frame, FrameKind
from engines.angiography.run import FrameDecodeError, MaskOperation, check_index, check_size, readable_name

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
_GREY_MODES = ("L", "I;16", "I;16B", "I;16L", "1")
_COLOUR_MODES = ("RGB", "RGBA", "P", "LA", "PA", "RGBX", "YCbCr")
_MAX_PICTURES = 100_000


class PictureRun:
    """Still pictures taken as the frames of a run (see `Run`), in the natural order of their names."""

    def __init__(self, path: Path) -> None:
        """Raises InputError: the path is missing, holds no picture, or a picture exceeds the caps."""
        self.path = Path(path)
        self.source_id = readable_name(self.path)
        self._pages = _folder(self.path) if self.path.is_dir() else _pages(self.path)
        self.frame_count = len(self._pages)
        self.frame_time_ms: float | None = None
        self.sop_instance_uid = ""
        self.kind: FrameKind = "fluoro"
        self.mask: tuple[MaskOperation, ...] = ()
        self.log_intensity = False

    def geometry(self, index: int) -> CArmGeometry:
        check_index(self.source_id, index, self.frame_count)
        raise MissingGeometryError(
            f"{self._pages[index][0].name}: a picture file does not say how it was projected; use the DICOM run instead"
        )

    def frame(self, index: int) -> Frame:
        check_index(self.source_id, index, self.frame_count)
        started_ns = time.perf_counter_ns()
        path, page = self._pages[index]
        pixels, bits = _read(path, page, index)
        return Frame(
            pixels=pixels,
            kind=self.kind,
            bits_stored=bits,
            decode_ms=(time.perf_counter_ns() - started_ns) / 1e6,
            geometry_reason=f"{path.name}: a picture file does not say how it was projected",
            source_id=readable_name(path),
            source_frame=page,
            index=index,
        )


def _pages(path: Path) -> list[tuple[Path, int]]:
    try:
        with Image.open(path, formats=_FORMATS) as image:
            rows, columns, pages = image.height, image.width, getattr(image, "n_frames", 1)
    except _UNREADABLE as error:
        raise InputError(f"{path.name}: is no readable picture ({_cause(error)}); export it again") from error
    check_size(path.name, rows, columns, 2, pages)
    return [(path, page) for page in range(pages)]


def _folder(path: Path) -> list[tuple[Path, int]]:
    found = sorted((p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES and p.is_file()), key=_natural)
    if not found:
        raise InputError(f"{path.name}: the folder holds no picture ({', '.join(PICTURE_SUFFIXES)}); choose another")
    if len(found) > _MAX_PICTURES:
        raise InputError(f"{path.name}: {len(found)} pictures, accepted are {_MAX_PICTURES}; split the folder")
    return [(picture, 0) for picture in found]


def _read(
    path: Path, page: int, index: int
) -> tuple[UInt8[np.ndarray, "rows columns"] | UInt16[np.ndarray, "rows columns"], int]:
    try:
        with Image.open(path, formats=_FORMATS) as image:
            check_size(path.name, image.height, image.width, 2, 1)
            image.seek(page)
            check_size(path.name, image.height, image.width, 2, 1)
            if image.mode in _COLOUR_MODES:
                return luminance(np.asarray(image.convert("RGB")), bits=8), 8
            if image.mode not in (*_GREY_MODES, "I"):
                raise InputError(
                    f"{path.name}: pixels are of type {image.mode}; accepted are 8 or 16 bit grey and RGB; convert it"
                )
            values = np.asarray(image.convert("L") if image.mode == "1" else image)
    except _UNREADABLE as error:
        raise FrameDecodeError(f"{path.name}: frame {index} cannot be decoded ({_cause(error)})") from error
    if values.dtype != np.uint8:
        if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
            raise FrameDecodeError(f"{path.name}: frame {index} has values beyond 16 bits; convert it to 8 or 16 bit")
        values = values.astype(np.uint16)
    values = np.ascontiguousarray(values)
    values.flags.writeable = False
    return values, values.itemsize * 8


_UNREADABLE = (OSError, ValueError, TypeError, SyntaxError, EOFError, LookupError, OverflowError, MemoryError,
               AttributeError, UnidentifiedImageError, Image.DecompressionBombError)  # fmt: skip


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    """A sort key in natural order: frame_2 comes before frame_10."""
    pieces = re.split(r"(\d+)", path.name.lower())
    return [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in pieces], path.name


def _cause(error: BaseException) -> str:
    return type(error).__name__ if not str(error) else str(error).splitlines()[0][:120]
