"""Exports: true to the run, readable by others, and silent about the patient."""

import csv
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pydicom
import pytest

from calibration.errors import InputError
from calibration.pose import RigidPose
from engines.anatomy.cases.case import Case, load_case, write_case
from engines.anatomy.files.centerline_file import save_centerlines
from engines.anatomy.vessel_model import Branch, CenterlineTree
from engines.angiography.files.open_run import open_run
from engines.angiography.frame import Frame
from engines.angiography.measurement import Figure
from engines.registration.pose_file import read_pose_file, write_registration
from engines.segmentation import segmenter as segmenter_module
from engines.segmentation.segmentation import Segmentation
from guidance_app.cli import main as program
from guidance_app.exports.burned_picture import BurnedPictures
from guidance_app.exports.content import open_content
from guidance_app.exports.export import FORMATS, export
from guidance_app.exports.identity import RESEARCH_LINE
from guidance_app.live.evidence import Evidence
from guidance_app.live.guidance import GuidanceResult, Overlay, StageTimes
from guidance_app.live.recording.recorder import Recorder
from guidance_app.rooms.live.measuring.measured import Measured, Measurement
from guidance_app.rooms.live.measuring.measured_file import write_measured
from guidance_app.sources.recording.recording_source import RecordedRun
from guidance_app.views.overlay_look import badge_of
from tests.engines.angiography.xa_samples import changed_file
from tests.guidance_app.live.stand_ins import geometry, registration

CT_FRAME_OF_REFERENCE = "1.2.840.99999.77"
_SOP = "1.2.840.99999.5"
_FRAMES = 8
_POSED = (2, 3, 4)
_VALID_BGR = (255, 208, 63)  # of palette.VALID
_CARRIED_BGR = (255, 179, 227)  # of palette.CARRIED


@pytest.fixture(autouse=True)
def _application(qapp):
    """Held while pictures are painted."""
    return qapp


@pytest.fixture(scope="module")
def case(tmp_path_factory) -> Case:
    folder = tmp_path_factory.mktemp("case")
    branch = Branch(points_mm=np.array([[-20.0, 0, 0], [0.0, 0, 1], [20.0, 0, 0]]), radius_mm=np.full(3, 0.5))
    save_centerlines(folder / "centerlines.vtp", CenterlineTree(branches=(branch,)))
    write_case(
        folder, case_id="SMITH-1970", kind="coronary", frame_of_reference_uid=CT_FRAME_OF_REFERENCE,
        files={"centerlines": "centerlines.vtp"},
    )  # fmt: skip
    return load_case(folder)


def _frame(index: int) -> Frame:
    pixels = np.full((64, 64), 90 + index, dtype=np.uint8)
    pixels[:, 30:34] = 30
    return Frame(
        pixels=pixels, kind="fluoro", received_ns=1_000_000_000 + index * 50_000_000, geometry=geometry(10.0),
        source_id="SMITH_JANE.dcm", sop_instance_uid=_SOP, source_frame=index + 100, index=index, frame_time_ms=50.0,
        acquired="19700101120000",
    )  # fmt: skip


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    """Eight frames, poses on three of them."""
    path = tmp_path_factory.mktemp("recording") / "SMITH.mcap"
    recorder = Recorder(path, {"case": "SMITH-1970"})
    recorder.begin(pytest.fail)
    for index in range(_FRAMES):
        frame = _frame(index)
        recorder.frame(frame)
        if index in _POSED:
            assert frame.geometry is not None
            overlay = Overlay(
                frame_index=index, geometry=frame.geometry, centerlines=(), outline=(), halo_px=0.0, generation=1,
                evidence=Evidence(kind="vessel", age_s=0.0),
            )  # fmt: skip
            recorder.guided(_result(index, overlay), registration(frame.geometry), used=True)
    recorder.end()
    return path


def _result(index: int, overlay: Overlay) -> GuidanceResult:
    return GuidanceResult(
        frame_index=index, state="accepted", reason="SMITH", overlay=overlay, vessel_outline=(), confidence=0.9,
        expected_error_mm=1.0, depth_sigma_mm=5.0, times=StageTimes(segment=12.5, track=3.0, render=1.5), generation=1,
    )  # fmt: skip


