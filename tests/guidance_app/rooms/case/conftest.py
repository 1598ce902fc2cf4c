"""A hospital's disk with a scan, masks and a run; a window whose sessions need no engine; jobs done at once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from engines.anatomy.cases.case import load_case
from engines.anatomy.files.ct import save_ct
from engines.anatomy.files.labels import save_labels
from engines.anatomy.vessel_model import CtVolume
from guidance_app.rooms.case.room import CaseRoom
from guidance_app.rooms.live.room import LiveRoom
from guidance_app.window.window import GuidanceWindow
from tests.engines.anatomy.shapes import distance_mm, grid, tube_labels
from tests.guidance_app.rooms.case.at_once import AtOnce
from tests.guidance_app.views.staging import StagedSession, screen

TUBES = {"artery": (-14, 380.0), "vein": (14, 300.0)}


class Runs:
    """Sessions without an engine; keeps what was opened."""

    opened: list[tuple[str, Any]] = []  # noqa: RUF012 - emptied by the fixture

    def __init__(self, case: Any) -> None:
        self.case = case

    def open(self, source: Any, **_: Any) -> StagedSession:
        Runs.opened.append((self.case.id, source))
        return StagedSession([screen()])

    def stop(self) -> None:
        pass


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A CTA with an artery and a vein, their masks, and a run, as a hospital might put them on a disk."""
    folder = tmp_path / "disk"
    (folder / "masks").mkdir(parents=True)
    shape, affine = (64, 64, 64), grid((64, 64, 64), (1.0, 1.0, 1.0))
    hu = 40.0 + np.random.default_rng(1).normal(0.0, 10.0, shape)
    for name, (x, level_hu) in TUBES.items():
        line = [((x, 0, -24), (x, 0, 24))]
        hu[distance_mm(shape, affine, line) <= 3.5] = level_hu
        save_labels(folder / "masks" / f"{name}.nii.gz", tube_labels(line, 3.0, shape))
    save_ct(folder / "cta.nii.gz", CtVolume(voxels_hu=hu.astype(np.int16), lps_from_index=affine))
    run = load_case("evt").recordings[0].path
    (folder / "IM0001").write_bytes(run.read_bytes())
    return folder


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[GuidanceWindow]:
    Runs.opened.clear()

    def case_room(house: Any) -> CaseRoom:
        return CaseRoom(house, folder=tmp_path / "cases")

    window = GuidanceWindow(make_rooms=(case_room, partial(LiveRoom, runs_of=Runs)))
    qtbot.addWidget(window, before_close_func=lambda window: window.close_rooms())
    window.resize(1280, 800)
    window.show()
    window.go_to("case")
    yield window
    window.close_rooms()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guidance_app.panels.jobs.job.WorkProcess", AtOnce)
