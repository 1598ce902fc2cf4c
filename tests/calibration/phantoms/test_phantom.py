import json

import numpy as np
import pytest

from calibration.errors import InputError
from calibration.phantoms.phantom import default_phantom, read_phantom
from calibration.store import write_json


def _content() -> dict:
    return default_phantom().model_dump(mode="json", by_alias=True)


def test_the_default_layout_survives_a_file(tmp_path):
    write_json(tmp_path / "phantom.json", _content())
    assert read_phantom(tmp_path / "phantom.json") == default_phantom()


def test_the_default_layout_has_no_beads_that_touch():
    positions = default_phantom().positions_mm()
    distance = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    assert distance[~np.eye(len(positions), dtype=bool)].min() > 5.0


def test_the_code_does_not_read_the_same_from_both_ends():
    gaps = np.diff(np.flatnonzero(default_phantom().code()))
    assert not np.array_equal(gaps, gaps[::-1])


def _flat(content):
    for bead in content["beads"]:
        bead["position_mm"][1] = 0.0


def _twice(content):
    content["beads"][1]["id"] = content["beads"][0]["id"]


def _no_code(content):
    for bead in content["beads"]:
        bead["code"] = False


def _small_code(content):
    for bead in content["beads"]:
        bead["diameter_mm"] = 2.0


@pytest.mark.parametrize(
    ("change", "reason"),
    [(_flat, "one plane"), (_twice, "same id"), (_no_code, "0 code beads"), (_small_code, "1.3 times")],
)
def test_a_layout_that_cannot_be_told_apart_is_refused(tmp_path, change, reason):
    content = _content()
    change(content)
    path = tmp_path / "phantom.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=reason):
        read_phantom(path)


@pytest.mark.parametrize("text", ["", "[]", '{"schema": "other/1"}', "{"])
def test_what_is_no_phantom_file_is_refused(tmp_path, text):
    path = tmp_path / "phantom.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"phantom\.json"):
        read_phantom(path)
