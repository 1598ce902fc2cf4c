from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from calibration.errors import InputError
from engines.anatomy.files.labels import load_labels

SHAPE = (6, 7, 8)
ORIGIN_MM, SPACING_MM = (-10.0, 20.0, 30.0), (1.0, 1.5, 2.0)


def _image(voxels: np.ndarray) -> sitk.Image:
    """From (i, j, k[, layer])."""
    axes = (2, 1, 0) if voxels.ndim == 3 else (2, 1, 0, 3)
    image = sitk.GetImageFromArray(voxels.transpose(axes), isVector=voxels.ndim == 4)
    image.SetOrigin(ORIGIN_MM)
    image.SetSpacing(SPACING_MM)
    return image


def _save(path: Path, voxels: np.ndarray, segments: list[dict[str, object]]) -> Path:
    image = _image(voxels)
    for number, said in enumerate(segments):
        for key, value in said.items():
            image.SetMetaData(f"Segment{number}_{key}", str(value))
    sitk.WriteImage(image, str(path), useCompression=True)
    return path


def test_segments_keep_their_names_values_and_place(tmp_path: Path) -> None:
    voxels = np.zeros(SHAPE, np.uint8)
    voxels[1, 2, 3], voxels[4:, 5, 6] = 5, 9
    path = _save(
        tmp_path / "s.seg.nrrd",
        voxels,
        [{"Name": "vein", "LabelValue": 5, "Layer": 0}, {"Name": "artery", "LabelValue": 9, "Layer": 0}],
    )
    labels = load_labels(path)
    assert labels.names == {1: "vein", 2: "artery"}
    assert np.argwhere(labels.labels == 1).tolist() == [[1, 2, 3]]
    assert (labels.labels == 2).sum() == 2
    np.testing.assert_allclose((labels.lps_from_index @ (1, 2, 3, 1))[:3], (-9.0, 23.0, 36.0))


def test_layers_may_overlap_and_the_smaller_segment_keeps_the_voxel(tmp_path: Path) -> None:
    voxels = np.zeros((*SHAPE, 2), np.uint8)
    voxels[1:4, 2, 3, 0], voxels[2, 2, 3, 1] = 1, 1
    path = _save(
        tmp_path / "s.seg.nrrd",
        voxels,
        [{"Name": "aorta", "LabelValue": 1, "Layer": 0}, {"Name": "LAD", "LabelValue": 1, "Layer": 1}],
    )
    labels = load_labels(path)
    assert labels.names == {1: "aorta", 2: "LAD"}
    assert labels.labels[1:4, 2, 3].tolist() == [1, 2, 1]


def test_a_space_of_ras_is_turned_into_lps(tmp_path: Path) -> None:
    voxels = np.zeros(SHAPE, np.uint8)
    voxels[1, 2, 3] = 1
    header = (
        "NRRD0004\ntype: unsigned char\ndimension: 3\nspace: right-anterior-superior\nsizes: 6 7 8\n"
        "space directions: (1,0,0) (0,1,0) (0,0,1)\nkinds: domain domain domain\nencoding: raw\n"
        "space origin: (10,20,30)\nSegment0_Name:=artery\nSegment0_LabelValue:=1\n\n"
    )
    path = tmp_path / "s.seg.nrrd"
    path.write_bytes(header.encode() + voxels.transpose(2, 1, 0).tobytes())
    labels = load_labels(path)
    np.testing.assert_allclose((labels.lps_from_index @ (1, 2, 3, 1))[:3], (-11.0, -22.0, 33.0))
    assert labels.labels[1, 2, 3] == 1


def test_a_plain_label_map_is_named_by_the_colour_table_beside_it(tmp_path: Path) -> None:
    voxels = np.zeros(SHAPE, np.uint8)
    voxels[1, 2, 3], voxels[4, 4, 4] = 1, 2
    sitk.WriteImage(_image(voxels), str(tmp_path / "v-label.nrrd"))
    assert load_labels(tmp_path / "v-label.nrrd").names == {1: "label-1", 2: "label-2"}
    (tmp_path / "v-label_ColorTable.ctbl").write_text("# Color table\n1 artery 1 2 3 255\n2 vein 1 2 3 255\n")
    assert load_labels(tmp_path / "v-label.nrrd").names == {1: "artery", 2: "vein"}


def test_masks_of_a_folder_may_be_nrrd(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    voxels = np.zeros(SHAPE, np.uint8)
    voxels[1, 2, 3] = 1
    sitk.WriteImage(_image(voxels), str(folder / "aorta.nrrd"))
    assert load_labels(folder).names == {1: "aorta"}


HEAD = b"NRRD0004\ntype: uchar\ndimension: 3\nspace: left-posterior-superior\nsizes: 6 7 8\n"
HEAD += b"space directions: (1,0,0) (0,1,0) (0,0,1)\nencoding: raw\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"NRRD0004\nhello\n", "no blank line ends its header"),
        (b"hello\n\n", "does not begin with NRRD"),
        (HEAD + b"\nabc", "336 bytes of voxels promised, 3 found"),
        (HEAD.replace(b"6 7 8", b"900 900 900").replace(b"raw", b"gzip") + b"\nabc", "promises 729000000 voxels"),
        (HEAD.replace(b"6 7 8", b"90000 90000 900"), "no blank line|billion voxels"),
        (HEAD.replace(b"left-posterior-superior", b"scanner-xyz") + b"\n", "space 'scanner-xyz', expected LPS or RAS"),
        (HEAD.replace(b"raw", b"bzip2") + b"\n", "stored as bzip2"),
        (HEAD.replace(b"space:", b"spaces:") + b"\n", "does not say where its voxels lie"),
        (HEAD.replace(b"(1,0,0)", b"none") + b"\n", "2 directions in space"),
        (HEAD.replace(b"(1,0,0)", b"(nan,0,0)") + b"\n", "no place in space"),
        (HEAD + b"data file: a.raw\n\n", "in another file"),
        (HEAD.replace(b"uchar", b"complex") + b"\n", "cannot be read as NRRD"),
    ],
)
def test_an_unusable_nrrd_is_one_clear_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "s.seg.nrrd"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_labels(path)


def test_segments_that_contradict_themselves_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.seg.nrrd"
    with pytest.raises(InputError, match="No such file"):
        load_labels(tmp_path / "none.nrrd")
    segments: list[dict[str, object]] = [{"Name": "a", "LabelValue": 1}, {"Name": "a", "LabelValue": 2}]
    voxels = np.zeros(SHAPE, np.uint8)
    voxels[0, 0, 0], voxels[1, 1, 1] = 1, 2
    with pytest.raises(InputError, match="two masks are named 'a'"):
        load_labels(_save(path, voxels, segments))
    with pytest.raises(InputError, match="is this the CT"):
        load_labels(_save(path, np.full(SHAPE, -1000, np.int16), []))
