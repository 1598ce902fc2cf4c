"""The patient's vessels in the C-arm: source, beam, detector with its picture, and how surely their place is known.

Everything is drawn in the patient's LPS millimetres, so that the model stays and the C-arm moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Integer, UInt8
from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
from vtkmodules.vtkFiltersCore import vtkQuadricClustering

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.anatomy.vessel_model import SurfaceMesh
from guidance_app.panels.pictures.scene_view import SceneView

_MOST_TRIANGLES = 15_000  # a software renderer takes 3 ms for these, and 16 ms for 60,000
_CLUSTERS = 90  # along each side of the model's box
_DETECTOR_PX = 160
_SOURCE_MM, _EDGE_MM = 16.0, 2.0
_WIDTH_MM = 1150.0  # source and detector of an ordinary C-arm, at any angle
_FAR_MM = 3000.0
_AROUND = 0.9  # of the model's diagonal, from the lower to the upper edge of the near view
_OPERATOR = np.array([0.45, 0.72, 0.50])  # looks from the patient's right and feet, over the table
_ARTERY, _UNKNOWN = (214, 92, 78), (120, 126, 132)
_BEAM, _ARM, _TABLE, _DOUBT = (63, 208, 255), (210, 214, 218), (70, 78, 86), (255, 176, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceDoubt:
    """One standard deviation of the model's place: across the beam and along it."""

    across_mm: float
    along_mm: float

    @property
    def words(self) -> str:
        return f"1 sigma: {self.across_mm:.1f} mm across,\n{self.along_mm:.0f} mm along the beam"


class CArmScene:
    """Fills a `SceneView`; what has not changed is not drawn anew.

    Args:
        near: the model alone, large enough to see how surely its place is known, with the ray through its middle.
    """

    def __init__(self, view: SceneView, *, near: bool = False) -> None:
        self.view = view
        self._near = near
        self._centre_mm = np.zeros(3)
        self._mesh: SurfaceMesh | None = None
        self._registered: bool | None = None
        self.fit()

    def show_model(self, surface: SurfaceMesh) -> None:
        """A surface that `simplified` has made small enough."""
        self._mesh = surface
        self._centre_mm = surface.vertices_mm.mean(axis=0)
        self._registered = None
        self.fit()

    def fit(self) -> None:
        """All of it in sight, whatever shape the view has; a person's zoom and turn are given up."""
        extent_mm = _WIDTH_MM
        if self._near and self._mesh is not None:
            extent_mm = _AROUND * float(np.linalg.norm(np.ptp(self._mesh.vertices_mm, axis=0)))
        self._look_at(extent_mm * max(1.0, self.view.height() / max(self.view.width(), 1)))

    def _look_at(self, width_mm: float) -> None:
        self.view.look_at(
            self._centre_mm, along=_OPERATOR / np.linalg.norm(_OPERATOR), up=np.array([0.0, -1.0, 0.0]),
            width_mm=width_mm, distance_mm=_FAR_MM,
        )  # fmt: skip

    def show_arm(
        self, geometry: CArmGeometry, isocentre_from_lps: RigidPose | None, doubt: PlaceDoubt | None,
        grey: UInt8[np.ndarray, "rows columns"] | None,
    ) -> None:  # fmt: skip
        """Show how the C-arm stands.

        Args:
            isocentre_from_lps: None where nothing is registered: the model then lies grey in the isocentre.
            doubt: of a registered model's place.
            grey: the picture on the detector.
        """
        if self._mesh is None:
            return
        self._colour_model(registered=isocentre_from_lps is not None)
        pose = isocentre_from_lps or RigidPose.from_rotation_vector(
            np.zeros(3), -self._centre_mm, target="isocentre", source="lps"
        )
        projection = geometry.projection(pose)
        source = projection.camera_from_lps.inverse().translation_mm
        rows, columns = geometry.shape_px
        corners_px = np.array([[-0.5, -0.5], [columns - 0.5, -0.5], [columns - 0.5, rows - 0.5], [-0.5, rows - 0.5]])
        corners = projection.back_project(corners_px, np.full(4, geometry.sid_mm))
        if self._near:
            self._ray(source, 0.0 if doubt is None else doubt.along_mm)
        else:
            self.view.centre_on(0.5 * (source + corners.mean(axis=0)))
            self._beam(source, corners)
            self._detector(corners, grey)
            self._table()
        if doubt is not None and isocentre_from_lps is not None:
            self._doubt(source, doubt)
        else:
            self.view.remove("doubt")

    def _colour_model(self, *, registered: bool) -> None:
        if self._mesh is None or registered == self._registered:
            return
        self._registered = registered
        colour = np.array(_ARTERY if registered else _UNKNOWN, np.uint8)
        vertices = self._mesh.vertices_mm
        self.view.set_mesh("model", vertices, self._mesh.triangles, np.tile(colour, (len(vertices), 1)))

    def _beam(self, source: Float[np.ndarray, " 3"], corners: Float[np.ndarray, "4 3"]) -> None:
        vertices, faces = _sphere()
        self._solid("source", source + _SOURCE_MM * vertices, faces, _ARM)
        for number, corner in enumerate(corners):
            self._bar(f"edge {number}", source, corner, _BEAM)
            self._bar(f"rim {number}", corner, corners[(number + 1) % 4], _ARM)
        sides = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1]])
        self._solid("beam", np.vstack([source, corners]), sides, _BEAM, opacity=0.08)

    def _ray(self, source: Float[np.ndarray, " 3"], gap_mm: float) -> None:
        """Through the model's middle; it leaves out what the ellipsoid fills."""
        beam = (self._centre_mm - source) / np.linalg.norm(self._centre_mm - source)
        self._bar("ray in", source, self._centre_mm - gap_mm * beam, _BEAM, radius_mm=0.4)
        self._bar("ray out", self._centre_mm + gap_mm * beam, 2.0 * self._centre_mm - source, _BEAM, radius_mm=0.4)

    def _detector(self, corners: Float[np.ndarray, "4 3"], grey: UInt8[np.ndarray, "rows columns"] | None) -> None:
        if grey is None:
            return
        small = cv2.resize(grey, (_DETECTOR_PX, _DETECTOR_PX), interpolation=cv2.INTER_AREA)
        self.view.set_picture(
            "detector", np.asarray(small, np.uint8), corners[0], corners[1] - corners[0], corners[3] - corners[0]
        )

    def _table(self) -> None:
        """Under the patient's back, as far as the model tells where that is; only to tell up from down."""
        x, y, z = self._centre_mm + np.array([0.0, 130.0, 0.0])
        plate = np.array([[x + dx, y, z + dz] for dx, dz in ((-230, -520), (230, -520), (230, 520), (-230, 520))])
        self._solid("table", plate, np.array([[0, 1, 2], [0, 2, 3]]), _TABLE, opacity=0.45)

    def _doubt(self, source: Float[np.ndarray, " 3"], doubt: PlaceDoubt) -> None:
        """An ellipsoid of one sigma about the model's middle, long along the beam."""
        beam = self._centre_mm - source
        beam = beam / np.linalg.norm(beam)
        vertices, faces = _sphere()
        along = vertices @ beam
        across = vertices - along[:, None] * beam
        size = doubt.across_mm * across + doubt.along_mm * along[:, None] * beam
        self._solid("doubt", self._centre_mm + size, faces, _DOUBT, opacity=0.85 if self._near else 0.5)

    def _bar(
        self, name: str, first: Float[np.ndarray, " 3"], last: Float[np.ndarray, " 3"], colour: tuple[int, int, int],
        *, radius_mm: float = _EDGE_MM,
    ) -> None:  # fmt: skip
        along = (last - first) / np.linalg.norm(last - first)
        u = np.cross(along, [0.31, 0.42, 0.85])
        u = u / np.linalg.norm(u)
        ends, radius = np.stack([first, last]), np.full((2, 1), radius_mm)
        sides = np.tile(u, (2, 1)), np.tile(np.cross(along, u), (2, 1))
        self.view.set_tube(name, ends, radius, *sides, np.tile(np.array(colour, np.uint8), (2, 1)))

    def _solid(
        self, name: str, vertices: Float[np.ndarray, "n 3"], faces: Integer[np.ndarray, "t 3"],
        colour: tuple[int, int, int], *, opacity: float = 1.0,
    ) -> None:  # fmt: skip
        colours = np.tile(np.array(colour, np.uint8), (len(vertices), 1))
        self.view.set_mesh(name, vertices, faces, colours, opacity=opacity)


