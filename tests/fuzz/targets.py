"""What is fuzzed: a target makes a case from a number, feeds it to the program, and says how that ended."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from engines.angiography.frame import Frame
from tests.fuzz import samples
from tests.fuzz.damage import Rng, damaged, one_of
from tests.fuzz.dicom_damage import damaged_elements, damaged_set, file_bytes, set_bytes
from tests.fuzz.text_damage import damaged_json, damaged_words

_FRAMES_READ = 4
_CT_SYNTAXES = (ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless, JPEG2000Lossless)


class Feed(Protocol):
    """One case: given a generator and an empty folder; returns in order, or raises what the program raised.

    `armed` surrounds what the program itself does: writing is then allowed in `folder / "out"` alone.
    """

    def __call__(self, rng: Rng, folder: Path, armed: Callable[[], AbstractContextManager[None]]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A way into the program.

    Args:
        share: of all cases; shares add up to one. Without one it runs only where it is named.
        opened: makes the feed, with a folder of its own for sound samples; leaving it ends servers.
    """

    name: str
    share: float
    opened: Callable[[Path], AbstractContextManager[Feed]]


def all_targets() -> tuple[Target, ...]:
    from tests.fuzz.capture_target import capture_feed
    from tests.fuzz.deeds_target import deeds_feed
    from tests.fuzz.igtl_target import igtl_feed
    from tests.fuzz.mcap_target import export_feed, mcap_feed
    from tests.fuzz.scp_target import associations_feed, data_sets_feed

    return (
        Target(name="xa", share=0.25, opened=_xa),
        Target(name="received", share=0.15, opened=_received),
        Target(name="ct", share=0.08, opened=_ct),
        Target(name="association", share=0.08, opened=associations_feed),
        Target(name="store", share=0.06, opened=data_sets_feed),
        Target(name="igtl", share=0.10, opened=igtl_feed),
        Target(name="mcap", share=0.08, opened=mcap_feed),
        Target(name="export", share=0.01, opened=export_feed),
        Target(name="json", share=0.06, opened=_json),
        Target(name="case", share=0.02, opened=_case),
        Target(name="model", share=0.06, opened=_models),
        Target(name="picture", share=0.04, opened=_pictures),
        Target(name="capture", share=0.01, opened=capture_feed),
        Target(name="deeds", share=0.0, opened=deeds_feed),
    )


# DICOM files ----------------------------------------------------------------------------------------------------------
@contextmanager
def _xa(_: Path) -> Iterator[Feed]:
    made = list(samples.xa_samples().values())

    def feed(rng: Rng, folder: Path, armed) -> None:
        dataset, kind = one_of(rng, made), rng.random()
        if kind < 0.55:
            content = file_bytes(damaged_set(dataset, rng), preamble=rng.random() < 0.9)
        elif kind < 0.75:
            content = damaged_elements(file_bytes(dataset), rng)
        else:
            content = damaged(file_bytes(dataset), rng)
        (folder / "run.dcm").write_bytes(content)
        with armed():
            _read_run(folder / "run.dcm")

    yield feed


def require_sound(frame: Frame) -> None:
    """What everything behind the readers builds on."""
    assert frame.pixels.ndim == 2, frame.pixels.shape
    assert frame.pixels.dtype in (np.uint8, np.uint16), frame.pixels.dtype
    assert 1 <= frame.bits_stored <= frame.pixels.itemsize * 8, frame.bits_stored
    for name in ("frame_time_ms", "window_center", "window_width"):
        value = getattr(frame, name)
        assert value is None or np.isfinite(value), f"{name} is {value}"
    assert frame.frame_time_ms is None or frame.frame_time_ms > 0, f"frame time is {frame.frame_time_ms}"
    if frame.geometry is None:
        assert frame.geometry_reason
        return
    sizes = (
        frame.geometry.sid_mm,
        frame.geometry.sod_mm,
        frame.geometry.column_spacing_mm,
        frame.geometry.row_spacing_mm,
    )
    assert all(np.isfinite(size) and size > 0 for size in sizes), f"geometry of {sizes}"
    assert np.isfinite(frame.geometry.intrinsics_px()).all()
    assert np.isfinite(frame.geometry.camera_from_isocentre().matrix).all()
    assert frame.geometry.same_view(frame.geometry)


def _read_run(path: Path) -> None:
    """As it is segmented, and as it is shown."""
    from calibration.errors import InputError
    from engines.angiography.files.open_run import open_run
    from guidance_app.sources.uri import shown_run

    failed: InputError | None = None
    for opened in (open_run, shown_run):
        run = opened(path)
        for index in dict.fromkeys((*range(min(run.frame_count, _FRAMES_READ)), run.frame_count - 1)):
            try:
                frame = run.frame(index)
            except InputError as error:
                failed = error
                continue
            require_sound(frame)
        _ = run.kind, run.mask, run.frame_time_ms
    if failed is not None:
        raise failed


