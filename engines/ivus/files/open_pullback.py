"""Open a pullback, whatever form it has."""

from __future__ import annotations

from pathlib import Path

from calibration.errors import InputError
from engines.ivus.files.pullback import Pullback, checked_pullback
from engines.ivus.files.pullback_folder import read_pullback_folder
from engines.ivus.files.ultrasound_dicom import read_ultrasound


def open_pullback(path: Path | str) -> Pullback:
    """Read a DICOM ultrasound multi-frame file, or a folder with `pullback.nii.gz` and `pullback.json`.

    Raises:
        InputError: what is missing or cannot be, with the way out.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; give a DICOM file or a folder with pullback.nii.gz")
    if path.is_dir():
        return checked_pullback(read_pullback_folder(path))
    return checked_pullback(read_ultrasound(path))
