"""Frames in memory are read as those of a file are."""

from dataclasses import replace

import numpy as np
import pytest

from calibration.errors import InputError
from engines.angiography.contrast_gate import background_of
from engines.angiography.files.open_run import open_run
from engines.angiography.frame_run import FrameRun
from tests.engines.angiography.bolus_runs import FULLEST, bolus, bolus_file


@pytest.mark.parametrize("logarithms", [False, True])
def test_frames_in_memory_tell_the_same_background_as_their_file(tmp_path, logarithms):
    run = open_run(bolus_file(tmp_path / "run.dcm", bolus()))
    frames = [replace(run.frame(index), log_intensity=logarithms) for index in range(run.frame_count)]
    if logarithms:
        # 0.02 to 1 of the beam over the whole range, as `log_picture` reads logarithms.
        shares = [np.maximum(frame.pixels / 4095.0, 0.02) for frame in frames]
        greys = [np.rint((1 + np.log(share) / -np.log(0.02)) * 4095).astype(np.uint16) for share in shares]
        frames = [replace(frame, pixels=grey) for frame, grey in zip(frames, greys, strict=True)]
    kept = FrameRun(frames)
    assert kept.log_intensity is logarithms
    found, known = background_of(kept, kept.frame(FULLEST)), background_of(run, run.frame(FULLEST))
    assert found is not None
    assert known is not None
    darkening = found.darkening(kept.frame(FULLEST))
    np.testing.assert_allclose(
        darkening, known.darkening(run.frame(FULLEST)), atol=0.1
    )  # read as a beam, logarithms would tell a third


def test_nothing_or_native_beside_subtracted_frames_make_no_run(tmp_path):
    run = open_run(bolus_file(tmp_path / "run.dcm", bolus()))
    with pytest.raises(InputError, match="0 frames"):
        FrameRun([])
    with pytest.raises(InputError, match="one kind"):
        FrameRun([run.frame(0), replace(run.frame(1), kind="dsa")])