@contextmanager
def _received(_: Path) -> Iterator[Feed]:
    """Data sets as the storage SCP takes them off the wire."""
    from guidance_app.sources.dicom.received_run import read_received

    made = list(samples.xa_samples().values())

    def feed(rng: Rng, folder: Path, armed) -> None:  # noqa: ARG001 - nothing is written
        dataset = one_of(rng, made)
        if rng.random() < 0.6:
            dataset = damaged_set(dataset, rng)
        syntax = dataset.file_meta.TransferSyntaxUID
        data = set_bytes(dataset, implicit=syntax.is_implicit_VR, big_endian=not syntax.is_little_endian,
                         deflate=syntax == DeflatedExplicitVRLittleEndian)  # fmt: skip
        if rng.random() < 0.6:
            plain = not syntax.is_implicit_VR and syntax.is_little_endian and not syntax.is_deflated
            data = damaged_elements(data, rng) if plain and rng.random() < 0.5 else damaged(data, rng)
        if rng.random() < 0.1:
            syntax = one_of(rng, made).file_meta.TransferSyntaxUID
        with armed():
            run = read_received(data, syntax, name="object 1", received_ns=1)
            for index in range(min(run.run.frame_count, _FRAMES_READ)):
                require_sound(run.frame(index))

    yield feed


@contextmanager
def _ct(_: Path) -> Iterator[Feed]:
    from engines.anatomy.files.ct import load_ct

    series = [samples.ct_slices(syntax) for syntax in _CT_SYNTAXES]

    def feed(rng: Rng, folder: Path, armed) -> None:
        slices = one_of(rng, series)
        broken = set(rng.choice(len(slices), int(rng.integers(1, 3)), replace=False).tolist())
        if rng.random() < 0.1:
            broken = set(range(len(slices)))
        lie = int(rng.integers(2**32))
        alike = np.random.default_rng(lie)
        for index, slice_ in enumerate(slices):
            content = file_bytes(slice_)
            if index in broken:
                # The same lie in every slice passes checks of one against the other.
                draw = np.random.default_rng(lie) if len(broken) == len(slices) else alike
                kind = rng.random()
                content = file_bytes(damaged_set(slice_, draw)) if kind < 0.6 else (
                    damaged_elements(content, rng) if kind < 0.8 else damaged(content, rng)
                )  # fmt: skip
            (folder / f"{index}.dcm").write_bytes(content)
        with armed():
            ct = load_ct(folder)
            assert ct.voxels_hu.ndim == 3
            assert np.isfinite(ct.lps_from_index).all()

    yield feed


# Files with words and numbers -----------------------------------------------------------------------------------------
@contextmanager
def _json(_: Path) -> Iterator[Feed]:
    from calibration.calibration_file import read_calibration
    from calibration.phantoms.phantom import read_phantom
    from engines.anatomy.placement import read_placement
    from engines.angiography.calibrated_run import read_corrections
    from engines.registration.pose_file import read_pose, read_pose_file, read_registration
    from guidance_app.settings import load_settings
    from guidance_app.sources.capture.capture_calibration import cut_out, read_capture_calibration, view_geometry
    from tests.guidance_app.live.stand_ins import geometry

    texts = samples.json_samples()
    view = geometry()

    def capture(path: Path) -> None:
        calibration = read_capture_calibration(path)
        cut = cut_out(np.zeros((32, 48), np.uint8), calibration)
        view_geometry(calibration, (cut.shape[0], cut.shape[1]))

    def corrections(path: Path) -> None:
        read_calibration(path)
        found = read_corrections([path])
        found.corrected(view)

    readers: dict[str, tuple[Callable[[Path], object], ...]] = {
        "pose": (read_pose_file, lambda path: read_pose(path, view), lambda path: read_registration(path, view)),
        "carm": (corrections,),
        "distortion": (corrections,),
        "capture": (read_calibration, capture),
        "phantom": (read_phantom,),
        "placement": (read_placement,),
        "settings": (load_settings,),
    }

    def feed(rng: Rng, folder: Path, armed) -> None:
        kind = one_of(rng, list(readers))
        reader = one_of(rng, readers[kind])
        (folder / "out").mkdir()
        path = folder / "out" / f"{kind}.json"  # bad settings are moved aside, which is writing
        path.write_bytes(damaged_json(texts[kind], rng))
        with armed():
            reader(path)

    yield feed


