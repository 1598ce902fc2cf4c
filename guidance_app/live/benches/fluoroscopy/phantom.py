"""Real pictures in place of simulated ones: the cines of the coronary phantom, slid as a table would slide them.

The phantom lies still and keeps its contrast, so nothing but the slide changes from one picture to the next. Its poses
were fitted to the pictures: errors are differences from that reference, not from a truth.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.angiography.files.open_run import open_run
from engines.angiography.frame import Frame
from engines.angiography.run import Run
from guidance_app.live.benches.fluoroscopy.measure import Shown, shown_of
from guidance_app.live.benches.fluoroscopy.pictures import Shot
from guidance_app.live.benches.fluoroscopy.stories import CONTRAST_S, Story, table_moves


def phantom_told(
    folder: Path, *, fps: float, seed: int, backend: str, only: str
) -> Iterator[tuple[str, int, Story, list[Shown]]]:
    """(view, seed, story, what was shown) of every cine.

    Raises:
        InputError: `folder` is not the phantom's.
    """
    from engines.anatomy.cases.case_creation import create_case
    from engines.evaluation.registration.cases import phantom_subjects
    from guidance_app.live.engine.case_pipeline import make_case_pipeline

    subjects = phantom_subjects(folder, backend=backend)
    with tempfile.TemporaryDirectory(prefix="guidance-fluoroscopy-") as name:
        case = create_case(
            Path(name) / "case", "coronary", surface=folder / "surface_coarse.stl",
            centerlines=folder / "centerlines.vtk", placement=folder / "placement.json",
        )  # fmt: skip
        tree = case.vessel_model().centerlines
        assert tree is not None
        points = tree.points_mm()
        for number, subject in enumerate(subjects):
            run = open_run(folder / f"{subject.run}.dcm")
            rng = np.random.default_rng([seed, number])
            pose, geometry = subject.true_isocentre_from_lps, subject.view.geometry
            across = geometry.camera_from_isocentre().rotation[:2]
            for story in table_moves(rng, fps=fps, across=across):
                if only in story.name:
                    shots = list(slid(run, story, pose, subject.model.centroid_mm(), geometry, fps))
                    yield subject.run, seed, story, shown_of(make_case_pipeline(case.folder, backend), shots, points)


def slid(
    run: Run, story: Story, pose: RigidPose, pivot_lps_mm: Float[np.ndarray, " 3"], view: CArmGeometry, fps: float
) -> Iterator[Shot]:
    """The cine over and over, for two seconds where it lies and then as far off as the story says."""
    still = round(CONTRAST_S * fps)
    here_px = view.projection(pose).project(pivot_lps_mm[None])[0][0]
    for number in range(still + len(story.instants)):
        instant = None if number < still else number - still
        stands = story.instants[instant or 0]
        there, frame = stands.moved(pose, pivot_lps_mm), run.frame(number % run.frame_count)
        frame = _moved(frame, view.projection(there).project(pivot_lps_mm[None])[0][0] - here_px)
        if stands.table_mm is not None:
            assert frame.geometry is not None
            frame = replace(frame, geometry=replace(frame.geometry, table_mm=stands.table_mm))
        frame = replace(frame, index=number, received_ns=1 + round(number * 1e9 / fps), frame_time_ms=1e3 / fps)
        yield Shot(frame=frame, isocentre_from_lps=there, instant=instant)


def _moved(frame: Frame, by_px: Float[np.ndarray, " 2"]) -> Frame:
    """The picture slid; what comes in at its border repeats the border."""
    rows, columns = frame.pixels.shape
    matrix = np.array([[1.0, 0.0, by_px[0]], [0.0, 1.0, by_px[1]]])
    pixels = cv2.warpAffine(
        frame.pixels, matrix, (columns, rows), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return replace(frame, pixels=pixels)
