from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from calibration.errors import InputError
from engines.anatomy.files.labels import load_labels, save_labels
from engines.anatomy.structure_names import vessel_class_of
from engines.anatomy.vessel_model import LabelVolume
from tests.real_data import real_data

RAS = np.diag([-1.0, -1.0, 2.0, 1.0])


def _save(path: Path, voxels: np.ndarray, affine: np.ndarray = RAS) -> Path:
    path.parent.mkdir(exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, affine), path)
    return path


def _mask(*places: tuple[int, int, int], shape: tuple[int, int, int] = (4, 4, 4)) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    for place in places:
        mask[place] = 1
    return mask


def test_labels_survive_the_file_and_carry_given_names(tmp_path: Path) -> None:
    labels = LabelVolume(labels=_mask((1, 1, 1), (2, 2, 2)) * 3, lps_from_index=np.diag([1.0, 1.0, 2.0, 1.0]))
    save_labels(tmp_path / "v.nii.gz", labels)
    back = load_labels(tmp_path / "v.nii.gz", {3: "M1-left"})
    np.testing.assert_array_equal(back.labels, labels.labels)
    np.testing.assert_allclose(back.lps_from_index, labels.lps_from_index)
    assert back.names == {3: "M1-left"}
    assert load_labels(tmp_path / "v.nii.gz").names == {3: "label-3"}


def test_a_folder_of_masks_is_named_by_its_files(tmp_path: Path) -> None:
    _save(tmp_path / "m" / "aorta.nii.gz", _mask((1, 1, 1), (1, 1, 2), (1, 1, 3)))
    _save(tmp_path / "m" / "carotid.nii.gz", _mask((1, 1, 3)).astype(np.float32))
    labels = load_labels(tmp_path / "m")
    assert labels.names == {1: "aorta", 2: "carotid"}
    assert labels.labels[1, 1, 2] == 1
    assert labels.mask_of("aorta").sum() == 2
    with pytest.raises(KeyError):
        labels.mask_of("vein")
    assert labels.labels[1, 1, 3] == 2  # the smaller structure keeps a shared voxel


@pytest.mark.parametrize(
    ("voxels", "message"),
    [
        (np.zeros((4, 4, 4), np.uint8), "all voxels are 0"),
        (np.full((4, 4, 4), -3, np.int16), "is this the CT instead"),
        (np.full((4, 4, 4), 0.5, np.float32), "whole labels"),
        (np.full((4, 4, 4), np.nan, np.float32), "NaN"),
        (np.full((4, 4, 4), 100_000, np.int32), "whole labels"),
        (np.ones((4, 4, 4, 3), np.uint8), "expected one 3-D"),
    ],
)
def test_an_unusable_label_file_is_one_clear_line(tmp_path: Path, voxels: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_labels(_save(tmp_path / "v.nii", voxels))


def test_unusable_folders_are_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    with pytest.raises(InputError, match="holds no"):
        load_labels(tmp_path / "m")
    _save(tmp_path / "m" / "a.nii", _mask())
    with pytest.raises(InputError, match="all 1 masks are empty"):
        load_labels(tmp_path / "m")
    _save(tmp_path / "m" / "b.nii", _mask((1, 1, 1), shape=(4, 4, 5)))
    with pytest.raises(InputError, match="one grid"):
        load_labels(tmp_path / "m")
    with pytest.raises(InputError, match=r"none\.nii.*no such file"):
        load_labels(tmp_path / "none.nii")
    (tmp_path / "v.stl").write_text("solid")
    with pytest.raises(InputError, match="labels are read from"):
        load_labels(tmp_path / "v.stl")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("aorta", "aorta"), ("aorta_true_lumen", "aorta"), ("M1-left", "artery"), ("coronary arteries", "artery"),
     ("portal_vein_and_splenic_vein", "vein"), ("superior_vena_cava", "vein"), ("", "artery"),
     ("internal jugular left", "vein")],
)  # fmt: skip
def test_names_tell_the_class(name: str, expected: str) -> None:
    assert vessel_class_of(name) == expected


def test_real_masks_are_read() -> None:
    labels = load_labels(real_data("aorta_cta") / "masks")
    assert labels.labels.shape == (120, 126, 164)
    assert "brachiocephalic_trunk" in labels.names.values()


@pytest.mark.parametrize("cdata", [True, False])
def test_a_header_extension_names_the_labels_as_totalsegmentator_writes_it(tmp_path: Path, cdata: bool) -> None:
    words = "<![CDATA[aorta]]>" if cdata else "aorta &amp; arch"
    xml = f'<CaretExtension><LabelTable><Label Key="1" Red="0.1">{words}</Label></LabelTable></CaretExtension>'
    image = nib.Nifti1Image(_mask((1, 1, 1)), RAS)
    image.header.extensions.append(nib.nifti1.Nifti1Extension(0, xml.encode()))
    nib.save(image, tmp_path / "v.nii.gz")
    assert load_labels(tmp_path / "v.nii.gz").names == {1: "aorta" if cdata else "aorta & arch"}