def simplified(surface: SurfaceMesh) -> SurfaceMesh:
    """A surface with few enough triangles for a picture a few times a second; a small one comes back as it is."""
    if len(surface.triangles) <= _MOST_TRIANGLES:
        return surface
    points = vtkPoints()
    points.SetData(numpy_to_vtk(np.ascontiguousarray(surface.vertices_mm, dtype=np.float32), deep=True))
    cells = vtkCellArray()
    count = len(surface.triangles)
    flat = np.concatenate([np.full((count, 1), 3), surface.triangles], axis=1).astype(np.int64).ravel()
    cells.ImportLegacyFormat(numpy_to_vtkIdTypeArray(flat, deep=True))
    data = vtkPolyData()
    data.SetPoints(points)
    data.SetPolys(cells)
    fewer = vtkQuadricClustering()
    fewer.SetInputData(data)
    fewer.SetNumberOfDivisions(_CLUSTERS, _CLUSTERS, _CLUSTERS)
    fewer.Update()
    out = fewer.GetOutput()
    triangles = vtk_to_numpy(out.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    vertices = vtk_to_numpy(out.GetPoints().GetData()).astype(np.float64)
    return SurfaceMesh(vertices_mm=vertices, triangles=triangles.astype(np.int64))


def _sphere() -> tuple[Float[np.ndarray, "n 3"], Integer[np.ndarray, "t 3"]]:
    """Of radius 1, by 12 rings of 20 points."""
    rings, around = 12, 20
    polar = np.linspace(0.0, np.pi, rings)
    turn = np.linspace(0.0, 2.0 * np.pi, around, endpoint=False)
    vertices = np.stack(
        [np.outer(np.sin(polar), np.cos(turn)), np.outer(np.sin(polar), np.sin(turn)),
         np.outer(np.cos(polar), np.ones(around))], axis=-1,
    ).reshape(-1, 3)  # fmt: skip
    here = (np.arange(rings - 1)[:, None] * around + np.arange(around)[None, :]).ravel()
    beside = (np.arange(rings - 1)[:, None] * around + (np.arange(around)[None, :] + 1) % around).ravel()
    upper = np.stack([here, beside, here + around], axis=1)
    lower = np.stack([beside, beside + around, here + around], axis=1)
    return vertices, np.concatenate([upper, lower])
