"""What the pose network is shown of a view and a model, and how its answer becomes a pose; without its library."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, Float32

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from calibration.pose import RigidPose
from engines.anatomy.vessel_model import CenterlineTree, VesselModel
from engines.networks.pose_answer import PICTURE_PX
from engines.registration.view import RegistrationView

STEP_MM = 5.0  # between the points that the model is drawn from
_MIN_SEEN = 2.0  # summed probability on the small picture below which there are too few vessels


def branches_shown(model: VesselModel, view: RegistrationView) -> CenterlineTree:
    """The branches of the classes that the view shows.

    Raises:
        InputError: the model has no centerlines, or none of these classes.
    """
    if model.centerlines is None:
        raise InputError("a start by the network needs a model with centerlines; make the case again with them")
    of_classes = [
        b for b in model.centerlines.branches if not view.branch_classes or b.vessel_class in view.branch_classes
    ]
    if not of_classes:
        raise InputError(
            f"{view.file}: shows {', '.join(view.branch_classes)}, of which the model has no branch; "
            "choose a frame that shows what the model holds"
        )
    return CenterlineTree(branches=tuple(of_classes))


def picture_with_vessels(view: RegistrationView) -> Float32[np.ndarray, "96 96"]:
    """`small_picture`. Raises InputError where it shows hardly a vessel."""
    seen = small_picture(view)
    if float(seen.sum()) < _MIN_SEEN:
        raise InputError(f"{view.file}: shows no vessel for the pose network; choose a fuller frame")
    return seen


def small_picture(view: RegistrationView) -> Float32[np.ndarray, "96 96"]:
    """The vessel probability averaged down into the upper left of the network's square; 0 outside the open field."""
    shown = np.asarray(view.vessel, dtype=np.float32)
    if view.field_of_view is not None:
        shown = shown * view.field_of_view
    rows, columns = (max(1, round(size * PICTURE_PX / max(shown.shape))) for size in shown.shape)
    square = np.zeros((PICTURE_PX, PICTURE_PX), dtype=np.float32)
    square[:rows, :columns] = cv2.resize(np.nan_to_num(shown), (columns, rows), interpolation=cv2.INTER_AREA)
    return np.clip(square, 0.0, 1.0)


def small_intrinsics(geometry: CArmGeometry) -> Float32[np.ndarray, "3 3"]:
    """Intrinsics of the network's square picture."""
    scale = PICTURE_PX / max(geometry.shape_px)
    # Pixel edges stay in place, so pixel centres move.
    resample = np.array([[scale, 0.0, 0.5 * scale - 0.5], [0.0, scale, 0.5 * scale - 0.5], [0.0, 0.0, 1.0]])
    return (resample @ geometry.intrinsics_px()).astype(np.float32)


def isocentre_from_camera(camera_from_lps: Float[np.ndarray, "4 4"], view: RegistrationView) -> RigidPose:
    """isocentre_from_lps of a camera that rounding has made not quite rigid."""
    matrix = np.array(camera_from_lps, dtype=np.float64)
    u, _, vt = np.linalg.svd(matrix[:3, :3])
    matrix[:3, :3], matrix[3] = u @ vt, (0.0, 0.0, 0.0, 1.0)
    camera = RigidPose(matrix=matrix, target="camera", source="lps")
    return view.geometry.camera_from_isocentre().inverse() @ camera
