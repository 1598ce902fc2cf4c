"""The smallest valid headers of X-ray angiographic objects."""

from pydicom.dataset import Dataset

XA, ENHANCED_XA = "1.2.840.10008.5.1.4.1.1.12.1", "1.2.840.10008.5.1.4.1.1.12.1.1"


def xa_header(frames: int = 4, **changes: object) -> Dataset:
    """A classic XA header; a change to None removes the attribute."""
    header = Dataset()
    values = {
        "SOPClassUID": XA,
        "NumberOfFrames": frames,
        "Rows": 256,
        "Columns": 512,
        "DistanceSourceToDetector": 1000,
        "DistanceSourceToPatient": 750,
        "ImagerPixelSpacing": [0.4, 0.2],
        "PositionerMotion": "STATIC",
        "PositionerPrimaryAngle": 30,
        "PositionerSecondaryAngle": -20,
    }
    for keyword, value in (values | changes).items():
        if value is not None:
            setattr(header, keyword, value)
    return header


def group(**values: object) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def enhanced_header(primaries_deg: tuple[float, ...] = (10.0, 20.0), **shared: object) -> Dataset:
    """An Enhanced XA header: angles and table per frame, everything else shared."""
    header = Dataset()
    header.SOPClassUID = ENHANCED_XA
    header.NumberOfFrames = len(primaries_deg)
    header.Rows, header.Columns = 256, 512
    header.SharedFunctionalGroupsSequence = [
        group(
            XRayGeometrySequence=[group(DistanceSourceToIsocenter=780.0, DistanceSourceToDetector=1100.0)],
            FramePixelDataPropertiesSequence=[group(ImagerPixelSpacing=[0.4, 0.2])],
            **shared,
        )
    ]
    header.PerFrameFunctionalGroupsSequence = [
        group(
            PositionerPositionSequence=[group(PositionerPrimaryAngle=primary, PositionerSecondaryAngle=5.0)],
            TablePositionSequence=[
                group(TableTopVerticalPosition=1.0, TableTopLongitudinalPosition=float(i), TableTopLateralPosition=3.0)
            ],
        )
        for i, primary in enumerate(primaries_deg)
    ]
    return header
