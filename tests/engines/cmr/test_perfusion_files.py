from pathlib import Path

import nibabel as nib
import numpy as np

from engines.cmr.perfusion_files import perfusion_files
from tests.engines.cmr.first_passes import FRAMES, PEAK, SIDE, write_folder


def test_walls_motion_and_segments_are_written_without_a_ct(tmp_path: Path) -> None:
    result = perfusion_files(write_folder(tmp_path / "p"), tmp_path / "out")
    assert [part["reference_frame"] for part in result["slices"]] == [PEAK] * 3
    assert result["slices"][0]["file"] == "stress_0.nii.gz"
    motion = np.asarray(nib.load(tmp_path / "out" / "motion_stress_1.nii.gz").dataobj)
    assert motion.shape == (SIDE, SIDE, 2, FRAMES)
    assert np.abs(motion).max() < 0.5
    walls = np.asarray(nib.load(tmp_path / "out" / "walls_stress_2.nii.gz").dataobj)
    assert set(np.unique(walls)) == {0, 1, 2, 3}
    values = [result["segments"][str(k)]["relative_upslope"] for k in range(1, 17)]
    assert all(value is not None and value > 0 for value in values)
    assert (tmp_path / "out" / "figure.png").exists()
