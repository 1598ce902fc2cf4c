"""Figures of what lies within its halo."""

from __future__ import annotations

import numpy as np
import pytest

from engines.anatomy.cases.case import load_case
from guidance_app.live.benches import halo_honesty
from guidance_app.live.benches.halo_honesty import DrawnFrame, summary_of
from guidance_app.live.engine.model_projection import ProjectedModel


def _row(frame: int, seen: str, within: int, *, halo_mm: float = 1.0) -> DrawnFrame:
    return DrawnFrame(
        case="c", run="r", frame=frame, state="accepted", evidence="vessel", seen=seen, halo_mm=halo_mm, points=4,
        within=within, errors_mm=(0.5, 0.5, 0.5, 2.0),
    )  # fmt: skip


def test_seen_and_unseen_branches_are_told_apart() -> None:
    never, now = summary_of([_row(0, "now", 3), _row(1, "now", 4), _row(0, "never", 1, halo_mm=3.0)])
    assert (now.seen, now.frames, now.share_of_frames, now.within_halo) == ("now", 2, 1.0, 7 / 8)
    assert (never.seen, never.share_of_frames, never.within_halo, never.halo_median_mm) == ("never", 0.5, 0.25, 3.0)


@pytest.mark.parametrize("name", ["coronary", "tavi"])
def test_true_places_are_those_of_the_drawn_points(name: str) -> None:
    """At the true pose of a rigid case nothing is off; a heart has moved by a few mm, and not by more."""
    case = load_case(name)
    model = case.vessel_model()
    assert model.centerlines is not None
    places = halo_honesty._true_places(case, "run1", model.centerlines)(20)
    import json

    from calibration.pose import RigidPose
    from engines.angiography.files.open_run import open_run

    view = json.loads((case.folder / "truth" / "run1.json").read_text(encoding="utf-8"))["views"][20]
    geometry = open_run(case.recordings[0].path).geometry(20)
    camera = RigidPose(matrix=np.array(view["camera_from_lps_mm"]), target="camera", source="lps")
    pose = geometry.camera_from_isocentre().inverse() @ camera
    lines = ProjectedModel(model).centerlines(geometry.projection(pose))
    assert len(lines) == len(places)
    off_mm = [
        geometry.isocentre_mm_per_px * np.linalg.norm(line.points_px - places[number], axis=1)
        for number, line in enumerate(lines)
    ]
    limit_mm = 0.3 if name == "tavi" else 12.0
    assert np.median(np.concatenate(off_mm)) < limit_mm
