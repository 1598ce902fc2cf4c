"""Where each picture lies in an object's pixel data: as the bytes show, where the header states otherwise."""

from __future__ import annotations

import bisect
from dataclasses import dataclass

from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from calibration.errors import InputError
from engines.angiography.files.codestream import StreamKind, starts_frame, stream_kind
from engines.angiography.files.dicom_stream import DicomStream, Fragment, read_fragments

_HEAD_BYTES = 16
_SEARCHED_BYTES = 64 * 1024  # application segments before a JPEG's size are far smaller
# What a stream may be stored under, the usual one first.
_SYNTAXES: dict[StreamKind, tuple[UID, ...]] = {
    "jpeg-8": (JPEGBaseline8Bit, JPEGExtended12Bit),
    "jpeg-12": (JPEGExtended12Bit,),
    "jpeg-lossless": (JPEGLosslessSV1, JPEGLossless),
    "jpeg-ls": (JPEGLSLossless, JPEGLSNearLossless),
    "jpeg-2000": (JPEG2000, JPEG2000Lossless, *(UID(f"1.2.840.10008.1.2.4.{end}") for end in (92, 93, 201, 202, 203))),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePlaces:
    """The pictures that are stored.

    Args:
        frames: how many there are to read: those stated, or more if more are stored.
        fragments: of each stored picture; None for uncompressed pixel data.
        transfer_syntax: what they are decoded by.
        said: what the header states otherwise, one line each.
    """

    frames: int
    fragments: tuple[tuple[Fragment, ...], ...] | None
    transfer_syntax: UID
    said: tuple[str, ...] = ()


def frame_places(stream: DicomStream, stated_frames: int, frame_bytes: int, source: str) -> FramePlaces:
    """Find the pictures.

    Args:
        frame_bytes: of one uncompressed picture.

    Raises:
        InputError: the pixel data are neither what the transfer syntax states nor anything that tells itself.
    """
    stated = stream.transfer_syntax
    if stream.pixel_length is not None:
        return _native(stream, stated_frames, frame_bytes, source)
    table, fragments = read_fragments(stream)
    head = stream.read(fragments[0].start, min(fragments[0].length, _SEARCHED_BYTES)) if fragments else b""
    kind = stream_kind(head)
    known = _SYNTAXES[kind] if kind else ()
    syntax = stated if stated in known or not known else known[0]
    said = []
    if not syntax.is_encapsulated:
        raise InputError(
            f"{source}: states the transfer syntax {stated.name} and holds compressed pixel data of another; export it "
            "again"
        )
    if syntax != stated:
        said.append(f"{source}: states {stated.name}, its pictures are {syntax.name}; read as they are")
    stored = _stored(stream, table, fragments, stated_frames, run_length=syntax == RLELossless)
    if len(stored) > stated_frames:
        said.append(_more(source, stated_frames, len(stored)))
    frames = max(stated_frames, len(stored))
    return FramePlaces(frames=frames, fragments=tuple(stored), transfer_syntax=syntax, said=tuple(said))


def _native(stream: DicomStream, stated_frames: int, frame_bytes: int, source: str) -> FramePlaces:
    stated, length = stream.transfer_syntax, stream.pixel_length or 0
    stored, rest = divmod(length, max(frame_bytes, 1))
    whole = stored >= stated_frames and rest <= 1  # an odd length is padded
    syntax, said = stated, []
    if stated.is_encapsulated:
        if not whole:
            raise InputError(
                f"{source}: states the transfer syntax {stated.name} and holds {length} plain bytes, not "
                f"{stated_frames} pictures of {frame_bytes}; export it again"
            )
        syntax = ExplicitVRLittleEndian
        said.append(f"{source}: states {stated.name}, its pictures are not compressed; read as they are")
    if whole and stored > stated_frames:
        said.append(_more(source, stated_frames, stored))
    frames = stored if whole else stated_frames
    return FramePlaces(frames=frames, fragments=None, transfer_syntax=syntax, said=tuple(said))


def _more(source: str, stated: int, stored: int) -> str:
    return f"{source}: states {stated} frame{'s' * (stated > 1)} and stores {stored}; all are read"


def _stored(
    stream: DicomStream, table: tuple[int, ...], fragments: tuple[Fragment, ...], frames: int, *, run_length: bool
) -> list[tuple[Fragment, ...]]:
    """Fragments of every stored frame."""
    starts = _frame_starts(stream, table, fragments, frames, run_length=run_length)
    if frames == 1 and len(starts) < 2:
        return [fragments] if fragments else []
    ends = [*starts[1:], len(fragments)] if starts else []
    return [fragments[start:end] for start, end in zip(starts, ends, strict=True) if start < end]


def _frame_starts(
    stream: DicomStream, table: tuple[int, ...], fragments: tuple[Fragment, ...], frames: int, *, run_length: bool
) -> list[int]:
    """Index of each frame's first fragment: by the offset table if it fits, else by count, else by marker."""
    offsets = [fragment.offset for fragment in fragments]
    # The table of a cut-off file has entries beyond its last fragment.
    known = [entry for entry in table if offsets and entry <= offsets[-1]]
    if len(table) >= max(frames, 2) and list(table) == sorted(set(table)) and set(known) <= set(offsets):
        return [bisect.bisect_left(offsets, entry) for entry in known]
    if len(fragments) == frames or run_length:
        return list(range(len(fragments)))  # PS3.5 G.2: a run-length frame is exactly one fragment
    return [i for i, f in enumerate(fragments) if starts_frame(stream.read(f.start, _HEAD_BYTES))]
