"""One export: the frames, poses and masks of a run in the formats asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from calibration.errors import GuidanceError, InputError
from calibration.store import make_folder
from engines.anatomy.cases.case import Case
from engines.angiography.frame import Frame
from engines.registration.pose_file import write_registration
from engines.registration.registration import RegisteredView, Registration, RegistrationBackend
from guidance_app.exports.content import ExportContent, open_content, readable_frames
from guidance_app.exports.identity import ExportIdentity
from guidance_app.exports.segmentation_object import FrameMask, write_segmentation
from guidance_app.exports.spatial_registration import write_spatial_registration
from guidance_app.exports.table import rows_of, rows_of_log, write_table
from guidance_app.panels.pictures.png import write_png

if TYPE_CHECKING:
    from PyQt6.QtGui import QImage

Format = Literal["mp4", "png", "secondary-capture", "spatial-registration", "seg", "csv"]
FORMATS: tuple[Format, ...] = get_args(Format)
Progress = Callable[[str, int, int], None]


def export(
    path: Path,
    case: Case,
    formats: Sequence[Format],
    out: Path,
    *,
    pose: Path | None = None,
    frame: int | None = None,
    identified: bool = False,
    progress: Progress = lambda *_: None,
    left_out: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """Write the run into `out`, each file whole or not at all; returns the files.

    Args:
        path: a recording, the output folder of a run, or any run that can be replayed.
        pose: drawn instead of the recorded ones.
        frame: this one alone, counted from 0.
        identified: keep UIDs, names and, where the source states them, patient and study.
        left_out: told, once for each format, how many frames could not be read and are not in it.
        progress: told the format, how many frames are done, and of how many.

    Raises:
        InputError: the input holds nothing that the format needs, or cannot be written.
    """
    if _is_bare_log(path):
        return _export_log(path, formats, out, pose=pose, identified=identified)
    content = open_content(path, pose)
    try:
        frames = readable_frames(content, frame)
        make_folder(out)
        job = _Job(
            content=content,
            case=case,
            frames=frames,
            out=out,
            identity=ExportIdentity(identified=identified, header=content.header),
            progress=progress,
            left_out=left_out,
        )
        return [file for wanted in dict.fromkeys(formats) for file in job.write(wanted)]
    finally:
        if content.recorded is not None:
            content.recorded.close()


class _Job:
    """The formats of one export; they share UIDs."""

    def __init__(
        self, *, content: ExportContent, case: Case, frames: list[int], out: Path, identity: ExportIdentity,
        progress: Progress, left_out: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._content, self._case, self._frames, self._out = content, case, frames, out
        self._identity, self._progress, self._left_out = identity, progress, left_out
        self._unreadable: dict[int, str] = {}

    def write(self, wanted: Format) -> list[Path]:
        writers: dict[Format, Callable[[], list[Path]]] = {
            "mp4": self._film,
            "png": self._pictures,
            "secondary-capture": self._secondary_capture,
            "spatial-registration": self._spatial_registration,
            "seg": self._segmentation,
            "csv": self._table,
        }
        self._unreadable.clear()
        files = writers[wanted]()
        if self._unreadable:
            first, reason = next(iter(self._unreadable.items()))
            self._left_out(
                f"{self._content.path}: {len(self._unreadable)} of {len(self._frames)} frames cannot be read and are "
                f"not in {files[0].name if len(files) == 1 else wanted} (the first is {first}: {reason})"
            )
        return files

    def _frame(self, index: int) -> Frame | None:
        """A frame, None where it is damaged, which is remembered."""
        try:
            return self._content.run.frame(index)
        except GuidanceError as error:
            self._unreadable[index] = str(error)
            return None

    def _film(self) -> list[Path]:
        from guidance_app.panels.pictures.annotated_video import AnnotatedVideo

        path = self._out / "overlay.mp4"
        video = AnnotatedVideo(path, wait_when_full=True)
        try:
            for index, image in self._painted("mp4"):
                video.add(image, round(self._content.shown_ms(index) * 1e6))
        finally:
            report = video.close()
        if report.dropped:
            raise InputError(f"{path}: the encoder left out {report.dropped} frames (size changes, or too slow a disk)")
        return [path]

    def _pictures(self) -> list[Path]:
        paths = []
        for index, image in self._painted("png"):
            path = self._out / f"frame_{index:05d}.png"
            write_png(image, path)
            paths.append(path)
        return paths

    def _secondary_capture(self) -> list[Path]:
        from guidance_app.exports.burned_picture import rgb_bytes
        from guidance_app.exports.secondary_capture import write_secondary_capture

        path = self._out / "secondary_capture.dcm"
        painted = self._painted("secondary-capture")
        _, first = next(painted)
        kept = [index for index in self._frames if self._frame(index) is not None]

        def pictures() -> Iterator[bytes]:
            yield rgb_bytes(first)
            for _, image in painted:
                yield rgb_bytes(image)

        write_secondary_capture(
            path,
            pictures(),
            count=len(kept),
            size_px=(first.height(), first.width()),
            times_ms=[self._content.shown_ms(index) for index in kept],
            identity=self._identity,
        )
        return [path]

    def _spatial_registration(self) -> list[Path]:
        content = self._content
        if len(self._frames) == 1:
            index = self._frames[0]
            geometry = content.run.geometry(index)
            pose = content.pose_for(index, geometry)
            if pose is None:
                raise InputError(f"{content.path}: frame {index} has no pose; leave --frame out or give --pose")
        else:
            pose, geometry = content.last_pose()
            index = pose.index
        uid, source_frame = content.source_of(index)
        projection = geometry.projection(pose.isocentre_from_lps)
        path, beside = self._out / "spatial_registration.dcm", self._out / "pose.json"
        write_spatial_registration(
            path,
            projection.camera_from_lps,
            ct_frame_of_reference_uid=self._case.frame_of_reference_uid,
            xa_sop_instance_uid=uid,
            xa_frame=source_frame,
            xa_series_instance_uid=content.series_instance_uid,
            identity=self._identity,
        )
        view = RegisteredView(
            file=self._identity.text(content.run.source_id),
            sop_instance_uid=str(self._identity.uid(uid)) if uid else "",
            frame=source_frame,
            projection=projection,
        )
        nothing = float("nan")
        write_registration(
            beside,
            Registration(
                case=self._identity.text(self._case.id),
                views=(view,),
                isocentre_from_lps=pose.isocentre_from_lps,
                status="accepted" if pose.state == "accepted" else "caution",
                confidence=nothing if pose.confidence is None else pose.confidence,
                expected_error_mm=nothing if pose.expected_error_mm is None else pose.expected_error_mm,
                depth_sigma_mm=nothing if pose.depth_sigma_mm is None else pose.depth_sigma_mm,
                reasons=(),
                stages=(),
                elapsed_ms=0.0,
                backend=RegistrationBackend(render="", inference="", device=""),
            ),
        )
        return [path, beside]

    def _segmentation(self) -> list[Path]:
        from engines.segmentation.segmenter import load_segmenter, model_for_kind

        segmenter = load_segmenter(model_for_kind(self._case.kind, self._case.field_of_view), "auto", 1)
        path = self._out / "segmentation.dcm"

        def masks() -> Iterator[FrameMask]:
            for done, index in enumerate(self._frames):
                frame = self._frame(index)
                if frame is None:
                    continue
                uid, source_frame = self._content.source_of(index)
                segmentation = segmenter.segment(frame)
                for name, probability in zip(segmentation.classes, segmentation.probabilities, strict=True):
                    mask = probability >= segmenter.threshold
                    yield FrameMask(
                        class_name=name, frame=index, mask=mask, sop_instance_uid=uid, source_frame=source_frame
                    )
                self._progress("seg", done + 1, len(self._frames))

        write_segmentation(
            path,
            masks(),
            classes=segmenter.classes,
            model=segmenter.name,
            series_instance_uid=self._content.series_instance_uid,
            identity=self._identity,
        )
        return [path]

    def _table(self) -> list[Path]:
        path = self._out / "frames.csv"
        write_table(path, rows_of(self._content, self._frames, self._identity))
        return [path]

    def _painted(self, wanted: Format) -> Iterator[tuple[int, QImage]]:
        """Every readable frame with its overlay.

        Raises:
            InputError: not one can be read.
        """
        from guidance_app.exports.burned_measurements import BurnedMeasurements
        from guidance_app.exports.burned_picture import BurnedPictures
        from guidance_app.window.application import application

        qt = application(headless=True)
        measured = BurnedMeasurements.beside(self._content.path)
        painter = BurnedPictures(self._case.vessel_model(), measured=measured)
        painted = 0
        for done, index in enumerate(self._frames):
            frame = self._frame(index)
            if frame is not None:
                pose = self._content.pose_for(index, frame.geometry)
                age_ms = 0.0 if pose is None else self._content.age_ms(index, pose)
                total = self._content.run.frame_count
                yield index, painter.paint(frame, pose, age_ms=age_ms, number=index, total=total)
                painted += 1
            self._progress(wanted, done + 1, len(self._frames))
        del qt
        if not painted:
            raise InputError(f"{self._content.path}: none of the frames can be read; nothing to export")


def _is_bare_log(path: Path) -> bool:
    return (path / "frames.jsonl").is_file() and not list(path.glob("*.mcap"))


def _export_log(path: Path, formats: Sequence[Format], out: Path, *, pose: Path | None, identified: bool) -> list[Path]:
    """A run of which only the logs were kept."""
    if pose is not None or set(formats) != {"csv"}:
        raise InputError(
            f"{path}: the folder of a run without its recording has no pictures and no poses, only --format csv; give "
            "the recording (live --record FILE)"
        )
    make_folder(out)
    table = out / "frames.csv"
    write_table(table, rows_of_log(path, ExportIdentity(identified=identified)))
    return [table]
