"""The models of an invented patient that a CTA workstation would export: CTA, label volume, surface."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int16
from skimage.measure import marching_cubes

from engines.anatomy.vessel_model import LabelVolume, SurfaceMesh
from engines.simulation.anatomies.anatomy import Patient
from engines.simulation.anatomies.lobes import lobe_distance_mm
from engines.simulation.shapes.voxels import Grid, ct_noise, tube_distance_mm

_LABEL_NUMBER = {"artery": 1, "vein": 2, "aorta": 3}
_NOISE_HU = 11.0
_HU_STEP = 6  # the CTA is stored in steps of 6 HU: below its noise, and half the file size


def vessel_labels(patient: Patient) -> LabelVolume:
    """Voxels whose centre lies in a lumen; thin vessels keep at least the voxels that they pass."""
    labels = np.zeros(patient.cta_grid.shape, dtype=np.uint8)
    for name, number in _LABEL_NUMBER.items():
        distance = lumen_distance_mm(
            patient, patient.cta_grid, name, floor_radius_mm=0.55 * patient.cta_grid.spacing_mm
        )
        labels[(distance < 0) & (labels == 0)] = number
    names = {number: name for name, number in _LABEL_NUMBER.items() if (labels == number).any()}
    return LabelVolume(labels=labels, lps_from_index=patient.cta_grid.lps_from_index(patient.offset_mm), names=names)


def enhanced_ct(patient: Patient, rng: np.random.Generator) -> Int16[np.ndarray, "i j k"]:
    """The CTA: contrast in every lumen with partial volume, and noise."""
    hu = patient.cta_hu.copy()
    voxel_mm = patient.cta_grid.spacing_mm
    for name, enhancement in patient.enhancement_hu.items():
        distance = lumen_distance_mm(patient, patient.cta_grid, name)
        share = np.clip(0.5 - distance / voxel_mm, 0.0, 1.0)
        lumen = share > 0
        hu[lumen] += share[lumen] * (45.0 + enhancement - hu[lumen])
    hu += ct_noise(rng, hu.shape, _NOISE_HU)
    return (np.rint(np.clip(hu, -1024, 3000) / _HU_STEP) * _HU_STEP).astype(np.int16)


def lumen_distance_mm(
    patient: Patient, grid: Grid, vessel_class: str | None, *, floor_radius_mm: float = 0.0
) -> Float32[np.ndarray, "i j k"]:
    """Signed distance to the lumen of one class (None for all), body frame grid."""
    chosen = [
        type(branch)(points_mm=branch.points_mm - patient.offset_mm, radius_mm=branch.radius_mm)
        for branch in patient.tree.branches
        if vessel_class in (None, branch.vessel_class)
    ]
    field = tube_distance_mm(grid, chosen, margin_mm=1.6 * grid.spacing_mm, floor_radius_mm=floor_radius_mm)
    if vessel_class in (None, "aorta"):
        for lobe in patient.lobes:
            reach = max(lobe.semi_axes_mm) + 2.0
            box = grid.box(np.asarray(lobe.centre_mm) - reach, np.asarray(lobe.centre_mm) + reach)
            if box is None:
                continue
            x, y, z = (axis.ravel()[part] for axis, part in zip(grid.axes_mm(), box, strict=True))
            points = np.stack(np.meshgrid(x, y, z, indexing="ij"), axis=-1)
            field[box] = np.minimum(field[box], lobe_distance_mm(points, lobe))
    return field


def lumen_surface(patient: Patient, spacing_mm: float = 0.9) -> SurfaceMesh:
    """Closed surface of all vessels; a lumen thinner than the grid gets the grid's width."""
    points = patient.tree.points_mm() - patient.offset_mm
    margin = float(patient.tree.radius_mm().max()) + 8.0
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    grid = Grid.covering(tuple(low), tuple(high), spacing_mm)
    distance = lumen_distance_mm(patient, grid, None, floor_radius_mm=0.75 * spacing_mm)
    vertices, triangles, _, _ = marching_cubes(distance, 0.0, spacing=(spacing_mm,) * 3, gradient_direction="ascent")
    vertices, triangles = _fewer_triangles(vertices, triangles, keep=0.35)
    return SurfaceMesh(vertices_mm=vertices + np.asarray(grid.first_mm) + patient.offset_mm, triangles=triangles)


def _fewer_triangles(vertices: np.ndarray, triangles: np.ndarray, *, keep: float) -> tuple[np.ndarray, np.ndarray]:
    """Quadric decimation: flat places of a marching-cubes surface need few triangles."""
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
    from vtkmodules.vtkFiltersCore import vtkQuadricDecimation

    points = vtkPoints()
    points.SetData(numpy_to_vtk(np.ascontiguousarray(vertices, dtype=np.float32), deep=True))
    cells = vtkCellArray()
    offsets = np.arange(0, 3 * len(triangles) + 1, 3, dtype=np.int64)
    corners = np.ascontiguousarray(triangles, dtype=np.int64).ravel()
    cells.SetData(numpy_to_vtkIdTypeArray(offsets, deep=True), numpy_to_vtkIdTypeArray(corners, deep=True))
    mesh = vtkPolyData()
    mesh.SetPoints(points)
    mesh.SetPolys(cells)
    decimate = vtkQuadricDecimation()
    decimate.SetInputData(mesh)
    decimate.SetTargetReduction(1.0 - keep)
    decimate.Update()
    output = decimate.GetOutput()
    fewer = vtk_to_numpy(output.GetPolys().GetConnectivityArray()).reshape(-1, 3).astype(np.int64)
    return vtk_to_numpy(output.GetPoints().GetData()).astype(np.float64), fewer
