"""Damage to DICOM data sets that knows what a reader believes: sizes, counts, types, lengths and stream headers."""

from __future__ import annotations

import contextlib
import copy
import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import write_dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from tests.fuzz.damage import EDGES, Rng, damaged, one_of

_US = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel",
       "PlanarConfiguration")  # fmt: skip
_TEXTS = ("../../evil", "/etc/cron.d/x", "1.2.3\\4.5", "1e400", "-1", "nan", "inf", "0", "", "9" * 70, "\x1b[2J",
          "A" * 3000, "1\\2\\3", "0.3", "1e-300", "2147483648", "DSA", "SUB")  # fmt: skip
_TEXT_KEYS = ("NumberOfFrames", "FrameTime", "FrameTimeVector", "ImagerPixelSpacing", "DistanceSourceToDetector",
              "DistanceSourceToPatient", "PositionerPrimaryAngle", "PositionerPrimaryAngleIncrement", "SOPInstanceUID",
              "PhotometricInterpretation", "WindowCenter", "WindowWidth", "RescaleSlope", "SpecificCharacterSet",
              "PixelIntensityRelationship", "SOPClassUID", "ImageType", "PixelSpacing", "ImagePositionPatient",
              "ImageOrientationPatient", "SeriesInstanceUID", "FrameOfReferenceUID", "CineRate", "PatientName",
              "FieldOfViewOrigin", "FieldOfViewRotation", "RescaleIntercept", "SliceThickness")  # fmt: skip
_VRS = (
    b"OB",
    b"OW",
    b"UN",
    b"SQ",
    b"US",
    b"UL",
    b"DS",
    b"IS",
    b"UI",
    b"FD",
    b"AT",
    b"LO",
    b"UT",
    b"PN",
    b"ZZ",
    b"\0\0",
)
_LONG_VRS = (b"OB", b"OW", b"OF", b"OD", b"SQ", b"UN", b"UT", b"UC", b"UR", b"OL", b"OV")
_FORMATS = ("MONOCHROME1", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "HSV", "")


def damaged_set(dataset: Dataset, rng: Rng) -> Dataset:
    """A copy in which values lie; it can still be written."""
    for _ in range(8):
        changed = _lied(dataset, rng)
        syntax = dataset.file_meta.TransferSyntaxUID
        # pydicom looks at some values when it writes, and does not write all that another program would.
        with contextlib.suppress(Exception):
            set_bytes(changed, implicit=syntax.is_implicit_VR, big_endian=not syntax.is_little_endian)
            return changed
    return dataset


def _lied(dataset: Dataset, rng: Rng) -> Dataset:
    changed = Dataset()
    # Elements of its own: a change of a value would be one of the sample, and of every later case.
    changed.update({tag: copy.copy(element) for tag, element in dataset._dict.items()})
    changed.file_meta = dataset.file_meta
    for _ in range(1 + int(rng.random() < 0.3) + int(rng.random() < 0.1)):
        one_of(rng, _LIES)(changed, rng)
    return changed


def set_bytes(dataset: Dataset, *, implicit: bool, big_endian: bool, deflate: bool = False) -> bytes:
    """The data set as it is stored or sent, without preamble and meta information."""
    from pydicom.filebase import DicomBytesIO

    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = implicit, not big_endian
    write_dataset(buffer, dataset)
    plain = buffer.getvalue()
    if not deflate:
        return plain
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(plain) + packer.flush()


def file_bytes(dataset: Dataset, *, preamble: bool = True) -> bytes:
    """A DICOM Part 10 file with whatever the data set holds; nothing is checked."""
    syntax = dataset.file_meta.TransferSyntaxUID
    body = set_bytes(
        dataset, implicit=syntax.is_implicit_VR, big_endian=not syntax.is_little_endian,
        deflate=syntax == DeflatedExplicitVRLittleEndian,
    )  # fmt: skip
    if not preamble:
        return body
    meta = io.BytesIO()
    for tag, vr, value in (
        (0x0002, b"UI", str(dataset.get("SOPClassUID", "1.2"))), (0x0003, b"UI", "1.2.3"), (0x0010, b"UI", str(syntax)),
    ):  # fmt: skip
        data = value.encode("ascii", "replace")[:65534]
        data += b"\0" * (len(data) % 2)
        meta.write(struct.pack("<HH2sH", 2, tag, vr, len(data)) + data)
    head = struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(meta.getvalue()))
    return bytes(128) + b"DICM" + head + meta.getvalue() + body


