"""The patient's vessels as the program sees them: a surface, a centerline tree with radii, a label volume."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int, Integer

from engines.angiography.patient_mark import PatientMark


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Branch:
    """A piece of centerline between two nodes, ordered from the root outwards.

    Args:
        points_mm: (n, 3) LPS, n >= 2.
        radius_mm: (n,) lumen radius; NaN where unknown.
        name: anatomical name or "" ("LAD", "M1-left", "aorta").
        vessel_class: "artery", "vein" or "aorta"; a branch is matched only with this class of a frame.
        parent: index of the branch it springs from, -1 for a root.
    """

    points_mm: Float[np.ndarray, "n 3"]
    radius_mm: Float[np.ndarray, " n"]
    name: str = ""
    vessel_class: str = "artery"
    parent: int = -1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CenterlineTree:
    branches: tuple[Branch, ...]

    def points_mm(self) -> Float[np.ndarray, "n 3"]:
        return np.concatenate([branch.points_mm for branch in self.branches])

    def radius_mm(self) -> Float[np.ndarray, " n"]:
        return np.concatenate([branch.radius_mm for branch in self.branches])

    def resampled(self, step_mm: float) -> CenterlineTree:
        """The same tree with points every `step_mm` along each branch (ends kept)."""
        return CenterlineTree(branches=tuple(_resample(branch, step_mm) for branch in self.branches))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SurfaceMesh:
    """Triangles in LPS mm, ordered so that normals by the right-hand rule point outwards."""

    vertices_mm: Float[np.ndarray, "v 3"]
    triangles: Int[np.ndarray, "t 3"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CtVolume:
    """CT in Hounsfield units.

    Args:
        voxels_hu: (i, j, k) float32 or int16; index order is that of `lps_from_index`.
        lps_from_index: 4x4 affine, index (i, j, k) of a voxel CENTRE to LPS mm.
        frame_of_reference_uid: "" if the source has none.
        patient: whose it is, as far as a DICOM header says.
    """

    voxels_hu: Float[np.ndarray, "i j k"] | Integer[np.ndarray, "i j k"]
    lps_from_index: Float[np.ndarray, "4 4"]
    frame_of_reference_uid: str = ""
    patient: PatientMark | None = None

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        spacing = np.linalg.norm(self.lps_from_index[:3, :3], axis=0)
        return float(spacing[0]), float(spacing[1]), float(spacing[2])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelVolume:
    """Named labels on a voxel grid; 0 is background."""

    labels: Integer[np.ndarray, "i j k"]
    lps_from_index: Float[np.ndarray, "4 4"]
    names: dict[int, str] = field(default_factory=dict)

    def mask_of(self, name: str) -> Bool[np.ndarray, "i j k"]:
        """Voxels of one structure. Raises KeyError where no label has this name."""
        return self.labels == {said: number for number, said in self.names.items()}[name]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VesselModel:
    """The vessels that are registered and drawn; at least one of the three parts is present."""

    centerlines: CenterlineTree | None = None
    surface: SurfaceMesh | None = None
    labels: LabelVolume | None = None

    def __post_init__(self) -> None:
        if self.centerlines is None and self.surface is None and self.labels is None:
            raise ValueError("a vessel model needs a centerline tree, a surface or a label volume")

    def centroid_mm(self) -> Float[np.ndarray, " 3"]:
        """Mean of the centerline points, else of the surface vertices, else of the labelled voxels; LPS mm."""
        if self.centerlines is not None:
            return self.centerlines.points_mm().mean(axis=0)
        if self.surface is not None:
            return self.surface.vertices_mm.mean(axis=0)
        assert self.labels is not None
        index = np.argwhere(self.labels.labels > 0).mean(axis=0)
        return (self.labels.lps_from_index @ np.append(index, 1.0))[:3]


def _resample(branch: Branch, step_mm: float) -> Branch:
    steps = np.linalg.norm(np.diff(branch.points_mm, axis=0), axis=1)
    arc_mm = np.concatenate([[0.0], np.cumsum(steps)])
    keep = np.concatenate([[True], np.diff(arc_mm) > 0])
    arc_mm, points, radius = arc_mm[keep], branch.points_mm[keep], branch.radius_mm[keep]
    count = max(2, int(np.ceil(arc_mm[-1] / step_mm)) + 1)
    at_mm = np.linspace(0.0, arc_mm[-1], count)
    return Branch(
        points_mm=np.column_stack([np.interp(at_mm, arc_mm, points[:, axis]) for axis in range(3)]),
        radius_mm=np.interp(at_mm, arc_mm, radius),
        name=branch.name,
        vessel_class=branch.vessel_class,
        parent=branch.parent,
    )
