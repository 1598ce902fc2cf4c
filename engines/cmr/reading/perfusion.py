"""A perfusion series from a folder of NIfTI slices or of DICOM files, checked as a whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calibration.errors import InputError
from engines.cmr.reading.perfusion_folder import read_perfusion_folder
from engines.cmr.series import PerfusionSeries, PerfusionSlice

_MAX_SLICE_TILT_DEG = 20.0


def load_perfusion(path: Path | str, *, stress_series: str = "", rest_series: str = "") -> PerfusionSeries:
    """Read a perfusion series; `stress_series` and `rest_series` choose DICOM series by number, description or UID.

    Raises:
        InputError: nothing there, damaged, no whole first pass, slices that do not belong to one stack.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such folder; give a DICOM folder or one with perfusion.json")
    if path.is_file() and path.name == "perfusion.json":
        path = path.parent
    if path.is_dir() and (path / "perfusion.json").exists():
        series = read_perfusion_folder(path)
    else:
        from engines.cmr.reading.perfusion_dicom import read_perfusion_dicom

        series = read_perfusion_dicom(path, stress_series=stress_series, rest_series=rest_series)
    for kind, slices in (("stress", series.stress), ("rest", series.rest)):
        _check_stack(slices, f"{path}: {kind}")
    return series


def _check_stack(slices: tuple[PerfusionSlice, ...], where: str) -> None:
    """Slices must be parallel, apart from each other, and lie over one heart."""
    for index, part in enumerate(slices):
        for other in slices[:index]:
            turn = abs(float(part.normal @ other.normal))
            if turn < np.cos(np.deg2rad(_MAX_SLICE_TILT_DEG)):
                raise InputError(
                    f"{where} slice {part.name} is turned by {np.rad2deg(np.arccos(min(turn, 1.0))):.0f} degrees "
                    f"against {other.name}; leave long-axis slices out, expected parallel short-axis slices"
                )
            middle = part.points_mm().mean(axis=(0, 1)) - other.points_mm().mean(axis=(0, 1))
            along = abs(float(middle @ part.normal))
            if along < 0.5:
                raise InputError(
                    f"{where} slices {part.name} and {other.name} lie {along:.1f} mm apart, expected different "
                    "levels; the same slice may be listed twice"
                )
            if np.linalg.norm(middle) > 250.0:
                raise InputError(
                    f"{where} slices {part.name} and {other.name} lie {np.linalg.norm(middle):.0f} mm apart; they "
                    "cannot belong to one heart, check for slices of another patient"
                )