def damaged_elements(data: bytes, rng: Rng, start: int = 0) -> bytes:
    """Lengths, types and tags of an Explicit VR Little Endian stream, changed where they stand."""
    places = element_places(data, start)
    if not places:
        return damaged(data, rng)
    changed = bytearray(data)
    for _ in range(1 + int(rng.random() < 0.3)):
        at, length_at, length_size = one_of(rng, places)
        kind = rng.random()
        if kind < 0.45:
            number = one_of(rng, EDGES) & ((1 << (8 * length_size)) - 1)
            changed[length_at : length_at + length_size] = number.to_bytes(length_size, "little")
        elif kind < 0.75:
            changed[at + 4 : at + 6] = one_of(rng, _VRS)
        elif kind < 0.9:
            changed[at : at + 4] = struct.pack("<HH", *rng.choice([0x0008, 0x0028, 0x7FE0, 0xFFFE, 0x0009], 2))
        else:
            item = struct.pack("<HH2sHI", 0x0009, 0x1001, b"SQ", 0, 0xFFFFFFFF) + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
            changed[at:at] = item * one_of(rng, (1, 50, 3000))
            break
    return bytes(changed)


def element_places(data: bytes, start: int = 0) -> list[tuple[int, int, int]]:
    """(tag, length field, its size) of the elements on the top level."""
    at = start
    if data[128:132] == b"DICM" and not start:
        at = 132
    places = []
    while at + 12 <= len(data) and len(places) < 500:
        vr = data[at + 4 : at + 6]
        if not (vr.isalpha() and vr.isupper()):
            break
        if vr in _LONG_VRS:
            (length,) = struct.unpack_from("<I", data, at + 8)
            places.append((at, at + 8, 4))
            if length == 0xFFFFFFFF:
                break
            at += 12 + length
        else:
            (length,) = struct.unpack_from("<H", data, at + 6)
            places.append((at, at + 6, 2))
            at += 8 + length
    return places


# Lies a data set may tell ---------------------------------------------------------------------------------------------
def _number(dataset: Dataset, rng: Rng) -> None:
    setattr(dataset, one_of(rng, _US), one_of(rng, EDGES) & 0xFFFF)


def _sizes(dataset: Dataset, rng: Rng) -> None:
    """Products that overflow, or just reach the caps."""
    dataset.Rows, dataset.Columns = (int(one_of(rng, (1, 8192, 8193, 65535, 0, 46341 & 0xFFFF))) for _ in range(2))
    _text_of(dataset, "NumberOfFrames", str(one_of(rng, (1, 64, 2**31 - 1, 2**33, -1, 0))))


def _text(dataset: Dataset, rng: Rng) -> None:
    _text_of(dataset, one_of(rng, _TEXT_KEYS), one_of(rng, _TEXTS))


def _text_of(dataset: Dataset, keyword: str, text: str) -> None:
    """Past pydicom's own checks, as another writer would."""
    from pydicom.datadict import dictionary_VR, tag_for_keyword
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    tag = Tag(tag_for_keyword(keyword) or 0)
    data = text.encode("latin-1", "replace")
    data += b" " * (len(data) % 2)
    dataset._dict[tag] = RawDataElement(tag, dictionary_VR(tag), len(data), data, 0, False, True)


def _missing(dataset: Dataset, rng: Rng) -> None:
    del dataset[one_of(rng, list(dataset.keys()))]


