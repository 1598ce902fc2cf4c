"""Real angiograms whose main vessels a person marked: folders of the form that ARCADE has.

    DIR/train/images/*.jpg, DIR/train/masks/*.png, DIR/val/images/*.jpg, DIR/val/masks/*.png

The collection (Popov et al., Scientific Data 11:20, 2024, CC0) marks the main segments alone; see `unlabelled_vessels`
for what the rest of a picture is taken for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from calibration.errors import InputError
from engines.segmentation.conditioning import condition
from engines.simulation.angiograms.angiogram_synthesis import WORKING_PX
from engines.training.arcade.unlabelled_vessels import read_silence
from engines.training.arcade.vessel_width import trimmed

STORED_PX = 512  # side that pictures are kept at; ARCADE's own
_PICTURES = (".jpg", ".jpeg", ".png")

Part = Literal["train", "val"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArcadePicture:
    """One picture and what is known of its pixels.

    Args:
        name: file name without its suffix.
        picture: grey values, vessels dark.
        vessel: the person's mask, 0 or 255, on the picture's grid.
        ignore: probably an unmarked branch, 0 or 255, on the working grid as the rest.
        catheter: probably the guiding catheter.
        tubes: other dark ridges, which may be leads or wires.
        branches: of what is ignored, what is taken for vessel all the same (`arcade_opinions`).
    """

    name: str
    picture: UInt8[np.ndarray, "512 512"]
    vessel: UInt8[np.ndarray, "512 512"]
    ignore: UInt8[np.ndarray, "256 256"]
    catheter: UInt8[np.ndarray, "256 256"]
    tubes: UInt8[np.ndarray, "256 256"]
    branches: UInt8[np.ndarray, "256 256"]


def arcade_names(folder: Path, part: Part) -> list[tuple[Path, Path]]:
    """Pictures and masks of a part, in the order of their names.

    Raises:
        InputError: a folder is missing, or a picture has no mask of its name.
    """
    images, masks = folder / part / "images", folder / part / "masks"
    for needed in (images, masks):
        if not needed.is_dir():
            raise InputError(f"{needed}: no such folder; --arcade wants DIR/train and DIR/val with images and masks")
    of_name = {path.stem: path for path in masks.iterdir() if path.suffix.lower() in _PICTURES}
    pictures = sorted(path for path in images.iterdir() if path.suffix.lower() in _PICTURES)
    if not pictures:
        raise InputError(f"{images}: holds no picture ({', '.join(_PICTURES)})")
    for path in pictures:
        if path.stem not in of_name:
            raise InputError(f"{path}: has no mask of its name in {masks}; add it or take the picture away")
    return [(path, of_name[path.stem]) for path in pictures]


def read_arcade(
    folder: Path,
    part: Part,
    *,
    count: int | None = None,
    trim: bool = False,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> list[ArcadePicture]:
    """All pictures of a part, or the first `count` by name; pictures that show nothing are left out.

    Args:
        trim: whether masks are trimmed to the border that the synthetic pictures' labels have (`vessel_width`).

    Raises:
        InputError: as `arcade_names`; an unreadable file; a mask of another size than its picture.
    """
    names = arcade_names(folder, part)[:count]
    found: list[ArcadePicture] = []
    for number, (picture, mask) in enumerate(names):
        read = _read(picture, mask, trim=trim)
        if read is not None:
            found.append(read)
        progress(number + 1, len(names))
    if not found:
        raise InputError(f"{folder / part}: no picture shows anything; nothing to learn from")
    return found


def read_unmarked(folder: Path) -> list[ArcadePicture]:
    """All pictures of a folder, by name, with nothing known of their pixels: what a network may be asked about.

    Raises:
        InputError: there is no such folder or no picture in it; an unreadable file.
    """
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in _PICTURES)
    if not paths:
        raise InputError(f"{folder}: holds no picture ({', '.join(_PICTURES)})")
    side, nothing = (STORED_PX, STORED_PX), np.zeros((WORKING_PX, WORKING_PX), np.uint8)
    unmarked = np.zeros(side, np.uint8)
    found = []
    for path in paths:
        picture = _grey(path)
        if picture.shape != side:
            how = cv2.INTER_AREA if max(picture.shape) > STORED_PX else cv2.INTER_LINEAR
            picture = np.asarray(cv2.resize(picture, side, interpolation=how), np.uint8)
        found.append(
            ArcadePicture(
                name=path.stem,
                picture=picture,
                vessel=unmarked,
                ignore=nothing,
                catheter=nothing,
                tubes=nothing,
                branches=nothing,
            )
        )
    return found


def _read(picture_file: Path, mask_file: Path, *, trim: bool) -> ArcadePicture | None:
    picture, mask = _grey(picture_file), _grey(mask_file)
    if picture.shape != mask.shape:
        raise InputError(
            f"{mask_file}: the mask is {mask.shape[0]}x{mask.shape[1]}, its picture "
            f"{picture.shape[0]}x{picture.shape[1]}; give a mask of the picture's size"
        )
    mask = np.where(mask > mask.max() / 2, 255, 0).astype(np.uint8) if mask.any() else mask
    side = (STORED_PX, STORED_PX)
    if picture.shape != side:
        how = cv2.INTER_AREA if max(picture.shape) > STORED_PX else cv2.INTER_LINEAR
        picture, mask = cv2.resize(picture, side, interpolation=how), cv2.resize(mask, side, interpolation=how)
    conditioned = condition(picture, WORKING_PX)
    if conditioned is None:
        return None
    local = -conditioned.channels[1] if conditioned.inverted else conditioned.channels[1]
    marked = _working(mask) > 127
    silence = read_silence(local, marked, conditioned.field_of_view)
    ignore = silence.ignore
    if trim:
        border = trimmed(picture, mask > 127)
        mask = _bytes(border.vessel)
        ignore = ignore | (_working(_bytes(border.unsure)) > 127)
    return ArcadePicture(
        name=picture_file.stem, picture=picture, vessel=mask, ignore=_bytes(ignore),
        catheter=_bytes(silence.catheter), tubes=_bytes(silence.tubes), branches=_bytes(np.zeros_like(marked)),
    )  # fmt: skip


def _grey(path: Path) -> UInt8[np.ndarray, "rows columns"]:
    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    decoded = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE) if content.size else None
    if decoded is None:
        raise InputError(f"{path}: no readable picture; copy it again")
    return np.asarray(decoded, np.uint8)


def _working(mask: UInt8[np.ndarray, "512 512"]) -> UInt8[np.ndarray, "256 256"]:
    return np.asarray(cv2.resize(mask, (WORKING_PX, WORKING_PX), interpolation=cv2.INTER_AREA), np.uint8)


def _bytes(mask: Bool[np.ndarray, "rows columns"]) -> UInt8[np.ndarray, "rows columns"]:
    return mask.astype(np.uint8) * 255