class _Network:
    """Sees vessel in the left half, and nothing on frame 0."""

    name, classes, threshold = "stand-in", ("vessel", "device"), 0.5

    def segment(self, frame: Frame) -> Segmentation:
        probabilities = np.zeros((2, *frame.shape_px), dtype=np.float32)
        if frame.pixels[0, 0] != 90:
            probabilities[0, :, : 20 + int(frame.pixels[0, 0]) - 90] = 0.9
        return Segmentation(probabilities=probabilities, classes=self.classes, model=self.name, backend="none")


@pytest.fixture(autouse=True)
def _network(monkeypatch):
    monkeypatch.setattr(segmenter_module, "load_segmenter", lambda *_, **__: _Network())


def _checked(path: Path) -> None:
    """By others' eyes, where they are installed."""
    if shutil.which("dcmdump"):
        shown = subprocess.run(["dcmdump", "-q", str(path)], capture_output=True, text=True, check=False)
        assert shown.returncode == 0, shown.stderr
        assert "E: " not in shown.stderr
    if shutil.which("dciodvfy"):
        judged = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
        errors = [line for line in (judged.stdout + judged.stderr).splitlines() if line.startswith("Error")]
        assert not errors


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_table_has_a_row_a_frame_with_pose_and_stage_times(case, recording, tmp_path):
    (path,) = export(recording, case, ["csv"], tmp_path)
    rows = _rows(path)
    assert [int(row["source_frame"]) for row in rows] == [100 + index for index in range(_FRAMES)]
    assert [float(row["seconds"]) for row in rows] == pytest.approx([0.05 * index for index in range(_FRAMES)])
    assert [row["segment_ms"] for row in rows] == ["12.5" if index in _POSED else "" for index in range(_FRAMES)]
    assert all(row["note"] == RESEARCH_LINE for row in rows)
    camera = np.array([float(rows[3][f"camera_from_lps_{r}{c}"]) for r in range(3) for c in range(4)]).reshape(3, 4)
    identity = RigidPose.identity(target="isocentre", source="lps")
    assert np.array_equal(camera, geometry(10.0).projection(identity).camera_from_lps.matrix[:3])
    assert rows[0]["camera_from_lps_00"] == ""


def test_spatial_registration_takes_ct_points_to_the_camera(case, recording, tmp_path):
    path, pose = export(recording, case, ["spatial-registration"], tmp_path, identified=True)
    dataset = pydicom.dcmread(path)
    ct, xray = dataset.RegistrationSequence
    assert ct.FrameOfReferenceUID == CT_FRAME_OF_REFERENCE
    matrix = np.array(_matrix(ct), dtype=float).reshape(4, 4)
    expected = geometry(10.0).projection(RigidPose.identity(target="isocentre", source="lps")).camera_from_lps.matrix
    assert np.allclose(matrix, expected, atol=1e-9)
    assert np.array_equal(np.array(_matrix(xray), dtype=float), np.eye(4).ravel())
    (picture,) = xray.ReferencedImageSequence
    assert (picture.ReferencedSOPInstanceUID, picture.ReferencedFrameNumber) == (_SOP, 100 + _POSED[-1] + 1)
    assert dataset.FrameOfReferenceUID != CT_FRAME_OF_REFERENCE
    view = read_pose_file(pose).views[0]
    assert view.sop_instance_uid == _SOP
    assert np.allclose(view.camera_from_lps_mm, expected)


def _matrix(item: pydicom.Dataset):
    return item.MatrixRegistrationSequence[0].MatrixSequence[0].FrameOfReferenceTransformationMatrix


def test_secondary_capture_shows_overlay_and_research_line(case, recording, tmp_path):
    (path,) = export(recording, case, ["secondary-capture"], tmp_path)
    dataset = pydicom.dcmread(path)
    pictures = dataset.pixel_array
    assert pictures.shape == (_FRAMES, 768, 768, 3)
    assert dataset.BurnedInAnnotation == "YES"
    assert float(dataset.FrameTime) == 50.0
    valid = np.array(_VALID_BGR[::-1])
    drawn = [(np.abs(picture[300:460].astype(int) - valid) < 12).all(axis=2).sum() > 50 for picture in pictures]
    assert drawn == [index in _POSED for index in range(_FRAMES)]
    bottom = pictures[:, 735:765, 200:560]
    assert (bottom.max(axis=(1, 2, 3)) > 180).all(), "the research line is white on dark"
    assert (pictures[0, 384, 100] == pictures[0, 384, 100][0]).all(), "grey stays grey"


