import json
from pathlib import Path

import pytest

from calibration.errors import InputError
from engines.anatomy.structures.names_file import names_beside, read_names

WANTED = {1: "artery", 2: "superior sagittal sinus"}
NNUNET_2 = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "artery": 1, "superior sagittal sinus": 2}}
NNUNET_1 = {"modality": {"0": "CT"}, "labels": {"0": "background", "1": "artery", "2": "superior sagittal sinus"}}
REGIONS = {"labels": {"background": 0, "artery": [1], "superior sagittal sinus": 2, "all": [1, 2]}}
PLAIN = {"1": "artery", "2": "superior sagittal sinus"}
LIST = [{"id": 1, "name": "artery"}, {"id": 2, "name": "superior sagittal sinus"}]
DCMQI = {"segmentAttributes": [[{"labelID": 1, "SegmentLabel": "artery"},
                                {"labelID": 2, "SegmentDescription": "superior sagittal sinus"}]]}  # fmt: skip
SNAP = """################################################
# ITK-SnAP Label Description File
# File format:
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
################################################
    0     0    0    0        0  0  0    "Clear Label"
    1   255    0    0        1  1  1    "artery"
    2     0  255    0      0.5  1  0    "superior sagittal sinus"
"""
SLICER = "# Color table file /tmp/t.ctbl\n# 3 values\n0 Background 0 0 0 0\n1 artery 216 101 79 255\n2 superior sagittal sinus 0 151 206 255\n"  # noqa: E501
FREESURFER = "#No. Label Name: R G B A\n\n1  artery  70 130 180 0\n2  superior sagittal sinus  1 2 3 0\n"
SLICER_CSV = "LabelValue,Name,Color_R,Color_G,Color_B,Color_A\n1,artery,1,0,0,1\n2,superior sagittal sinus,0,1,0,1\n"
BIDS = "index\tname\tcolor\n0\tbackground\t#000000\n1\tartery\t#ff0000\n2\tsuperior sagittal sinus\t#00ff00\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("dataset.json", NNUNET_2), ("dataset.json", NNUNET_1), ("v.json", REGIONS), ("labels.json", PLAIN),
        ("v.json", LIST), ("v.json", DCMQI), ("v.label", SNAP), ("v.txt", SNAP), ("v.ctbl", SLICER), ("v.txt", SLICER),
        ("lut.txt", FREESURFER), ("v_ColorTable.csv", SLICER_CSV), ("v.tsv", BIDS), ("dseg.tsv", BIDS),
        ("sub-1_dseg.tsv", BIDS),
    ],
)  # fmt: skip
def test_names_are_found_beside_the_volume_in_every_form(tmp_path: Path, name: str, content: object) -> None:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    assert read_names(path).names == WANTED
    found = names_beside(tmp_path / "v.nii.gz")
    assert found.names == WANTED
    assert found.path == path


def test_a_dataset_one_folder_up_and_a_table_two_up_are_found(tmp_path: Path) -> None:
    volume = tmp_path / "labelsTr" / "case" / "v.nii.gz"
    volume.parent.mkdir(parents=True)
    (tmp_path / "dseg.tsv").write_text(BIDS)
    assert names_beside(volume).names == WANTED
    (tmp_path / "labelsTr" / "dataset.json").write_text(json.dumps({"labels": {"vein": 1}}))
    assert names_beside(volume).names == {1: "vein"}


def test_a_file_of_the_volumes_own_name_goes_first_and_other_json_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"vein": 1}}))
    (tmp_path / "v.json").write_text(json.dumps({"RepetitionTime": 2.0, "Manufacturer": "M"}))
    assert names_beside(tmp_path / "v.nii").names == {1: "vein"}
    (tmp_path / "v.label").write_text(SNAP)
    assert names_beside(tmp_path / "v.nii").names == WANTED
    assert names_beside(tmp_path / "elsewhere" / "v.nii").names == {1: "vein"}


def test_nothing_beside_is_nothing(tmp_path: Path) -> None:
    assert names_beside(tmp_path / "v.nii.gz").names == {}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("v.json", "{", "is no JSON"),
        ("v.tsv", "index\tname\n1\tartery\n1\tvein\n", "label 1 is named twice, 'artery' and 'vein'"),
        ("v.txt", "hello there\n", "names no label"),
        ("none.txt", None, "cannot be read"),
    ],
)
def test_an_unusable_names_file_is_one_clear_line(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        read_names(tmp_path / name)
