"""The pose that a take begins with, found by a method of a paper."""

from __future__ import annotations

import pytest

from calibration.errors import InputError
from engines.anatomy.cases.case import load_case
from engines.registration.pose_file import read_pose_file
from guidance_app.rooms.replay.take_work import _register

CASE = load_case("coronary")
RUN = CASE.recordings[0].path


def test_the_methods_pose_is_written_and_judged_as_ours(tmp_path):
    said: list[str] = []
    words = _register(tmp_path / "pose.json", "dicom", CASE, RUN, "onnx", lambda text, _share: said.append(text))
    assert words.startswith("rejected, confidence 0.0"), "the header alone is 20 mm off"
    pose = read_pose_file(tmp_path / "pose.json")
    assert pose.views[0].file == RUN.name
    assert said[0] == "registering by dicom"


def test_a_method_that_needs_veins_says_so_and_writes_nothing(tmp_path):
    with pytest.raises(InputError, match="the case names no veins"):
        _register(tmp_path / "pose.json", "deepiterreg-paper", CASE, RUN, "onnx", lambda *_: None)
    assert list(tmp_path.iterdir()) == []
