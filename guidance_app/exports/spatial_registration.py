"""The pose as a DICOM Spatial Registration object (PS3.3 A.39.1)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import XRayAngiographicImageStorage
from pydicom.valuerep import DSfloat

from calibration.errors import InputError
from calibration.pose import RigidPose
from guidance_app.exports.dicom_object import code, new_object, reference_series, write_object
from guidance_app.exports.identity import RESEARCH_LINE, ExportIdentity

_STORAGE = "1.2.840.10008.5.1.4.1.1.66.1"


def write_spatial_registration(
    path: Path,
    camera_from_lps: RigidPose,
    *,
    ct_frame_of_reference_uid: str,
    xa_sop_instance_uid: str,
    xa_frame: int,
    xa_series_instance_uid: str,
    identity: ExportIdentity,
) -> None:
    """Write where the CT lies before the X-ray camera.

    The registered frame of reference is the camera's: right-handed, origin in the X-ray source, z along the central
    ray, millimetres. The first item takes points of the CT's frame of reference there (C.20.2.1.1: the matrix maps
    source coordinates to the registered ones). The second ties the X-ray frame, which has no frame of reference of its
    own, to it by the identity. How the camera projects is no part of this object; `pose.json` beside it has that.

    Raises:
        InputError: the CT has no frame of reference.
    """
    if not ct_frame_of_reference_uid:
        raise InputError(
            f"{path.name}: the case has no frame of reference UID (its CTA is no DICOM series), so nothing can be "
            "registered to it; make the case from the DICOM series"
        )
    dataset = new_object(
        _STORAGE, name="spatial registration", modality="REG", series_number=902, description="Registration",
        identity=identity,
    )  # fmt: skip
    dataset.FrameOfReferenceUID = identity.new_uid("camera")
    dataset.PositionReferenceIndicator = ""
    dataset.ContentLabel = "CAMERA_FROM_CT"
    dataset.ContentDescription = RESEARCH_LINE
    dataset.ContentCreatorName = ""
    ct = _item(camera_from_lps.matrix, "X-ray camera from CT")
    ct.FrameOfReferenceUID = identity.uid(ct_frame_of_reference_uid)
    dataset.RegistrationSequence = Sequence([ct])
    if xa_sop_instance_uid:
        picture = Dataset()
        picture.ReferencedSOPClassUID = XRayAngiographicImageStorage
        picture.ReferencedSOPInstanceUID = identity.uid(xa_sop_instance_uid)
        picture.ReferencedFrameNumber = xa_frame + 1
        xray = _item(np.eye(4), "X-ray frame")
        xray.ReferencedImageSequence = Sequence([picture])
        dataset.RegistrationSequence.append(xray)
        reference_series(dataset, xa_series_instance_uid, [picture.ReferencedSOPInstanceUID], identity)
    write_object(path, dataset)


def _item(matrix: np.ndarray, comment: str) -> Dataset:
    transform = Dataset()
    transform.FrameOfReferenceTransformationMatrix = [DSfloat(float(v), auto_format=True) for v in matrix.ravel()]
    transform.FrameOfReferenceTransformationMatrixType = "RIGID"
    registration = Dataset()
    registration.FrameOfReferenceTransformationComment = f"{comment}. {RESEARCH_LINE}"
    registration.RegistrationTypeCodeSequence = code("125024", "DCM", "Image Content-based Alignment")
    registration.MatrixSequence = Sequence([transform])
    item = Dataset()
    item.MatrixRegistrationSequence = Sequence([registration])
    return item
