from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from calibration.errors import InputError
from engines.anatomy.structures.given_names import load_named_labels, parse_names

RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def _volume(path: Path, count: int = 3) -> Path:
    voxels = np.zeros((20, 20, 20), np.uint8)
    for number in range(1, count + 1):
        voxels[5 * number - 4 : 5 * number - 1, 4:9, 2:18] = number
    nib.save(nib.Nifti1Image(voxels, RAS), path)
    return path


def _masks(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for index, name in enumerate(names):
        voxels = np.zeros((20, 20, 20), np.uint8)
        voxels[3 * index : 3 * index + 2, 4:9, 2:18] = 1
        nib.save(nib.Nifti1Image(voxels, RAS), folder / name)
    return folder


def test_numbers_are_named_by_class_name_or_both(tmp_path: Path) -> None:
    found = load_named_labels(_volume(tmp_path / "v.nii"), "evt", "1=artery, 2=SSS,3=thing:vein")
    assert found.labels.names == {1: "artery", 2: "SSS", 3: "thing (vein)"}
    assert found.notes == ()


def test_lumina_are_named_so_that_the_aorta_stays_in_the_word(tmp_path: Path) -> None:
    found = load_named_labels(_volume(tmp_path / "v.nii", 2), "tavi", "1=true lumen,2=false lumen")
    assert found.labels.names == {1: "aorta true lumen", 2: "aorta false lumen"}


def test_masks_of_unknown_words_are_listed_and_their_class_is_asked_for(tmp_path: Path) -> None:
    folder = _masks(tmp_path / "m", "aorta.nii.gz", "blob.nii.gz", "thing_2.nii.gz")
    with pytest.raises(
        InputError, match=r"blob, thing_2: .*--names 'blob=artery,thing_2=artery' \(artery, vein, "
    ) as e:
        load_named_labels(folder, "evt")
    assert "aorta=" not in str(e.value)
    found = load_named_labels(folder, "evt", "blob=vein,thing_2=none")
    assert found.labels.names == {1: "aorta", 2: "blob (vein)"}
    assert not (found.labels.labels == 3).any()
    assert "left out" in found.notes[0]
    assert "thing_2" in found.notes[0]


def test_coronary_branches_may_be_called_anything(tmp_path: Path) -> None:
    found = load_named_labels(_masks(tmp_path / "m", "blob.nii.gz"), "coronary")
    assert found.labels.names == {1: "blob"}
    assert "blob: taken as arteries" in found.notes[0]


def test_what_is_no_vessel_by_its_name_is_left_out(tmp_path: Path) -> None:
    folder = _masks(tmp_path / "m", "aorta.nii.gz", "liver.nii.gz", "vertebrae_L1.nii.gz")
    found = load_named_labels(folder, "tavi")
    assert list(found.labels.names.values()) == ["aorta"]
    assert "liver, vertebrae_L1" in found.notes[0]
    with pytest.raises(InputError, match="none of its structures is a vessel"):
        load_named_labels(_masks(tmp_path / "n", "liver.nii.gz"), "tavi")


def test_a_label_called_vessels_is_what_the_case_is_about(tmp_path: Path) -> None:
    volume = _volume(tmp_path / "v.nii", 1)
    (tmp_path / "dataset.json").write_text('{"labels": {"background": 0, "vessels": 1}}')
    assert load_named_labels(volume, "tavi").labels.names == {1: "vessels (aorta)"}
    found = load_named_labels(volume, "evt")
    assert found.labels.names == {1: "vessels (artery)"}
    assert "named by dataset.json" in found.notes[0]
    assert "taken as artery" in found.notes[1]


def test_names_without_a_file_are_guessed_in_one_line_that_says_how_to_correct_them(tmp_path: Path) -> None:
    found = load_named_labels(_volume(tmp_path / "v.nii"), "evt")
    assert len(found.notes) == 1
    assert "guessed from their shapes: 1=" in found.notes[0]
    assert "--names 1=artery,2=vein" in found.notes[0]
    assert all("(guessed)" in name for name in found.labels.names.values())


def test_given_names_go_before_those_beside_the_volume(tmp_path: Path) -> None:
    volume = _volume(tmp_path / "v.nii", 2)
    (tmp_path / "v.tsv").write_text("index\tname\n1\tvein\n2\tartery\n")
    assert load_named_labels(volume, "evt").labels.names == {1: "vein", 2: "artery"}
    assert load_named_labels(volume, "evt", "1=artery:artery,2=vein:vein").labels.names == {1: "artery", 2: "vein"}
    (tmp_path / "other.txt").write_text('1 1 1 1 1 1 1 "M1"\n2 1 1 1 1 1 1 "SSS"\n')
    assert load_named_labels(volume, "evt", str(tmp_path / "other.txt")).labels.names == {1: "M1", 2: "SSS"}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("1=artery,1=vein", "1 is named twice"),
        ("1=artery,2=artery,3=vein", "name 'artery' is given twice, to labels 1 and 2"),
        ("1=artery,7=vein", "no label '7'"),
        ("1:artery", "no LABEL=NAME, and no file of this name"),
        ("1=blob:tube", "'tube' is no class; expected one of artery, vein"),
        ("1=artery", "label-2, label-3: these names tell no class"),
    ],
)
def test_wrong_names_are_one_clear_line(tmp_path: Path, names: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_named_labels(_volume(tmp_path / "v.nii"), "evt", names)


def test_one_name_for_two_masks_and_masks_on_two_grids_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two masks are named 'aorta'"):
        load_named_labels(_masks(tmp_path / "m", "aorta.nii", "aorta.nii.gz"), "tavi")
    folder = _masks(tmp_path / "n", "aorta.nii.gz")
    nib.save(nib.Nifti1Image(np.ones((20, 20, 20), np.uint8), 2 * RAS), folder / "vein.nii.gz")
    with pytest.raises(InputError, match=r"vein.nii.gz: lies on another grid \(20 x 20 x 20 of 2 x 2 x 2 mm"):
        load_named_labels(folder, "tavi")


def test_an_option_is_parsed_with_blanks() -> None:
    assert parse_names(" 1 = artery , blob= left M1:artery") == {"1": "artery", "blob": "left M1:artery"}