def _colour(dataset: Dataset, rng: Rng) -> None:
    _text_of(dataset, "PhotometricInterpretation", one_of(rng, _FORMATS))
    dataset.SamplesPerPixel = int(one_of(rng, (1, 3, 4)))
    if rng.random() < 0.3:
        palette = np.zeros(256, np.uint16).tobytes()
        for colour in ("Red", "Green", "Blue"):
            setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [one_of(rng, (0, 16, 256)), 0, 16])
            setattr(dataset, f"{colour}PaletteColorLookupTableData", palette[: int(rng.integers(2, 513)) // 2 * 2])


def _depth(dataset: Dataset, rng: Rng) -> None:
    dataset.BitsAllocated = int(one_of(rng, (1, 8, 12, 16, 24, 32, 64)))
    dataset.BitsStored = int(one_of(rng, (1, 7, 8, 10, 12, 16, 17, 32)))
    dataset.HighBit = int(one_of(rng, (0, 7, 9, 11, 15, 31)))


def _pixel_length(dataset: Dataset, rng: Rng) -> None:
    data = bytes(dataset.PixelData) if "PixelData" in dataset else b""
    cut = data[: int(rng.integers(len(data) + 1))]
    _pixels(dataset, cut + b"\0" * (len(cut) % 2))


def _pixel_bytes(dataset: Dataset, rng: Rng) -> None:
    if "PixelData" in dataset and dataset.PixelData:
        data = damaged(bytes(dataset.PixelData), rng)
        _pixels(dataset, data + b"\0" * (len(data) % 2))


def _stream_head(dataset: Dataset, rng: Rng) -> None:
    """Compressed frames whose own headers say something else, or are those of another coding."""
    from pydicom.encaps import generate_frames

    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated or "PixelData" not in dataset:
        return
    try:
        frames = list(generate_frames(dataset.PixelData, number_of_frames=3))
    except (ValueError, struct.error):
        return
    frames = [frame for frame in frames if frame]
    if not frames:
        return
    chosen = int(rng.integers(len(frames)))
    head = bytearray(frames[chosen])
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(min(len(head), 120)))
        head[at] = int(rng.integers(256))
    frames[chosen] = one_of(
        rng, (bytes(head), bytes(head[: len(head) // 2]), b"", b"\xff\xd8\xff\xd9", bytes(head) * 3)
    )
    frames = [(frame or b"\0") + b"\0" * (len(frame or b"\0") % 2) for frame in frames] * one_of(rng, (1, 1, 2))
    _pixels(dataset, encapsulate(frames, has_bot=rng.random() < 0.5))


def _pixels(dataset: Dataset, data: bytes) -> None:
    undefined = dataset.file_meta.TransferSyntaxUID.is_encapsulated
    dataset.add_new(0x7FE00010, "OB" if undefined else "OW", data)
    dataset["PixelData"].is_undefined_length = undefined


def _mask(dataset: Dataset, rng: Rng) -> None:
    item = Dataset()
    _text_of(item, "MaskOperation", one_of(rng, ("AVG_SUB", "TID", "REV_TID", "NONE", "../x")))
    item.MaskFrameNumbers = [int(one_of(rng, (0, 1, 2, 65535))) for _ in range(int(rng.integers(1, 4)))]
    item.MaskSubPixelShift = [float(one_of(rng, (0.0, 0.5, -1e30, 1e4))) for _ in range(2)]
    item.TIDOffset = int(one_of(rng, (0, 1, -1, 32767)))
    if rng.random() < 0.5:
        item.ApplicableFrameRange = [int(one_of(rng, (0, 1, 3, 65535))) for _ in range(2)]
    dataset.MaskSubtractionSequence = [item]


def _groups(dataset: Dataset, rng: Rng) -> None:
    for keyword in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        if keyword in dataset and rng.random() < 0.7:
            items = list(dataset[keyword].value)
            kind = rng.random()
            if kind < 0.4:
                items = items[: int(rng.integers(len(items) + 1))]
            elif kind < 0.7:
                items = items * int(rng.integers(1, 40))
            else:
                items = [Dataset() for _ in items]
            setattr(dataset, keyword, items)


_LIES: tuple[Callable[[Dataset, Rng], None], ...] = (
    _number, _number, _sizes, _text, _text, _text, _missing, _colour, _depth, _pixel_length, _pixel_bytes, _stream_head,
    _stream_head, _mask, _groups,
)  # fmt: skip
