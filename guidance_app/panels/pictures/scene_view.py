"""A 3-D scene rendered off screen by VTK into a plain widget: no OpenGL context of Qt's own is needed."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Integer, UInt8
from PyQt6.QtCore import QPointF, QTimer, pyqtSignal
from PyQt6.QtGui import QColor, QFont, QImage, QMouseEvent, QPainter, QPaintEvent, QWheelEvent
from PyQt6.QtWidgets import QWidget
from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkObject, vtkPoints, vtkUnsignedCharArray
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkImageData, vtkPolyData
from vtkmodules.vtkFiltersSources import vtkPlaneSource
from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper, vtkRenderer, vtkRenderWindow, vtkTexture

import vtkmodules.vtkRenderingOpenGL2  # noqa: F401  # isort: skip - the factory of the renderer

from guidance_app.views import palette

_SIDES = 24
_NO_OPENGL = "No 3-D on this machine: OpenGL cannot be used; `doctor` says what is missing"
_MOST_PX = (560, 420)  # larger views are scaled up: a software renderer pays for every pixel


class SceneView(QWidget):
    """Tubes and pictures in space; a drag turns, the wheel zooms. Renders when idle, newest state alone.

    `rendered` is told after each new picture.
    """

    rendered = pyqtSignal()

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title, self.legend = title, ""
        vtkObject.GlobalWarningDisplayOff()  # it looks for a display first, and says that there is none
        self._renderer = vtkRenderer()
        self._renderer.SetBackground(0.043, 0.047, 0.055)
        self._window = vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetShowWindow(False)
        self._window.SetMultiSamples(0)
        self._window.AddRenderer(self._renderer)
        self._actors: dict[str, vtkActor] = {}
        self._textures: dict[str, tuple[vtkPlaneSource, vtkTexture]] = {}
        self._image: QImage | None = None
        self._grabbed: QPointF | None = None
        self._closed = False
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self.render_now)
        self.setMinimumSize(160, 140)

    def set_tube(
        self, name: str, points_mm: Float[np.ndarray, "n 3"], radius_mm: Float[np.ndarray, "n a"],
        u: Float[np.ndarray, "n 3"], v: Float[np.ndarray, "n 3"], colours: UInt8[np.ndarray, "n 3"], *,
        opacity: float = 1.0,
    ) -> None:  # fmt: skip
        """A surface about a line, with its own radius at each angle (or one for all: shape (n, 1)) from u towards v."""
        turn = np.linspace(0, 2 * np.pi, _SIDES, endpoint=False)
        around = np.stack([np.interp(turn, np.arange(radius_mm.shape[1]) * 2 * np.pi / radius_mm.shape[1], row,
                                     period=2 * np.pi) for row in radius_mm])  # fmt: skip
        ring = np.cos(turn)[None, :, None] * u[:, None] + np.sin(turn)[None, :, None] * v[:, None]
        vertices = (points_mm[:, None] + around[:, :, None] * ring).reshape(-1, 3)
        here = np.arange(len(points_mm) - 1)[:, None] * _SIDES
        a, b = np.arange(_SIDES)[None, :], (np.arange(_SIDES)[None, :] + 1) % _SIDES
        quads = np.stack([here + a, here + b, here + _SIDES + b, here + _SIDES + a], axis=2).reshape(-1, 4)
        self._surface(name, vertices, quads, np.repeat(colours, _SIDES, axis=0), opacity=opacity)

    def set_mesh(
        self, name: str, vertices_mm: Float[np.ndarray, "n 3"], triangles: Integer[np.ndarray, "t 3"],
        colours: UInt8[np.ndarray, "n 3"], *, opacity: float = 1.0,
    ) -> None:  # fmt: skip
        """A surface of triangles with a colour a vertex."""
        self._surface(name, vertices_mm, triangles, colours, opacity=opacity)

    def set_picture(
        self, name: str, grey: UInt8[np.ndarray, "r c"], corner_mm: Float[np.ndarray, " 3"],
        across_mm: Float[np.ndarray, " 3"], down_mm: Float[np.ndarray, " 3"], *, opacity: float = 1.0,
    ) -> None:  # fmt: skip
        """A picture standing in space, from its first pixel's corner along its columns and its rows."""
        plane, texture = self._textures.get(name) or self._new_picture(name)
        plane.SetOrigin(*corner_mm.tolist())
        plane.SetPoint1(*(corner_mm + across_mm).tolist())
        plane.SetPoint2(*(corner_mm + down_mm).tolist())
        rows, columns = grey.shape
        data = vtkImageData()
        data.SetDimensions(columns, rows, 1)
        values = numpy_to_vtk(np.ascontiguousarray(grey).ravel(), deep=True)
        data.GetPointData().SetScalars(values)
        texture.SetInputData(data)
        self._actors[name].GetProperty().SetOpacity(opacity)
        self.render_soon()

    def remove(self, name: str) -> None:
        actor = self._actors.pop(name, None)
        self._textures.pop(name, None)
        if actor is not None:
            self._renderer.RemoveActor(actor)
            self.render_soon()

    def look_at(
        self, centre_mm: Float[np.ndarray, " 3"], *, along: Float[np.ndarray, " 3"], up: Float[np.ndarray, " 3"],
        width_mm: float, distance_mm: float = 300.0,
    ) -> None:  # fmt: skip
        """Point the camera.

        Args:
            along: direction of looking.
            distance_mm: what lies further in front of the centre than this is not seen.
        """
        camera = self._renderer.GetActiveCamera()
        camera.SetParallelProjection(1)
        camera.SetFocalPoint(*centre_mm.tolist())
        camera.SetPosition(*(centre_mm - distance_mm * along).tolist())
        camera.SetViewUp(*up.tolist())
        camera.SetParallelScale(width_mm / 2.0)
        self._renderer.ResetCameraClippingRange()
        self.render_soon()

    def centre_on(self, centre_mm: Float[np.ndarray, " 3"]) -> None:
        """Bring a point to the middle, and leave direction and zoom as a person set them."""
        camera = self._renderer.GetActiveCamera()
        by = centre_mm - np.array(camera.GetFocalPoint())
        if np.abs(by).max() < 0.5:
            return
        camera.SetPosition(*(np.array(camera.GetPosition()) + by).tolist())
        camera.SetFocalPoint(*centre_mm.tolist())
        self.render_soon()

    def turn_camera(self, azimuth_deg: float, elevation_deg: float) -> None:
        camera = self._renderer.GetActiveCamera()
        camera.Azimuth(azimuth_deg)
        camera.Elevation(elevation_deg)
        camera.OrthogonalizeViewUp()
        self._renderer.ResetCameraClippingRange()
        self.render_soon()

    def render_soon(self) -> None:
        """Several changes cost one rendering."""
        if self._closed:
            return
        self._soon.start()

    def render_now(self) -> None:
        if self._closed:
            return
        width, height = max(self.width(), 2), max(self.height(), 2)
        shrink = max(width / _MOST_PX[0], height / _MOST_PX[1], 1.0)
        width, height = int(width / shrink), int(height / shrink)
        if self._window.GetSize() != (width, height):
            self._window.SetSize(width, height)
        self._renderer.ResetCameraClippingRange()
        self._window.Render()
        buffer = vtkUnsignedCharArray()
        self._window.GetRGBACharPixelData(0, 0, width - 1, height - 1, 0, buffer)  # pyright: ignore[reportArgumentType]
        if buffer.GetNumberOfValues() != 4 * width * height:
            # The pictures beside it need no OpenGL, and go on.
            self._image, self.legend = None, _NO_OPENGL
            self.update()
            return
        pixels = np.ascontiguousarray(vtk_to_numpy(buffer).reshape(height, width, 4)[::-1])
        self._image = QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBX8888).copy()
        self.update()
        self.rendered.emit()

    def clear(self) -> None:
        """Take everything out of the scene; the camera stays."""
        for actor in self._actors.values():
            self._renderer.RemoveActor(actor)
        self._actors.clear()
        self._textures.clear()

    def close_scene(self) -> None:
        """Give VTK's window back before Qt takes the widget away."""
        self._soon.stop()
        self._closed = True
        self._window.Finalize()

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: ARG002 - Qt's signature
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(palette.ROOM))
        if self._image is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(self.rect(), self._image)
        font = QFont(palette.FONT_FAMILY)
        font.setPixelSize(palette.SMALL_TEXT_PX)
        font.setBold(True)
        painter.setFont(font)
        painter.setPen(QColor(palette.BRIGHT_TEXT))
        painter.drawText(8, 17, self.title)
        font.setBold(False)
        painter.setFont(font)
        painter.setPen(QColor(palette.QUIET_TEXT))
        for number, line in enumerate(reversed(self.legend.splitlines())):
            painter.drawText(8, self.height() - 8 - 16 * number, line)
        painter.end()

    def resizeEvent(self, a0: Any) -> None:  # noqa: ARG002 - Qt's signature
        self.render_soon()

    def mousePressEvent(self, a0: QMouseEvent | None) -> None:
        self._grabbed = None if a0 is None else a0.position()

    def mouseMoveEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is not None and self._grabbed is not None:
            by = a0.position() - self._grabbed
            self._grabbed = a0.position()
            self.turn_camera(-0.5 * by.x(), 0.5 * by.y())

    def mouseReleaseEvent(self, a0: QMouseEvent | None) -> None:  # noqa: ARG002 - Qt's signature
        self._grabbed = None

    def wheelEvent(self, a0: QWheelEvent | None) -> None:
        if a0 is not None:
            camera = self._renderer.GetActiveCamera()
            camera.SetParallelScale(camera.GetParallelScale() * 0.999 ** a0.angleDelta().y())
            self.render_soon()

    def _surface(
        self, name: str, vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray, *, opacity: float
    ) -> None:
        points = vtkPoints()
        points.SetData(numpy_to_vtk(np.ascontiguousarray(vertices, dtype=np.float32), deep=True))
        cells = vtkCellArray()
        flat = np.concatenate([np.full((len(faces), 1), faces.shape[1]), faces], axis=1).astype(np.int64).ravel()
        cells.ImportLegacyFormat(numpy_to_vtkIdTypeArray(flat, deep=True))
        data = vtkPolyData()
        data.SetPoints(points)
        data.SetPolys(cells)
        shades = numpy_to_vtk(np.ascontiguousarray(colours, dtype=np.uint8), deep=True)
        data.GetPointData().SetScalars(shades)
        actor = self._actors.get(name) or self._new_actor(name)
        mapper = vtkPolyDataMapper()
        mapper.SetInputData(data)
        actor.SetMapper(mapper)
        actor.GetProperty().SetOpacity(opacity)
        self.render_soon()

    def _new_actor(self, name: str) -> vtkActor:
        actor = vtkActor()
        self._actors[name] = actor
        self._renderer.AddActor(actor)
        return actor

    def _new_picture(self, name: str) -> tuple[vtkPlaneSource, vtkTexture]:
        plane, texture, mapper = vtkPlaneSource(), vtkTexture(), vtkPolyDataMapper()
        mapper.SetInputConnection(plane.GetOutputPort())
        actor = self._new_actor(name)
        actor.SetMapper(mapper)
        texture.InterpolateOn()
        actor.SetTexture(texture)
        actor.GetProperty().LightingOff()
        self._textures[name] = (plane, texture)
        return plane, texture