def test_single_frame_and_dicom_viewers_agree(case, recording, tmp_path):
    formats = ["secondary-capture", "spatial-registration", "seg"]
    files = export(recording, case, formats, tmp_path, frame=3)
    for path in files:
        if path.suffix == ".dcm":
            _checked(path)
    assert pydicom.dcmread(tmp_path / "secondary_capture.dcm").NumberOfFrames == 1


@pytest.mark.parametrize("identified", [False, True])
def test_objects_stand_up_to_other_toolkits(case, recording, tmp_path, identified):
    if not shutil.which("dcmdump") and not shutil.which("dciodvfy"):
        pytest.skip("needs dcmtk or dicom3tools; apt-get install dcmtk dicom3tools")
    run = changed_file(tmp_path / "run.dcm", lambda _: None) if identified else recording
    formats = ["secondary-capture", "seg"]
    for path in export(run, case, formats, tmp_path / "out", identified=identified):
        _checked(path)


def test_segmentation_keeps_every_bit_and_leaves_empty_masks_out(case, recording, tmp_path):
    (path,) = export(recording, case, ["seg"], tmp_path, identified=True)
    dataset = pydicom.dcmread(path)
    masks = dataset.pixel_array
    assert masks.shape == (_FRAMES - 1, 64, 64)
    for number, mask in enumerate(masks, 1):
        expected = np.zeros((64, 64), dtype=bool)
        expected[:, : 20 + number] = True
        assert np.array_equal(mask.astype(bool), expected)
    assert [segment.SegmentLabel for segment in dataset.SegmentSequence] == ["vessel", "device"]
    first = dataset.PerFrameFunctionalGroupsSequence[0]
    assert first.SegmentIdentificationSequence[0].ReferencedSegmentNumber == 1
    source = first.DerivationImageSequence[0].SourceImageSequence[0]
    assert (source.ReferencedSOPInstanceUID, source.ReferencedFrameNumber) == (_SOP, 102)


