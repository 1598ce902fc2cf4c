"""Sound files of every kind, small: what damage is done to."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    RLELossless,
)

from engines.angiography.files.xa_writer import xa_dataset
from tests.calibration.xa_headers import enhanced_header
from tests.engines.angiography.xa_samples import pixels, record
from tests.fuzz.jpeg_lossless import jpeg_lossless

SHAPE = (40, 48)  # rows, columns; JPEG 2000 needs 32
FRAMES = 3


def xa_samples() -> dict[str, Dataset]:
    """A run in every transfer syntax that this machine can write."""
    native = {
        "explicit": ExplicitVRLittleEndian, "implicit": ImplicitVRLittleEndian, "big-endian": ExplicitVRBigEndian,
        "deflated": DeflatedExplicitVRLittleEndian,
    }  # fmt: skip
    made = {name: _native(syntax, 16 if name != "explicit" else 8) for name, syntax in native.items()}
    made["rle"] = _compressed(RLELossless, 16)
    made["jpeg2000"] = _compressed(JPEG2000Lossless, 12)
    made["jpeg-lossless"] = _jpeg_lossless()
    made["masked"] = xa_dataset(record(pixels(FRAMES, SHAPE), mask_frames=(0,), frame_time_ms=1.0))
    made["enhanced"] = _enhanced()
    for name in ("JPEGLSNearLossless_08.dcm", "SC_rgb_small_odd_jpeg.dcm", "SC_rgb_rle.dcm", "examples_palette.dcm"):
        made[name] = _of_pydicom(name)
    return made


def ct_slices(syntax: UID = ExplicitVRLittleEndian) -> list[Dataset]:
    """Five slices of a CT series, in memory."""
    shape = (6, 8) if not syntax.is_encapsulated else SHAPE
    slices = []
    for index in range(5):
        slice_ = Dataset()
        slice_.file_meta = pydicom.dataset.FileMetaDataset()
        slice_.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax.is_encapsulated else syntax
        slice_.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1.2")
        slice_.SOPInstanceUID = UID(f"1.2.3.{index}")
        slice_.SeriesInstanceUID, slice_.FrameOfReferenceUID = UID("1.2.4"), UID("1.2.5")
        slice_.Modality, slice_.SeriesNumber = "CT", 3
        slice_.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        (slice_.Rows, slice_.Columns), slice_.SamplesPerPixel = shape, 1
        slice_.PhotometricInterpretation = "MONOCHROME2"
        slice_.PixelSpacing = [0.8, 0.5]
        slice_.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        slice_.ImagePositionPatient = [-20.0, 30.0, 100.0 + 1.25 * index]
        slice_.BitsAllocated, slice_.BitsStored, slice_.HighBit, slice_.PixelRepresentation = 16, 16, 15, 1
        slice_.RescaleSlope, slice_.RescaleIntercept = 1, -1000
        stored = np.arange(shape[0] * shape[1], dtype="<i2").reshape(shape) + index
        slice_.add_new(0x7FE00010, "OW", stored.tobytes())
        if syntax.is_encapsulated:
            slice_.compress(syntax, stored, generate_instance_uid=False)
        slices.append(slice_)
    return slices


def model_samples(folder: Path) -> dict[str, bytes]:
    """Surfaces, centerlines and volumes by file name."""
    from engines.anatomy.files.centerline_file import save_centerlines
    from engines.anatomy.files.nifti import write_nifti
    from engines.anatomy.files.surface_file import save_surface
    from engines.anatomy.vessel_model import Branch, CenterlineTree
    from tests.engines.anatomy.shapes import tube_surface

    tube = tube_surface(2.0, 20.0, around=8)
    save_surface(folder / "surface.vtp", tube)
    save_surface(folder / "surface.stl", tube)
    along = np.column_stack([np.linspace(0, 30, 12), np.zeros(12), np.linspace(0, 5, 12)])
    tree = CenterlineTree(branches=(Branch(points_mm=along, radius_mm=np.linspace(2, 1, 12), name="LAD"),))
    save_centerlines(folder / "lines.vtp", tree)
    voxels = (np.indices((12, 10, 8)).sum(axis=0) % 7).astype(np.int16)
    write_nifti(folder / "ct.nii", voxels * 100, np.diag([0.7, 0.7, 1.0, 1.0]))
    write_nifti(folder / "ct.nii.gz", voxels * 100, np.diag([0.7, 0.7, 1.0, 1.0]))
    made = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    made["lines.csv"] = (
        "x,y,z,radius,branch\n" + "".join(f"{x:.2f},{y:.2f},{z:.2f},1.5,LAD\n" for x, y, z in along)
    ).encode()
    made["lines.vtk"] = _legacy_vtk(along, lines=True)
    made["surface.vtk"] = _legacy_vtk(tube.vertices_mm, triangles=tube.triangles)
    made["surface.obj"] = "".join(
        [f"v {x} {y} {z}\n" for x, y, z in tube.vertices_mm]
        + [f"f {a + 1} {b + 1} {c + 1}\n" for a, b, c in tube.triangles]
    ).encode()
    made["surface.ply"] = (
        f"ply\nformat ascii 1.0\nelement vertex {len(tube.vertices_mm)}\nproperty float x\nproperty float y\n"
        f"property float z\nelement face {len(tube.triangles)}\nproperty list uchar int vertex_indices\nend_header\n"
        + "".join(f"{x} {y} {z}\n" for x, y, z in tube.vertices_mm)
        + "".join(f"3 {a} {b} {c}\n" for a, b, c in tube.triangles)
    ).encode()
    binary = made["surface.ply"].split(b"end_header\n")[0].replace(b"ascii", b"binary_little_endian") + b"end_header\n"
    faces = b"".join(struct.pack("<B3i", 3, *map(int, triangle)) for triangle in tube.triangles)
    made["binary.ply"] = binary + tube.vertices_mm.astype("<f4").tobytes() + faces
    made["ascii.stl"] = (
        "solid tube\n" + "".join(
            "facet normal 0 0 1\nouter loop\n"
            + "".join("vertex {} {} {}\n".format(*tube.vertices_mm[corner]) for corner in triangle)
            + "endloop\nendfacet\n" for triangle in tube.triangles[:20]
        ) + "endsolid tube\n"
    ).encode()  # fmt: skip
    made |= _label_files(folder, voxels.astype(np.uint8))
    points = [{"position": point, "positionStatus": "defined"} for point in along.tolist()]
    radii = [{"name": "Radius", "controlPointValues": [1.5] * len(points)}]
    curve = {"type": "Curve", "coordinateSystem": "RAS", "coordinateUnits": "mm", "controlPoints": points,
             "measurements": radii}  # fmt: skip
    made["lines.mrk.json"] = json.dumps({"markups": [curve]}).encode()
    made["lines.fcsv"] = (
        "# CoordinateSystem = LPS\n# columns = id,x,y,z\n" + "".join(f"P{x:.0f},{x},{y},{z}\n" for x, y, z in along)
    ).encode()
    made["names.json"] = json.dumps({"labels": {"background": 0, "artery": 1, "vein": 2}}).encode()
    made["names.label"] = b'0 0 0 0 0 0 0 "Clear Label"\n1 255 0 0 1 1 1 "artery"\n2 0 255 0 1 1 1 "vein"\n'
    made["names.tsv"] = b"index\tname\n1\tartery\n2\tvein\n"
    return made


def _label_files(folder: Path, voxels: np.ndarray) -> dict[str, bytes]:
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.minimum(voxels, 2).transpose(2, 1, 0))
    for number, name in enumerate(("artery", "vein")):
        for key, value in (("Name", name), ("LabelValue", number + 1), ("Layer", 0)):
            image.SetMetaData(f"Segment{number}_{key}", str(value))
    sitk.WriteImage(image, str(folder / "labels.seg.nrrd"), useCompression=True)
    return {"labels.seg.nrrd": (folder / "labels.seg.nrrd").read_bytes()}


def label_objects() -> dict[str, Dataset]:
    """A DICOM segmentation and an Enhanced CT, in memory."""

    def item(**values: object) -> Dataset:
        made = Dataset()
        for name, value in values.items():
            setattr(made, name, value)
        return made

    made = {}
    for name, sop_class in (
        ("labels.dcm", "1.2.840.10008.5.1.4.1.1.66.4"),
        ("enhanced.dcm", "1.2.840.10008.5.1.4.1.1.2.1"),
    ):
        dataset = ct_slices()[0]
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID(sop_class)
        shape = (4, int(dataset.Rows), int(dataset.Columns))
        dataset.NumberOfFrames = shape[0]
        shared = item(
            PixelMeasuresSequence=[item(PixelSpacing=[1, 1], SliceThickness=1)],
            PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
            PixelValueTransformationSequence=[item(RescaleSlope=1, RescaleIntercept=-1000)],
        )
        frames = [item(PlanePositionSequence=[item(ImagePositionPatient=[0, 0, k])]) for k in range(shape[0])]
        if name == "labels.dcm":
            for k, frame in enumerate(frames):
                frame.SegmentIdentificationSequence = [item(ReferencedSegmentNumber=1 + k % 2)]
            dataset.SegmentSequence = [item(SegmentNumber=n, SegmentLabel=f"vessel {n}") for n in (1, 2)]
            dataset.SegmentationType, dataset.MaximumFractionalValue, dataset.PixelRepresentation = "FRACTIONAL", 255, 0
            dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
            dataset.PixelData = bytes(range(200))[: int(np.prod(shape))].ljust(int(np.prod(shape)), b"\xff")
        else:
            dataset.PixelData = np.arange(np.prod(shape), dtype="<u2").tobytes()
        dataset.SharedFunctionalGroupsSequence, dataset.PerFrameFunctionalGroupsSequence = [shared], frames
        made[name] = dataset
    return made


def picture_samples(folder: Path) -> dict[str, bytes]:
    """Pictures and videos by file name."""
    import av
    from PIL import Image

    grey = pixels(1, SHAPE)[0]
    made: dict[str, bytes] = {}
    for name, image in (
        ("a.png", Image.fromarray(grey)), ("b.png", Image.fromarray(grey.astype(np.uint16) * 257)),
        ("c.png", Image.fromarray(grey).convert("P")), ("d.jpg", Image.fromarray(grey)),
        ("e.bmp", Image.fromarray(grey)), ("f.tif", Image.fromarray(np.stack([grey] * 3, -1))),
    ):  # fmt: skip
        buffer = io.BytesIO()
        image.save(buffer, {"tif": "TIFF", "jpg": "JPEG"}.get(name[2:], name[2:].upper()))
        made[name] = buffer.getvalue()
    pages = io.BytesIO()
    Image.fromarray(grey).save(
        pages, "TIFF", save_all=True, append_images=[Image.fromarray(grey)] * 2, compression="tiff_lzw"
    )
    made["g.tif"] = pages.getvalue()
    for name, codec in (("h.mp4", "mpeg4"), ("i.avi", "ffv1"), ("j.mkv", "mpeg4")):
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream(codec, rate=15)
            stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
            for frame in pixels(5, (32, 48)):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.stack([frame] * 3, -1), format="rgb24")))
            container.mux(stream.encode())
        made[name] = (folder / name).read_bytes()
    return made


def json_samples() -> dict[str, str]:
    """Texts of the files that the program reads as JSON, by what they are."""
    from calibration.phantoms.phantom import default_phantom
    from engines.registration.pose_file import registration_content
    from tests.guidance_app.live.stand_ins import registration

    created = {"created": "2026-01-01T00:00:00Z", "valid_until": None, "device": {"name": "test"}}
    view = {
        "file": "a.dcm", "shape_px": [64, 64], "projection_px_from_phantom_mm": [[1.0, 0, 0, 0]] * 3,
        "focal_spot_mm": [0.0, -700.0, 0.0], "focal_spot_sigma_mm": [1.0] * 3, "focal_length_px": 3000.0,
        "focal_length_sigma_px": 1.0, "principal_point_px": [32.0, 32.0], "principal_point_sigma_px": [1.0, 1.0],
        "pixel_spacing_mm": [0.3, 0.3], "sid_mm": 1000.0, "sid_sigma_mm": 1.0, "detector_centre_mm": [0.0, 300.0, 0.0],
        "primary_deg": 30.0, "secondary_deg": -10.0, "angle_sigma_deg": 0.1, "normal_primary_deg": 30.0,
        "normal_secondary_deg": -10.0, "roll_deg": 0.0, "beads_found": 30, "residual_rms_px": 0.1,
        "residual_max_px": 0.3,
    }  # fmt: skip
    carm = {"schema": "guidance-app/carm/1", **created, "phantom": "helix-36", "views": [view],
            "offset_primary_deg": 0.5, "offset_secondary_deg": -0.5}  # fmt: skip
    distortion = {
        "schema": "guidance-app/distortion/1", **created, "shape_px": [64, 64], "centre_px": [31.5, 31.5],
        "scale_px": 32.0, "degree": 1, "coefficients_px": [[0.0] * 3] * 2, "pixel_spacing_mm": 0.3,
        "hull_px": [[0.0, 0.0], [63.0, 0.0], [63.0, 63.0], [0.0, 63.0]], "grid_spacing_mm": 10.0, "grid_points": 30,
        "largest_shift_px": 1.0, "residual_rms_px": 0.1, "held_out_rms_px": 0.1, "held_out_p95_px": 0.2,
    }  # fmt: skip
    capture = {
        "schema": "guidance-app/capture/1", **created, "region_px": [2, 2, 40, 28], "text_masks_px": [[4, 4, 6, 6]],
        "pixel_spacing_mm": [0.3, 0.3], "aspect": 40 / 28, "screen_shape_px": [32, 48],
        "geometry": {"primary_deg": 1.0, "secondary_deg": 2.0, "sid_mm": 1000.0, "sod_mm": 700.0},
    }  # fmt: skip
    contents = {
        "pose": registration_content(registration()), "carm": carm, "distortion": distortion, "capture": capture,
        "phantom": default_phantom().model_dump(mode="json", by_alias=True),
        "placement": {"model_to_lps": np.eye(4).tolist()},
        "settings": {"schema_version": 1, "overlay_mode": "outline", "overlay_opacity": 0.5, "last_case": "evt"},
    }  # fmt: skip
    return {name: json.dumps(content) for name, content in contents.items()}


# Inside ---------------------------------------------------------------------------------------------------------------
def _native(syntax: UID, bits: int) -> Dataset:
    stack = pixels(FRAMES, SHAPE, bits)
    made = xa_dataset(record(stack, frame_time_ms=1.0))
    made.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        made.PixelData = stack.astype(stack.dtype.newbyteorder(">")).tobytes()
    return made


def _compressed(syntax: UID, bits: int) -> Dataset:
    stack = pixels(FRAMES, SHAPE, bits)
    made = xa_dataset(record(stack, bits_stored=bits, frame_time_ms=1.0))
    made.compress(syntax, stack, generate_instance_uid=False)
    return made


def _jpeg_lossless() -> Dataset:
    stack = pixels(FRAMES, SHAPE)
    made = xa_dataset(record(stack, frame_time_ms=1.0))
    made.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    made.add_new(0x7FE00010, "OB", encapsulate([jpeg_lossless(picture) for picture in stack]))
    made["PixelData"].is_undefined_length = True
    return made


def _enhanced() -> Dataset:
    made = xa_dataset(record(pixels(FRAMES, SHAPE), frame_time_ms=1.0))
    for keyword in ("PositionerPrimaryAngle", "PositionerSecondaryAngle", "DistanceSourceToDetector",
                    "DistanceSourceToPatient", "ImagerPixelSpacing"):  # fmt: skip
        delattr(made, keyword)
    header = enhanced_header((10.0, 20.0, 30.0))
    for keyword in ("SOPClassUID", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        setattr(made, keyword, header[keyword].value)
    return made


def _of_pydicom(name: str) -> Dataset:
    """A sample that ships with pydicom, called an XA run; its pictures stay as they are."""
    made = pydicom.dcmread(pydicom.data.get_testdata_file(name, download=False))
    made.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1.12.1")
    made.NumberOfFrames = int(made.get("NumberOfFrames", 1))
    return made


def _legacy_vtk(points: np.ndarray, *, lines: bool = False, triangles: np.ndarray | None = None) -> bytes:
    text = f"# vtk DataFile Version 3.0\nx\nASCII\nDATASET POLYDATA\nPOINTS {len(points)} float\n"
    text += "".join(f"{x} {y} {z}\n" for x, y, z in points)
    if lines:
        text += f"LINES 1 {len(points) + 1}\n{len(points)} " + " ".join(map(str, range(len(points)))) + "\n"
        text += f"POINT_DATA {len(points)}\nSCALARS radius float 1\nLOOKUP_TABLE default\n" + "1.5\n" * len(points)
    if triangles is not None:
        text += f"POLYGONS {len(triangles)} {4 * len(triangles)}\n" + "".join(
            f"3 {a} {b} {c}\n" for a, b, c in triangles
        )
    return text.encode()