@contextmanager
def _case(folder: Path) -> Iterator[Feed]:
    """`case.json` of a case that is whole otherwise, and cases made from damaged models."""
    from engines.anatomy.cases.case import load_case
    from engines.anatomy.cases.case_creation import create_case

    models = samples.model_samples(folder)
    create_case(folder / "case", kind="coronary", centerlines=folder / "lines.vtp", case_id="case-1")
    text = (folder / "case" / "case.json").read_text()
    lines = (folder / "case" / "centerlines.vtp").read_bytes()
    surfaces = [name for name in models if name.startswith("surface")]

    def feed(rng: Rng, folder: Path, armed) -> None:
        if rng.random() < 0.7:
            (folder / "centerlines.vtp").write_bytes(lines)
            (folder / "case.json").write_bytes(damaged_json(text, rng))
            with armed():
                case = load_case(folder)
                if "centerlines" in case.files:
                    case.vessel_model()
            return
        name = one_of(rng, surfaces)
        (folder / name).write_bytes(damaged_words(models[name].decode("latin-1"), rng) if rng.random() < 0.5
                                    else damaged(models[name], rng))  # fmt: skip
        with armed():
            create_case(folder / "out" / "case", kind=one_of(rng, ("evt", "tavi", "coronary", "../x")),
                        surface=folder / name,
                        case_id=one_of(rng, (None, "a", "../../a", "SMITH^JANE", "a" * 65, "")))  # fmt: skip

    yield feed


@contextmanager
def _models(folder: Path) -> Iterator[Feed]:
    from engines.anatomy.files.centerline_file import load_centerlines
    from engines.anatomy.files.ct import load_ct
    from engines.anatomy.files.labels import load_labels
    from engines.anatomy.files.surface_file import load_surface
    from engines.anatomy.structures.names_file import read_names

    made = samples.model_samples(folder)
    textual = (
        "lines.vtp",
        "surface.vtp",
        "lines.csv",
        "lines.vtk",
        "surface.vtk",
        "surface.obj",
        "surface.ply",
        "ascii.stl",
        "lines.fcsv",
        "labels.seg.nrrd",
        "names.label",
        "names.tsv",
    )
    objects = samples.label_objects()

    def feed(rng: Rng, folder: Path, armed) -> None:
        name = one_of(rng, [*made, *objects])
        if name in objects:
            whole = file_bytes(damaged_set(objects[name], rng)) if rng.random() < 0.6 else None
            content = whole or damaged_elements(file_bytes(objects[name]), rng)
        elif name.endswith(".json") and rng.random() < 0.6:
            content = damaged_json(made[name].decode(), rng)
        elif name in textual and rng.random() < 0.6:
            content = damaged_words(made[name].decode("latin-1"), rng)
        else:
            content = damaged(made[name], rng)
        (folder / name).write_bytes(content)
        with armed():
            if name.startswith("lines"):
                load_centerlines(folder / name)
            elif name.startswith("names"):
                read_names(folder / name)
            elif name.startswith("labels"):
                load_labels(folder / name)
            elif name.startswith("enhanced"):
                load_ct(folder / name)
            elif ".nii" in name:
                one_of(rng, (load_ct, load_labels))(folder / name)
            else:
                load_surface(folder / name)

    yield feed


@contextmanager
def _pictures(folder: Path) -> Iterator[Feed]:
    made = samples.picture_samples(folder)

    def feed(rng: Rng, folder: Path, armed) -> None:
        name = one_of(rng, list(made))
        content = made[name]
        lying = name.endswith(".png") and rng.random() < 0.4
        content = _lying_png(content, rng) if lying else damaged(content, rng)
        inside = folder / "pictures"
        inside.mkdir()
        (inside / name).write_bytes(content)
        with armed():
            _read_run(inside if rng.random() < 0.2 and not name.endswith(("mp4", "avi", "mkv")) else inside / name)

    yield feed


def _lying_png(content: bytes, rng: Rng) -> bytes:
    """Another size or colour in the header, with a checksum that fits: only the stated size can be held against it."""
    import zlib

    head = bytearray(content[12:29])
    for at in rng.integers(4, len(head), 2):
        head[at] = int(one_of(rng, (0, 1, 3, 8, 16, 31, 127, 255)))
    return content[:12] + bytes(head) + zlib.crc32(bytes(head)).to_bytes(4, "big") + content[33:]


def drained(source) -> None:
    """Take everything that has arrived; damage is told as such, and a source stays open."""
    from guidance_app.sources.source import CorruptFrame, SkippedFrame, SourceTimeout

    for _ in itertools.repeat(None):
        with suppress(CorruptFrame, SkippedFrame):
            try:
                require_sound(source.next_frame(0.0))
            except SourceTimeout:
                return
