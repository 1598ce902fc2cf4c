"""CT series as scanners and archives write them: every right value here was seen to go wrong in some program."""

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from calibration.errors import InputError
from engines.anatomy.files.ct import load_ct
from tests.engines.anatomy.ct_files import ORIGIN_MM, SPACING_MM, STEP_MM, voxel_values, write_series

EXPECTED = voxel_values(5).transpose(2, 1, 0) - 1000


def _edit(path: Path, **tags: object) -> None:
    dataset = pydicom.dcmread(path)
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.save_as(path)


# --- padding ---


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize(
    ("tags", "stored"),
    [
        ([(0x00280120, "SS", -2000)], [-2000]),
        ([(0x00280120, "US", 63536)], [-2000]),
        ([(0x00280120, "SS", -2000), (0x00280121, "SS", -1900)], [-2000, -1990, -1900]),
        ([(0x00280120, "US", 63536), (0x00280121, "US", 63636)], [-2000, -1950]),
        ([(0x00280120, "SS", -1900), (0x00280121, "SS", -2000)], [-1950]),
    ],
)
def test_padding_is_air_however_its_value_is_written(
    tmp_path: Path, tags: list[tuple[int, str, int]], stored: list[int], implicit: bool
) -> None:
    for path in write_series(tmp_path):
        dataset = pydicom.dcmread(path)
        pixels = np.frombuffer(dataset.PixelData, "<i2").copy()
        pixels[: len(stored)] = stored
        dataset.PixelData = pixels.tobytes()
        for tag, vr, value in tags:
            dataset.add_new(tag, vr, value)
        if implicit:
            dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        dataset.save_as(path, implicit_vr=implicit, little_endian=True)
    expected = voxel_values(5) - 1000
    expected[:, 0, : len(stored)] = -1024
    np.testing.assert_array_equal(load_ct(tmp_path).voxels_hu, expected.transpose(2, 1, 0))


def test_padding_beside_signed_pixels_leaves_its_neighbours_alone(tmp_path: Path) -> None:
    write_series(tmp_path, PixelPaddingValue=0)
    hu = load_ct(tmp_path).voxels_hu
    assert hu[0, 0, 0] == -1024
    assert hu[1, 0, 0] == -999


# --- geometry ---


@pytest.mark.parametrize("off", [0.000501, 0.0006])
def test_orientations_that_differ_by_rounding_are_one_stack(tmp_path: Path, off: float) -> None:
    for index, path in enumerate(write_series(tmp_path)):
        _edit(path, ImageOrientationPatient=[1, 0, 0, 0, 1, off if index % 2 else 0.000499])
    np.testing.assert_array_equal(load_ct(tmp_path).voxels_hu, EXPECTED)


def test_spacings_that_differ_by_rounding_are_one_stack(tmp_path: Path) -> None:
    for index, path in enumerate(write_series(tmp_path)):
        _edit(path, PixelSpacing=[0.8, "0.500004" if index % 2 else "0.500006"])
    assert load_ct(tmp_path).voxels_hu.shape == (8, 6, 5)


def test_slices_that_turn_by_a_tenth_of_a_degree_are_refused(tmp_path: Path) -> None:
    for index, path in enumerate(write_series(tmp_path)):
        _edit(path, ImageOrientationPatient=[1, 0, 0, 0, 1, 0.004 * index])
    with pytest.raises(InputError, match="orientations"):
        load_ct(tmp_path)


@pytest.mark.parametrize("in_series", [True, False])
def test_a_scout_that_does_not_say_so_is_left_out(tmp_path: Path, in_series: bool) -> None:
    paths = write_series(tmp_path / "ct", 12)
    series = str(pydicom.dcmread(paths[0]).SeriesInstanceUID)
    write_series(
        tmp_path / "ct",
        1,
        prefix="scout",
        orientation=(0, 1, 0, 0, 0, -1),
        series_uid=series if in_series else None,
        Rows=4,
        Columns=12,
    )
    notes: list[str] = []
    assert load_ct(tmp_path / "ct", note=notes.append).voxels_hu.shape == (8, 6, 12)
    assert len(notes) == 1
    assert "scout001.dcm" in notes[0]


