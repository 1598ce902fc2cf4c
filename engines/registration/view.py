"""One X-ray view as input of a registration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from calibration.carm import CArmGeometry
from calibration.errors import InputError, MissingGeometryError
from engines.angiography.frame import Frame
from engines.segmentation.segmentation import Segmentation

# For each class that a network reports, the classes of model branches that it can show.
_BRANCH_CLASSES = {"artery": ("artery", "aorta"), "vein": ("vein",), "aorta": ("aorta", "artery"), "vessel": ()}
_MIN_FILLED_SHARE = 5e-4  # share of the picture; a vessel class with less counts as empty
_MIXED = 0.5  # if the veins' area exceeds this share of the arteries', the two may be confused


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegistrationView:
    """A picture's vessels and its projection geometry.

    Args:
        file: file name, for the result.
        frame: index from 0; -1 means the MinIP of the run.
        vessel: (rows, columns) probability that a pixel shows a contrast-filled vessel.
        image: the picture itself (dark vessels) for the intensity stages, or None.
        branch_classes: classes of model branches that `vessel` can show; empty for all.
        field_of_view: True where the collimator lets X-rays through; None if the whole frame is open.
        contrast: (rows, columns) what contrast darkened, linear in log units of any scale, for the rendering stage;
            None where the run does not tell: no frame without contrast, or a heart that moved since.
        frame_of_reference_uid: of the picture, "" if unknown.
        threshold: probability from which a pixel counts as vessel.
        veins: (rows, columns) probability of veins over the whole run, for a method that anchors on them; else None.
    """

    file: str
    sop_instance_uid: str
    frame: int
    geometry: CArmGeometry
    vessel: Float[np.ndarray, "rows columns"]
    image: np.ndarray | None = None
    branch_classes: tuple[str, ...] = ()
    field_of_view: Bool[np.ndarray, "rows columns"] | None = None
    contrast: Float[np.ndarray, "rows columns"] | None = None
    frame_of_reference_uid: str = ""
    threshold: float = 0.5
    veins: Float[np.ndarray, "rows columns"] | None = None

    def __post_init__(self) -> None:
        if self.vessel.shape != self.geometry.shape_px:
            raise InputError(
                f"{self.file}: the vessel mask is {self.vessel.shape[1]}x{self.vessel.shape[0]} pixels, the geometry "
                f"says {self.geometry.shape_px[1]}x{self.geometry.shape_px[0]}; use the frame's own size"
            )


def view_of_frame(
    frame: Frame,
    segmentation: Segmentation,
    *,
    file: str,
    frame_index: int | None = None,
    threshold: float = 0.5,
    frame_of_reference_uid: str = "",
    model_has_veins: bool = False,
) -> RegistrationView:
    """The view of a segmented frame; it shows veins only if veins are filled and arteries are not.

    Args:
        model_has_veins: if True, both are matched together while contrast passes from the arteries into the veins.

    Raises:
        MissingGeometryError: the frame's header does not state its projection geometry.
    """
    if frame.geometry is None:
        raise MissingGeometryError(
            f"{file}: frame {frame.source_frame} has no projection geometry ({frame.geometry_reason}); "
            "add the missing attributes or use a run that has them"
        )
    present = [name for name in ("artery", "aorta", "vein", "vessel") if name in segmentation.classes]
    arterial = [name for name in present if name in ("artery", "aorta", "vessel")]
    seen = arterial or present
    if "vein" in present and arterial:
        veins = float((segmentation.probability("vein") > threshold).mean())
        arteries = float((segmentation.probability(*arterial) > threshold).mean())
        if arteries < _MIN_FILLED_SHARE < veins:
            seen = ["vein"]
        elif model_has_veins and veins > max(_MIXED * arteries, _MIN_FILLED_SHARE):
            seen = present
    branch_classes = () if "vessel" in seen else tuple(sorted({c for name in seen for c in _BRANCH_CLASSES[name]}))
    return RegistrationView(
        file=file,
        sop_instance_uid=frame.sop_instance_uid,
        frame=frame.source_frame if frame_index is None else frame_index,
        geometry=frame.geometry,
        vessel=segmentation.probability(*seen),
        image=frame.pixels,
        branch_classes=branch_classes,
        field_of_view=segmentation.field_of_view,
        frame_of_reference_uid=frame_of_reference_uid,
        threshold=threshold,
    )
