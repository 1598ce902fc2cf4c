"""What a person has measured, marked and stored in a run; plain values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from calibration.carm import CArmGeometry
from engines.angiography.measurement import Figure, PixelSize

Ruler = Literal["length", "polyline", "angle", "diameter", "catheter", "marker", "ring", "point"]
RULERS: tuple[Ruler, ...] = ("length", "polyline", "angle", "diameter", "catheter", "marker", "ring", "point")
CLICKS: dict[Ruler, int | None] = {
    "length": 2, "polyline": None, "angle": 3, "diameter": 2, "catheter": 2, "marker": 2, "ring": 1, "point": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measurement:
    """Figures of some points in one picture; shown wherever the view is the same.

    Args:
        points_px: (n, 2) column and row as they were set, or along the vessel.
        figures: by name; "" for the only one.
        foreshortened_percent: what the registered model says of the vessel under the line; None where it does not.
        narrowest_px: (2,) of a stenosis.
    """

    kind: Ruler
    points_px: Float[np.ndarray, "n 2"]
    figures: tuple[tuple[str, Figure], ...]
    source_id: str
    frame: int
    geometry: CArmGeometry | None
    sop_instance_uid: str = ""
    foreshortened_percent: float | None = None
    narrowest_px: Float[np.ndarray, " 2"] | None = None

    def words(self) -> tuple[str, ...]:
        """One line a figure; then how millimetres were found, and what the model knows of the direction."""
        lines = [f"{name} {figure}".strip() for name, figure in self.figures]
        ways = dict.fromkeys(figure.way for _, figure in self.figures)
        lines += [f"({way})" for way in ways]
        if self.foreshortened_percent is not None:
            lines.append(f"foreshortened by {self.foreshortened_percent:.0f} %, says the model")
        return tuple(lines)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelMark:
    """A point on the model in 3D, or a ring around its lumen there.

    Args:
        point_lps_mm: (3,).
        direction: (3,) unit, along the vessel; what a ring stands across.
        radius_mm: of the ring; 0 for a point.
        given: it came with the case, and is not taken back.
    """

    name: str
    point_lps_mm: Float[np.ndarray, " 3"]
    direction: Float[np.ndarray, " 3"]
    radius_mm: float
    given: bool = False

    def outline_mm(self) -> Float[np.ndarray, "n 3"]:
        """The ring, closed; a point is one row."""
        if self.radius_mm <= 0.0:
            return self.point_lps_mm[None]
        helper = np.eye(3)[int(np.abs(self.direction).argmin())]
        across = np.cross(self.direction, helper)
        across /= np.linalg.norm(across)
        other = np.cross(self.direction, across)
        angle = np.linspace(0.0, 2.0 * np.pi, 49)[:, None]
        return self.point_lps_mm + self.radius_mm * (np.cos(angle) * across + np.sin(angle) * other)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredView:
    """A view to come back to: angles, distances, field of view, zoom, and the picture that it showed."""

    name: str
    geometry: CArmGeometry
    zoom: float
    source_id: str
    frame: int
    picture: np.ndarray  # grey, as it was windowed


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """All of it at one moment; each step of a person makes a new one.

    Args:
        size: of a catheter or marker, on the view of `size_geometry`; None leaves the header's.
    """

    measurements: tuple[Measurement, ...] = ()
    marks: tuple[ModelMark, ...] = ()
    views: tuple[StoredView, ...] = ()
    size: PixelSize | None = None
    size_geometry: CArmGeometry | None = None

    def with_measurement(self, one: Measurement) -> Measured:
        return replace(self, measurements=(*self.measurements, one))

    def with_mark(self, mark: ModelMark) -> Measured:
        return replace(self, marks=(*self.marks, mark))

    def with_view(self, view: StoredView) -> Measured:
        return replace(self, views=(*self.views, view))