def test_film_has_every_frame_at_its_time(case, recording, tmp_path):
    (path,) = export(recording, case, ["mp4"], tmp_path)
    with av.open(str(path)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == pytest.approx([0.05 * index for index in range(_FRAMES)], abs=1e-3)


@pytest.mark.skipif(not shutil.which("dcm2pnm"), reason="needs dcm2pnm; install dcmtk")
def test_secondary_capture_is_painted_alike_by_dcmtk(case, recording, tmp_path):
    import cv2

    (path,) = export(recording, case, ["secondary-capture"], tmp_path)
    painted = tmp_path / "third.ppm"
    subprocess.run(["dcm2pnm", "+F", "3", str(path), str(painted)], check=True, capture_output=True, timeout=60)
    theirs = cv2.cvtColor(cv2.imread(str(painted), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert np.array_equal(theirs, pydicom.dcmread(path).pixel_array[2])


def test_every_export_says_research_use_only(case, recording, tmp_path):
    """Pictures and films in their pixels, objects and texts in their words."""
    import cv2

    files = export(recording, case, FORMATS, tmp_path, frame=3)
    assert len(files) == 7
    for path in files:
        if path.suffix == ".png":
            shown = cv2.imread(str(path))
        elif path.suffix == ".mp4":
            with av.open(str(path)) as container:
                shown = next(container.decode(video=0)).to_ndarray(format="rgb24")
        else:
            content = path.read_bytes().lower()
            assert b"not a medical device" in content, path.name
            continue
        line = shown[-33:-3, 200:560].max(axis=2)
        assert (line > 180).sum() > 200, f"{path.name}: the line is white on dark"


def test_pictures_are_named_by_their_frame(case, recording, tmp_path):
    assert [path.name for path in export(recording, case, ["png"], tmp_path, frame=4)] == ["frame_00004.png"]


def _identifying(dataset: pydicom.Dataset) -> None:
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = "SMITH^JANE", "SMITH-1970", "19700101"
    dataset.AccessionNumber, dataset.StudyDescription, dataset.OperatorsName = "SMITHACC", "SMITH study", "SMITH^OP"
    dataset.ImageComments = "SMITH was here"


@pytest.mark.parametrize("source", ["recording", "xa"])
def test_nothing_of_the_patient_leaves_unless_asked_for(case, recording, tmp_path, source):
    path, uids = recording, [_SOP]
    if source == "xa":
        path = changed_file(tmp_path / "SMITH.dcm", _identifying)
        header = pydicom.dcmread(path, stop_before_pixels=True)
        uids = [header.SOPInstanceUID, header.SeriesInstanceUID, header.StudyInstanceUID]
        pose = tmp_path / "pose.json"
        write_registration(pose, registration(_xa_view(path)))
        files = export(path, case, FORMATS, tmp_path / "out", pose=pose)
    else:
        files = export(path, case, FORMATS, tmp_path / "out")
    assert {file.suffix for file in files} == {".mp4", ".png", ".dcm", ".json", ".csv"}
    for file in files:
        content = file.read_bytes()
        for secret in (b"SMITH", b"19700101", CT_FRAME_OF_REFERENCE.encode(), *(str(uid).encode() for uid in uids)):
            assert secret not in content, f"{file.name} carries {secret!r}"
        if file.suffix == ".dcm":
            dataset = pydicom.dcmread(file, stop_before_pixels=True)
            assert dataset.PatientIdentityRemoved == "YES"
            assert str(dataset.PatientName).startswith("RESEARCH")
            assert "Research use only" in dataset.SeriesDescription
            assert dataset.ContributingEquipmentSequence[0].ContributionDescription == RESEARCH_LINE


def _xa_view(path: Path):
    from engines.angiography.files.xa_file import XaRun

    return XaRun(path).geometry(0)


def test_objects_of_one_export_belong_together_and_those_of_two_do_not(case, recording, tmp_path):
    for turn in ("a", "b"):
        export(recording, case, ["seg", "spatial-registration"], tmp_path / turn)
    objects = [
        pydicom.dcmread(tmp_path / turn / f"{name}.dcm")
        for turn in "ab"
        for name in ("segmentation", "spatial_registration")
    ]
    studies = [dataset.StudyInstanceUID for dataset in objects]
    assert studies[0] == studies[1] != studies[2] == studies[3]
    assert len({dataset.SOPInstanceUID for dataset in objects}) == 4


def test_patient_goes_along_when_asked_for(case, tmp_path):
    path = changed_file(tmp_path / "SMITH.dcm", _identifying)
    (file,) = export(path, case, ["seg"], tmp_path / "out", identified=True)
    dataset, header = pydicom.dcmread(file), pydicom.dcmread(path)
    assert dataset.PatientName == "SMITH^JANE"
    assert dataset.StudyInstanceUID == header.StudyInstanceUID
    assert dataset.ReferencedSeriesSequence[0].SeriesInstanceUID == header.SeriesInstanceUID
    assert "PatientIdentityRemoved" not in dataset


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "M\u00fcster^J\u00f6rg"),
        (["ISO 2022 IR 6", "ISO 2022 IR 87"], "Muster^Hana=\u898b\u672c^\u82b1=\u307f\u307b\u3093^\u306f\u306a"),
        ("GB18030", "Muster^Hua=\u6837\u672c^\u82b1"),
        ("ISO_IR 192", "Wz\u00f3r^\u0141ucja"),
        ("ISO_IR 144", "\u041b\u044e\u043a\u0441\u0435\u043c\u0431\u0443\u0440\u0433"),
    ],
)
@pytest.mark.parametrize("wanted", ["secondary-capture", "seg"])
def test_a_name_survives_in_utf_8_whatever_the_source_is_written_in(case, tmp_path, charset, name, wanted):
    def change(dataset):
        dataset.SpecificCharacterSet = charset
        dataset.PatientName = name

    (file,) = export(changed_file(tmp_path / "run.dcm", change), case, [wanted], tmp_path / "out", identified=True)
    dataset = pydicom.dcmread(file)
    assert (str(dataset.PatientName), dataset.SpecificCharacterSet) == (name, "ISO_IR 192")


