"""The phantom's pictures, slid: the stated pose must be where the picture shows the phantom."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.pose import RigidPose
from engines.angiography.files.open_run import open_run
from guidance_app.live.benches.fluoroscopy.phantom import slid
from guidance_app.live.benches.fluoroscopy.stories import table_moves
from tests.real_data import real_data


def test_the_stated_pose_goes_with_the_slid_picture():
    folder = real_data("coronary_phantom")
    run = open_run(folder / "IM5.dcm")
    view = run.geometry(0)
    pivot = np.array([10.0, -5.0, 20.0])
    story = table_moves(np.random.default_rng(1), fps=7.5, across=view.camera_from_isocentre().rotation[:2])[1]
    pose = RigidPose.from_rotation_vector(np.zeros(3), np.zeros(3), target="isocentre", source="lps")
    shots = list(slid(run, story, pose, pivot, view, 7.5))
    first, last = shots[0], shots[-1]
    where = [view.projection(shot.isocentre_from_lps).project(pivot[None])[0][0] for shot in (first, last)]
    by_px = np.rint(where[1] - where[0]).astype(int)
    assert np.hypot(*by_px) * view.isocentre_mm_per_px == pytest.approx(15.0, rel=0.05)
    still = run.frame(last.frame.source_frame).pixels.astype(float)
    back = np.roll(last.frame.pixels.astype(float), (-by_px[1], -by_px[0]), axis=(0, 1))
    inside = slice(100, 400)
    off, on = (np.abs(other - still)[inside, inside].mean() for other in (last.frame.pixels.astype(float), back))
    assert on < 0.5 * off  # what is left is noise that a part of a pixel has smoothed
