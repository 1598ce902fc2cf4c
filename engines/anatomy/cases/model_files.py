"""The files of a vessel model in a case's folder."""

from __future__ import annotations

from pathlib import Path

from engines.anatomy.files.centerline_file import save_centerlines
from engines.anatomy.files.labels import save_labels
from engines.anatomy.files.surface_file import save_surface
from engines.anatomy.vessel_model import VesselModel


def save_model(folder: Path, model: VesselModel) -> dict[str, str]:
    """Write what the model has; returns the names of the files by their roles in `case.json`.

    Raises:
        InputError: a file cannot be written.
    """
    files: dict[str, str] = {}
    if model.labels is not None:
        save_labels(folder / "vessels.nii.gz", model.labels)
        files["vessels"] = "vessels.nii.gz"
    if model.surface is not None:
        save_surface(folder / "surface.vtp", model.surface)
        files["surface"] = "surface.vtp"
    if model.centerlines is not None:
        save_centerlines(folder / "centerlines.vtp", model.centerlines)
        files["centerlines"] = "centerlines.vtp"
    return files