def test_uneven_times_are_kept_by_table_and_secondary_capture(case, tmp_path):
    def change(dataset):
        del dataset.FrameTime
        dataset.FrameTimeVector = [100, 1000]  # the first frame's own value is left out

    path = changed_file(tmp_path / "run.dcm", change)
    table, capture = export(path, case, ["csv", "secondary-capture"], tmp_path / "out")
    assert [float(row["seconds"]) for row in _rows(table)] == pytest.approx([0.0, 0.1, 1.1])
    dataset = pydicom.dcmread(capture)
    assert [float(step) for step in dataset.FrameTimeVector] == pytest.approx([0, 100, 1000])
    assert dataset.FrameIncrementPointer == 0x00181065
    assert open_run(capture).frame(1).frame_time_ms == pytest.approx(1000)


def test_frames_that_cannot_be_read_are_left_out_and_counted(case, tmp_path):
    def change(dataset):
        dataset.PixelData = dataset.PixelData[: 2 * 48 * 64 + 10]

    said: list[str] = []
    path = changed_file(tmp_path / "run.dcm", change)
    files = export(path, case, ["png", "secondary-capture"], tmp_path / "out", left_out=said.append)
    assert [file.name for file in files] == ["frame_00000.png", "frame_00001.png", "secondary_capture.dcm"]
    assert pydicom.dcmread(files[2]).NumberOfFrames == 2
    assert len(said) == 2
    assert all("1 of 3 frames cannot be read" in line and "frame 2 is cut off" in line for line in said)