def test_a_slice_of_another_orientation_within_the_stack_is_no_scout(tmp_path: Path) -> None:
    paths = write_series(tmp_path, 12)
    _edit(paths[5], ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    with pytest.raises(InputError, match="orientations"):
        load_ct(tmp_path)


def test_a_frame_of_reference_that_some_slices_lack_is_that_of_the_others(tmp_path: Path) -> None:
    paths = write_series(tmp_path)
    _edit(paths[0], FrameOfReferenceUID="")
    dataset = pydicom.dcmread(paths[4])
    del dataset.FrameOfReferenceUID
    dataset.save_as(paths[4])
    notes: list[str] = []
    assert load_ct(tmp_path, note=notes.append).frame_of_reference_uid == "1.2.3.4.5"
    assert "2 of 5 slices name no frame of reference" in notes[0]


# --- copies ---


@pytest.mark.parametrize("new_number", [False, True])
def test_identical_copies_count_once(tmp_path: Path, new_number: bool) -> None:
    paths = write_series(tmp_path)
    (tmp_path / "again").mkdir()
    for index, path in enumerate(paths[:3]):
        shutil.copy(path, tmp_path / "again" / path.name)
        if new_number:
            _edit(tmp_path / "again" / path.name, SOPInstanceUID=f"1.2.9.{index}")
    notes: list[str] = []
    np.testing.assert_array_equal(load_ct(tmp_path, note=notes.append).voxels_hu, EXPECTED)
    assert "3 identical copies" in notes[0]


def test_slices_that_anonymisation_gave_one_number_are_all_kept(tmp_path: Path) -> None:
    for path in write_series(tmp_path):
        _edit(path, SOPInstanceUID="1.2.3")
    np.testing.assert_array_equal(load_ct(tmp_path).voxels_hu, EXPECTED)


# --- phases ---

PHASE_TAGS = {
    "percent": lambda k: {"NominalPercentageOfCardiacPhase": 40.0 + 20 * k},
    "trigger": lambda k: {"TriggerTime": 300.0 + 100 * k},
    "acquisition": lambda k: {"AcquisitionNumber": k + 1},
    "temporal": lambda k: {"TemporalPositionIdentifier": k + 1},
    "time": lambda k: {"AcquisitionTime": f"10000{k}.0"},
    "all": lambda k: {"NominalPercentageOfCardiacPhase": 40.0 + 20 * k, "TriggerTime": 300, "AcquisitionNumber": k + 1},
}


def _phases(folder: Path, kind: str, count: int = 3) -> list[list[Path]]:
    made = []
    for k in range(count):
        paths = write_series(folder, series_uid="1.2.3.4", prefix="abc"[k], **PHASE_TAGS[kind](k))
        for path in paths:
            pixels = np.frombuffer(pydicom.dcmread(path).PixelData, "<i2") + 500 * k
            _edit(path, PixelData=pixels.astype("<i2").tobytes())
        made.append(paths)
    return made


@pytest.mark.parametrize("kind", list(PHASE_TAGS))
def test_phases_are_listed_and_chosen_by_number_or_by_a_file(tmp_path: Path, kind: str) -> None:
    paths = _phases(tmp_path, kind)
    with pytest.raises(InputError, match=r"3 phases in one series \(1: .*5 slices; 2: .*--phase 1 to 3, or give the"):
        load_ct(tmp_path)
    np.testing.assert_array_equal(load_ct(tmp_path, phase=2).voxels_hu, EXPECTED + 500)
    np.testing.assert_array_equal(load_ct(paths[2][1]).voxels_hu, EXPECTED + 1000)
    with pytest.raises(InputError, match="has no phase 7"):
        load_ct(tmp_path, phase=7)


def test_a_phase_is_chosen_by_its_percentage_and_said_with_its_times(tmp_path: Path) -> None:
    _phases(tmp_path, "all")
    np.testing.assert_array_equal(load_ct(tmp_path, phase=60).voxels_hu, EXPECTED + 500)
    with pytest.raises(InputError, match=r"2: 60 %, 300 ms after the R wave, acquisition 2, 5 slices"):
        load_ct(tmp_path)


def test_phases_without_times_are_told_apart_by_numbers_that_run_on(tmp_path: Path) -> None:
    for k in range(2):
        for index, path in enumerate(write_series(tmp_path, series_uid="1.2.3.4", prefix="ab"[k])):
            pixels = np.frombuffer(pydicom.dcmread(path).PixelData, "<i2") + 500 * k
            _edit(path, InstanceNumber=5 * k + index + 1, PixelData=pixels.astype("<i2").tobytes())
    np.testing.assert_array_equal(load_ct(tmp_path, phase=2).voxels_hu, EXPECTED + 500)


def test_a_single_phase_may_be_asked_for(tmp_path: Path) -> None:
    write_series(tmp_path, TriggerTime=300)
    np.testing.assert_array_equal(load_ct(tmp_path, phase=1).voxels_hu, EXPECTED)
    with pytest.raises(InputError, match="has no phase 2"):
        load_ct(tmp_path, phase=2)


# --- Enhanced CT ---


def _item(**values: object) -> Dataset:
    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return item


def _enhanced(path: Path, *, phases: int = 1, shared: bool = True, **tags: object) -> Path:
    """All slices in one object, the last first; measures shared or stated by each frame."""
    source = pydicom.dcmread(write_series(path.parent / "source", 1)[0])
    shutil.rmtree(path.parent / "source")
    ds: FileDataset = source
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept"):
        delattr(ds, name)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = EnhancedCTImageStorage
    common = {
        "PixelMeasuresSequence": [_item(PixelSpacing=list(SPACING_MM), SliceThickness=STEP_MM)],
        "PlaneOrientationSequence": [_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        "PixelValueTransformationSequence": [_item(RescaleSlope=1, RescaleIntercept=-1000, RescaleType="HU")],
    }
    frames, pixels = [], []
    for k in range(phases):
        for index in reversed(range(5)):
            position = [*ORIGIN_MM[:2], ORIGIN_MM[2] + index * STEP_MM]
            frame = _item(PlanePositionSequence=[_item(ImagePositionPatient=position)])
            frame.FrameContentSequence = [_item(TemporalPositionIndex=k + 1)]
            for name, value in () if shared else common.items():
                setattr(frame, name, value)
            frames.append(frame)
            pixels.append((voxel_values(5)[index] + 500 * k).astype("<i2").tobytes())
    ds.SharedFunctionalGroupsSequence = [_item(**common)] if shared else [Dataset()]
    ds.PerFrameFunctionalGroupsSequence = frames
    ds.NumberOfFrames, ds.PixelData = len(frames), b"".join(pixels)
    for name, value in tags.items():
        setattr(ds, name, value)
    ds.save_as(path)
    return path


@pytest.mark.parametrize("shared", [True, False])
def test_an_enhanced_ct_is_read_frame_by_frame(tmp_path: Path, shared: bool) -> None:
    path = _enhanced(tmp_path / "e.dcm", shared=shared)
    for given in (path, tmp_path):
        ct = load_ct(given)
        np.testing.assert_array_equal(ct.voxels_hu, EXPECTED)
        np.testing.assert_allclose((ct.lps_from_index @ (1, 1, 1, 1))[:3], ORIGIN_MM + np.array([0.5, 0.8, STEP_MM]))


def test_phases_of_an_enhanced_ct_are_chosen(tmp_path: Path) -> None:
    path = _enhanced(tmp_path / "e.dcm", phases=2)
    with pytest.raises(InputError, match="2 phases in one series"):
        load_ct(tmp_path)
    np.testing.assert_array_equal(load_ct(tmp_path, phase=2).voxels_hu, EXPECTED + 500)
    np.testing.assert_array_equal(load_ct(path, phase=1).voxels_hu, EXPECTED)


def test_an_enhanced_ct_without_places_is_one_clear_line(tmp_path: Path) -> None:
    _enhanced(tmp_path / "e.dcm", SharedFunctionalGroupsSequence=[Dataset()])
    with pytest.raises(InputError, match=r"is an Enhanced CT that lacks .*PixelMeasuresSequence"):
        load_ct(tmp_path)


# --- encoding ---


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("implicit", [True, False])
def test_slices_without_preamble_are_slices(tmp_path: Path, every: int, implicit: bool) -> None:
    for index, path in enumerate(write_series(tmp_path)):
        if index % every == 0:
            bare = Dataset()
            bare.update(pydicom.dcmread(path))
            bare.save_as(path, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
            assert path.read_bytes()[128:132] != b"DICM"
    np.testing.assert_array_equal(load_ct(tmp_path).voxels_hu, EXPECTED)


@pytest.mark.filterwarnings("ignore:Expected:UserWarning")  # pydicom's own word on it
@pytest.mark.parametrize("implicit", [True, False])
def test_slices_whose_stated_encoding_is_wrong_keep_every_voxel_in_its_place(tmp_path: Path, implicit: bool) -> None:
    said = ExplicitVRLittleEndian if implicit else ImplicitVRLittleEndian
    for path in write_series(tmp_path):
        dataset = pydicom.dcmread(path)
        dataset.add_new(0xFFFCFFFC, "OB", bytes(64))  # trailing padding, as archives add it
        dataset.file_meta.TransferSyntaxUID = said
        file = DicomBytesIO(b"\0" * 128 + b"DICM")
        file.seek(132)
        write_file_meta_info(file, dataset.file_meta)
        file.is_little_endian, file.is_implicit_VR = True, implicit
        write_dataset(file, dataset)
        path.write_bytes(file.getvalue())
        assert pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID == said
    np.testing.assert_array_equal(load_ct(tmp_path).voxels_hu, EXPECTED)
