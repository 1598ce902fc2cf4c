"""Vessels that somebody has segmented already: masks, label volumes, surfaces, centerlines, and where they belong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from calibration.errors import InputError
from engines.anatomy.files.centerline_file import read_centerlines
from engines.anatomy.files.nifti import names_in_nifti
from engines.anatomy.files.segmentations.nrrd import is_nrrd, read_nrrd_labels
from engines.anatomy.files.surface_file import read_surface
from engines.anatomy.intake.found import FoundModel
from engines.anatomy.placement import read_placement
from engines.anatomy.structure_names import names_any_vessel, structure_class_of
from engines.anatomy.structures.names_file import names_beside, volume_stem

SURFACE_SUFFIXES = (".stl", ".obj", ".ply", ".vtp", ".vtk")
_MOST_LABELS = 300  # more different values are a picture
_FEW_POINTS, _SCATTERED = 20, 0.1
_TABLE_SUFFIXES = (".csv", ".mrk.json")


def is_mesh(path: Path) -> bool:
    return path.suffix.lower() in SURFACE_SUFFIXES


def may_be_lines(path: Path) -> bool:
    return path.name.lower().endswith(_TABLE_SUFFIXES)


def looks_labelled(voxels: np.ndarray) -> bool:
    """Whole numbers from 0 on, few of them, and mostly background: labels, and no picture."""
    sample = voxels.ravel()[:: max(1, voxels.size // 400_000)]
    if sample.min() < 0 or (sample.dtype.kind == "f" and not np.array_equal(sample, np.rint(sample))):
        return False
    return len(np.unique(sample)) <= _MOST_LABELS and float((sample == 0).mean()) > 0.5


def masks_of_folder(folder: Path, files: Sequence[Path]) -> FoundModel:
    """A folder with one mask a structure."""
    names = sorted(volume_stem(file) for file in files)
    words = f"{folder.name}: {len(names)} masks"
    return _with_names(FoundModel(path=folder, words=words, role="vessels"), names)


def label_volume(path: Path) -> FoundModel:
    """One file that holds labels; its names from its header, or from the file beside it that names them."""
    found = FoundModel(path=path, words=path.name, role="vessels")
    try:
        if is_nrrd(path):
            names = list(read_nrrd_labels(path).names.values())
        else:
            names = list(names_in_nifti(path).values()) or list(names_beside(path).names.values())
    except InputError as error:
        return found.model_copy(update={"why_not": str(error)})
    named = [name for name in names if name]
    if named:
        return _with_names(found, named)
    return found.model_copy(update={"doubt": "its labels have no names: classes are guessed from their shapes"})


def mesh(path: Path) -> FoundModel:
    """A surface, or lines where the file holds no triangles."""
    try:
        read = read_surface(path)
    except InputError as error:
        if "has no triangles" in str(error):
            return lines(path) or FoundModel(path=path, words=path.name, role="surface", why_not=str(error))
        return FoundModel(path=path, words=path.name, role="surface", why_not=str(error))
    words = f"{path.name}: surface of {len(read.surface.triangles)} triangles"
    return FoundModel(path=path, words=words, role="surface", doubt=_system_doubt(read.declared.system))


def lines(path: Path) -> FoundModel | None:
    """Centerlines; None for a table that is something else."""
    try:
        read = read_centerlines(path)
    except InputError:
        return None
    if _are_scattered(read.tree.points_mm()):
        return None
    words = f"{path.name}: centerlines, {len(read.tree.branches)} branches"
    return FoundModel(path=path, words=words, role="centerlines", doubt=_system_doubt(read.declared.system))


def placement(path: Path) -> FoundModel | None:
    """Where surface and centerlines belong; None for other JSON."""
    try:
        read_placement(path)
    except InputError:
        return None
    return FoundModel(path=path, words=f"{path.name}: places surface and centerlines", role="placement")


def _are_scattered(points_mm: Float[np.ndarray, "n 3"]) -> bool:
    """Points of a table that follow no line: from one to the next they cross a good part of the model."""
    steps = np.linalg.norm(np.diff(points_mm, axis=0), axis=1)
    extent_mm = float(np.ptp(points_mm, axis=0).max())
    return len(points_mm) > _FEW_POINTS and float(np.median(steps)) > _SCATTERED * extent_mm


def _with_names(found: FoundModel, names: Sequence[str]) -> FoundModel:
    unclear = tuple(name for name in names if not structure_class_of(name) and not names_any_vessel(name))
    doubt = f"taken as arteries, their names tell no class: {', '.join(unclear[:6])}" if unclear else ""
    return found.model_copy(update={"structures": tuple(names), "unclear": unclear, "doubt": doubt})


def _system_doubt(system: str) -> str:
    return "" if system else "says no coordinate system: taken as LPS mm"
