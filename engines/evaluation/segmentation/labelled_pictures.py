"""Pictures with a person's masks: one folder of pictures and one of masks, matched by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool

from calibration.errors import GuidanceError, InputError
from engines.angiography.files.open_run import open_run
from engines.angiography.frame import Frame

_HALF_GREY = 127


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledPicture:
    """A frame and a person's vessel mask.

    Args:
        name: file name without its suffix.
        frame: the picture.
        mask: on the frame's grid.
    """

    name: str
    frame: Frame
    mask: Bool[np.ndarray, "rows columns"]


def read_labelled(images: Path, masks: Path) -> tuple[list[LabelledPicture], list[str]]:
    """All pictures with a mask of the same name, in order of names, and one line for each unusable picture.

    Of a multi-frame file, the first frame is used.

    Raises:
        InputError: a folder is missing, or no picture has a mask.
    """
    for folder in (images, masks):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; give one of pictures and one of masks with the same names")
    references = {path.stem: path for path in sorted(masks.iterdir()) if path.is_file()}
    pictures: list[LabelledPicture] = []
    failures: list[str] = []
    for path in sorted(images.iterdir()):
        if not path.is_file() or path.stem not in references:
            continue
        try:
            frame = open_run(path).frame(0)
            pictures.append(LabelledPicture(name=path.stem, frame=frame, mask=_mask(references[path.stem], frame)))
        except GuidanceError as error:
            failures.append(f"{path.name}: {str(error).removeprefix(f'{path.name}: ')}")
    if not pictures and not failures:
        raise InputError(f"{images}: no picture has a mask of its name in {masks}; nothing to use")
    if not pictures:
        raise InputError(f"{images}: not one of {len(failures)} pictures can be used; first: {failures[0]}")
    return pictures, failures


def _mask(path: Path, frame: Frame) -> Bool[np.ndarray, "rows columns"]:
    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise InputError(f"{path}: the mask cannot be read ({error.strerror})") from error
    decoded = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE) if content.size else None
    if decoded is None:
        raise InputError(f"{path}: the mask is no readable picture; export it again")
    if decoded.shape != frame.shape_px:
        raise InputError(
            f"{path}: the mask is {decoded.shape[0]}x{decoded.shape[1]}, its picture "
            f"{frame.shape_px[0]}x{frame.shape_px[1]}; give a mask of the picture's size"
        )
    values = set(np.unique(decoded).tolist())
    if values <= {0, 1}:
        return decoded > 0  # saved with values 0 and 1
    return decoded > _HALF_GREY
