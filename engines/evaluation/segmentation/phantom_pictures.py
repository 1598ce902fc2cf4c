"""The real coronary phantom as labelled pictures; its surface, projected at the known pose, is the reference mask."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool

from calibration.projection import Projection
from engines.anatomy.files.surface_file import load_surface
from engines.anatomy.placement import moved_surface, read_placement
from engines.anatomy.vessel_model import SurfaceMesh
from engines.angiography.files.open_run import open_run
from engines.evaluation.registration.cases import phantom_subjects
from engines.evaluation.segmentation.labelled_pictures import LabelledPicture

_SUBPIXEL_BITS = 4


def phantom_pictures(folder: Path, *, backend: str = "auto") -> list[LabelledPicture]:
    """The fullest frame of each cine.

    No mask can reach a Dice of 1 against this reference. The surface is wider than the contrast in every branch, as if
    it included the wall; it has branches that contrast never reached; and its pose was fitted, not measured. The
    centerline is more reliable, so clDice tells more than Dice.

    Raises:
        InputError: the folder is not the phantom's, or its surface cannot be read.
    """
    subjects = phantom_subjects(folder, backend=backend)
    surface = moved_surface(load_surface(folder / "surface_coarse.stl"), read_placement(folder / "placement.json"))
    pictures = []
    for subject in subjects:
        projection = subject.view.geometry.projection(subject.true_isocentre_from_lps)
        pictures.append(
            LabelledPicture(
                name=subject.run,
                frame=open_run(folder / f"{subject.run}.dcm").frame(subject.view.frame),
                mask=silhouette(surface, projection),
            )
        )
    return pictures


def silhouette(surface: SurfaceMesh, projection: Projection) -> Bool[np.ndarray, "rows columns"]:
    """The mask of all projected triangles; the whole surface must lie in front of the source."""
    px, _ = projection.project(surface.vertices_mm)
    mask = np.zeros(projection.shape_px, np.uint8)
    for triangle in np.rint(px * 2**_SUBPIXEL_BITS).astype(np.int32)[surface.triangles]:
        cv2.fillConvexPoly(mask, triangle, 1, shift=_SUBPIXEL_BITS)
    return mask > 0
