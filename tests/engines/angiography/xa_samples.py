"""Small runs for tests."""

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from calibration.carm import CArmGeometry
from engines.angiography.files.xa_writer import XaRecord, write_xa, xa_dataset


def view(primary_deg: float = 30.0, *, shape: tuple[int, int] = (48, 64), **changes) -> CArmGeometry:
    values = {
        "primary_rad": np.deg2rad(primary_deg),
        "secondary_rad": np.deg2rad(-10.0),
        "sid_mm": 1000.0,
        "sod_mm": 750.0,
        "column_spacing_mm": 0.3,
        "row_spacing_mm": 0.3,
        "shape_px": shape,
        "principal_point_px": ((shape[1] - 1) / 2, (shape[0] - 1) / 2),
    }
    return CArmGeometry(**(values | changes))


def pixels(frames: int = 3, shape: tuple[int, int] = (48, 64), bits: int = 8) -> np.ndarray:
    """Smooth pictures, each frame its own, that use every bit."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    full = (1 << bits) - 1
    stack = [(np.sin(rows / 7 + frame) * np.cos(columns / 9 - frame) + 1) / 2 * full for frame in range(frames)]
    return np.rint(stack).astype(np.uint8 if bits <= 8 else np.uint16)


def record(stack: np.ndarray | None = None, **changes) -> XaRecord:
    stack = pixels() if stack is None else stack
    values = {
        "pixels": stack,
        "geometry": view(shape=stack.shape[1:]),
        "frame_time_ms": 66.667,
        "uid_seed": "test/run",
    }
    return XaRecord(**(values | changes))


def xa_file(path: Path, stack: np.ndarray | None = None, **changes) -> Path:
    write_xa(path, record(stack, **changes))
    return path


def changed_file(path: Path, change, stack: np.ndarray | None = None, *, syntax: str | None = None) -> Path:
    """A file whose data set `change` has edited, written without any check; damage is what it is for."""
    dataset: Dataset = xa_dataset(record(stack))
    change(dataset)
    if syntax is not None:
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    dataset.save_as(path, enforce_file_format=True)
    return path