def test_the_command_ends_with_1_where_frames_are_left_out(case, tmp_path, capsys, monkeypatch):
    def change(dataset):
        dataset.PixelData = dataset.PixelData[: 2 * 48 * 64]

    path = changed_file(tmp_path / "run.dcm", change)
    arguments = ["export", path, "--case", case.folder, "--format", "png", "--out", tmp_path / "out"]
    monkeypatch.setattr("sys.argv", ["guidance-app", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == 1
    assert "1 of 3 frames cannot be read" in capsys.readouterr().err


def test_a_pose_that_nobody_checked_on_its_frame_is_not_called_valid(case, recording):
    content = open_content(recording, None)
    pose = content.poses[_POSED[0]]
    painter = BurnedPictures(case.vessel_model())
    evidences = {"vessel": Evidence(kind="vessel", age_s=0.0), "carried": Evidence(kind="carried", age_s=2.0), "": None}
    for kind, evidence in evidences.items():
        screen = painter._screen(_frame(_POSED[0]), replace(pose, evidence=evidence), 0.0)
        badge = badge_of(screen, held=False, raw=False).text
        assert badge.split(" - ")[0] == ("OVERLAY VALID" if kind == "vessel" else "CARRIED")
    assert isinstance(content.run, RecordedRun)
    content.run.close()


def test_pose_given_for_one_frame_is_never_valid_and_old_on_later_ones(case, recording, tmp_path):
    pose = tmp_path / "pose.json"
    found = registration(geometry(10.0))
    write_registration(pose, found)
    content = pose.read_text().replace('"1.2.3"', f'"{_SOP}"').replace('"frame": 0', '"frame": 100')
    pose.write_text(content)
    (path,) = export(recording, case, ["secondary-capture"], tmp_path / "out", pose=pose)
    pictures = pydicom.dcmread(path).pixel_array.astype(int)
    badge = pictures[:, 10:50, 200:560]
    valid, carried = (
        (np.abs(badge - np.array(colour[::-1])) < 12).all(axis=3).sum(axis=(1, 2)) > 20
        for colour in (_VALID_BGR, _CARRIED_BGR)
    )
    assert not valid.any(), "nothing compared it with these pictures"
    assert carried.tolist() == [True] * 6 + [False] * 2, "as in the window, 250 ms after its own frame at the latest"
    # The same pose from another run has never been checked here.
    pose.write_text(content.replace(f'"{_SOP}"', '"1.9.9"'))
    (path,) = export(recording, case, ["png"], tmp_path / "other", pose=pose, frame=0)
    import cv2

    picture = cv2.imread(str(path)).astype(int)
    assert not (np.abs(picture - np.array(_VALID_BGR)) < 12).all(axis=2).any()


def test_folder_of_a_run_is_read_through_its_recording_or_its_log(case, recording, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "frames.jsonl").write_text(
        '{"index": 0, "sop_instance_uid": "1.2", "source_frame": 3, "state": "painted", "overlay": "hidden", '
        '"overlay_age_ms": null, "geometry": {"primary_deg": 4.5, "secondary_deg": 0, "sid_mm": 1000}}\n'
        '{"index": 1, "so'
    )
    (path,) = export(folder, case, ["csv"], tmp_path / "log")
    (row,) = _rows(path)
    assert (row["source_frame"], row["state"], row["primary_deg"]) == ("3", "painted", "4.5")
    with pytest.raises(InputError, match="without its recording"):
        export(folder, case, ["mp4"], tmp_path / "none")
    assert not (tmp_path / "none").exists()
    shutil.copy(recording, folder / "a.mcap")
    (path,) = export(folder, case, ["csv"], tmp_path / "recorded")
    assert len(_rows(path)) == _FRAMES


def test_what_cannot_be_exported_is_said_and_leaves_nothing(case, recording, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="has 8 frames"):
        export(recording, case, ["png"], tmp_path / "out", frame=8)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="frame 0 has no pose"):
        export(recording, case, ["spatial-registration"], tmp_path / "out", frame=0)
    with pytest.raises(InputError, match="no frame shows a vessel"):
        export(recording, case, ["seg"], tmp_path / "out", frame=0)
    monkeypatch.setattr("guidance_app.exports.dicom_object._MAX_PIXEL_BYTES", 1000)
    with pytest.raises(InputError, match="an uncompressed object holds"):
        export(recording, case, ["secondary-capture"], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_unknown_format_is_refused_in_one_line(case, recording, tmp_path, capsys, monkeypatch):
    import sys

    arguments = ["export", recording, "--case", case.folder, "--format", "gif", "--out", tmp_path / "out"]
    monkeypatch.setattr(sys, "argv", ["guidance-app", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        program.main()
    errors = capsys.readouterr().err
    assert ended.value.code == 1
    assert "expected one of mp4, png" in errors
    assert errors.count("\n") == 1


def test_what_was_measured_in_the_run_is_in_its_pictures(case, recording, tmp_path):
    import cv2

    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(recording, run / "run.mcap")
    plain = cv2.imread(str(export(run / "run.mcap", case, ["png"], tmp_path / "plain", frame=3)[0]))
    line = Measurement(
        kind="length", points_px=np.array([[10.0, 30.0], [50.0, 30.0]]), frame=3, geometry=geometry(10.0),
        figures=(("", Figure(value=8.4, unit="mm", way="header, at the isocentre")),), source_id="SMITH_JANE.dcm",
        sop_instance_uid=_SOP,
    )  # fmt: skip
    write_measured(run / "measurements.json", Measured(measurements=(line,)), case="c")
    assert "SMITH" not in (run / "measurements.json").read_text()
    shown = cv2.imread(str(export(run / "run.mcap", case, ["png"], tmp_path / "measured", frame=3)[0]))
    changed = np.abs(shown.astype(int) - plain).max(axis=2) > 30
    rows, columns = np.nonzero(changed)
    scale = shown.shape[0] / 64
    assert abs(np.median(rows) / scale - 30.5) < 6.0
    assert columns.min() / scale < 12.0
    other_view = replace(line, geometry=geometry(30.0))
    write_measured(run / "measurements.json", Measured(measurements=(other_view,)), case="c")
    again = cv2.imread(str(export(run / "run.mcap", case, ["png"], tmp_path / "other", frame=3)[0]))
    assert np.array_equal(again, plain), "a measurement belongs to its view"


def test_measurements_that_cannot_be_read_stop_the_export_in_one_line(case, recording, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(recording, run / "run.mcap")
    (run / "measurements.json").write_text("{}")
    with pytest.raises(InputError, match=r"measurements\.json: no measurements can be read"):
        export(run / "run.mcap", case, ["png"], tmp_path / "out", frame=3)
