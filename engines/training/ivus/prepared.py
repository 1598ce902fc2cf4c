"""A simulated case as the training sees it: profiles and labels of both pictures, maps with the truth; kept on disk."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from scipy.spatial import KDTree

from calibration.store import write_atomically
from engines.anatomy.centerlines.moving_frame import MovingFrame
from engines.ivus.features.contour_maps import covered_angles
from engines.ivus.features.ct_maps import ct_maps_and_profiles
from engines.ivus.features.landmark_maps import ANGLES, LandmarkMaps
from engines.ivus.features.ultrasound_maps import maps_and_profiles
from engines.ivus.files.contour_tables import read_contours
from engines.ivus.files.pullback import Pullback
from engines.ivus.registration import oriented_course
from engines.simulation.ivus.case import IvusCase, draw_case
from engines.simulation.ivus.contours import contour_tables
from engines.simulation.ivus.ultrasound import PIXEL_MM, true_shapes
from engines.training.ivus.evidence_fit import TruePair
from engines.training.ivus.landmark_fit import LabelledPullback

_CT_RIM_MM = 0.1  # what lies nearer to the artery's border is its own unevenness


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreparedCase:
    """Args:
    frames, course: profiles with labels of the ultrasound and of the CT.
    pair: maps without learning, with the truth.
    flawed: the centerline leaves the artery or ends before the pullback: no pair to learn from.
    """

    frames: LabelledPullback
    course: LabelledPullback
    pair: TruePair
    flawed: bool


def prepare(seed: int, kept: Path | None = None) -> PreparedCase:
    """A case of the split train, from `kept` where it was made before."""
    path = None if kept is None else kept / f"train_{seed:04d}.npz"
    if path is not None and path.exists():
        return _loaded(path)
    case = draw_case("train", seed)
    middle = case.frames.shape[1] // 2
    pullback = Pullback(frames=case.frames, pixel_mm=PIXEL_MM, centre_px=(middle, middle),
                        z_mm=case.pullback.nominal_mm, source=f"train-{seed}")  # fmt: skip
    maps, profiles = maps_and_profiles(pullback)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in contour_tables(case.shapes, case.pullback).items():
            (Path(folder) / f"{name}.csv").write_text(text)
        contours = read_contours(folder)
    labels = np.stack([covered_angles(polygons, maps.centre_mm) for polygons in (contours.branch, contours.calcium)])
    course, _, _ = oriented_course(case.ct, case.centerline_mm, learned=False)
    course_maps, course_profiles = ct_maps_and_profiles(case.ct, course)
    place, turn, handedness = true_states(case, course.frame)
    prepared = PreparedCase(
        frames=LabelledPullback(profiles=profiles, labels=labels.astype(np.float32)),
        course=LabelledPullback(profiles=course_profiles, labels=course_labels(case, course.frame)),
        pair=TruePair(frames=maps, course=course_maps, place=place, turn=turn, handedness=handedness),
        flawed=bool(case.flaws),
    )
    if path is not None:
        _keep(path, prepared)
    return prepared


def course_labels(case: IvusCase, frame: MovingFrame) -> np.ndarray:
    """Where side branches open and calcium lies about a line in the CT, (class, place, angle)."""
    row = np.asarray(KDTree(case.vessel.frame.points_mm).query(frame.points_mm)[1])
    across = replace(case.pullback, arc_mm=case.vessel.frame.arc_mm[row], points_mm=frame.points_mm, u=frame.u,
                     v=frame.v)  # fmt: skip
    shapes = true_shapes(case.vessel, across)
    open_there = ((shapes.branch_mm < 0) & (shapes.main_mm > _CT_RIM_MM)).sum(axis=2) >= 4
    calcified = (shapes.calcium > 0.5).any(axis=2)
    fine = np.stack([open_there, calcified])
    every = fine.shape[2] // ANGLES
    near = np.stack([np.roll(fine, by, axis=2)[:, :, ::every] for by in range(-(every // 2), every // 2 + 1)])
    return near.mean(axis=0).round().astype(np.float32)


def true_states(case: IvusCase, frame: MovingFrame) -> tuple[np.ndarray, np.ndarray, int]:
    """Row, angle bin and handedness of each frame in a course's maps."""
    pull = case.pullback
    row = np.asarray(KDTree(frame.points_mm).query(pull.points_mm)[1])
    along_u, along_v = (np.sum(pull.u * axis[row], axis=1) for axis in (frame.u, frame.v))
    turn = np.rint(np.arctan2(along_v, along_u) / (2 * np.pi) * ANGLES).astype(int) % ANGLES
    sign = np.median(np.sign(np.sum(np.cross(pull.u, pull.v) * frame.tangent[row], axis=1)))
    return row, turn, int(sign)


def _keep(path: Path, case: PreparedCase) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values: dict[str, np.ndarray] = {
        "place": case.pair.place, "turn": case.pair.turn, "handedness": np.array(case.pair.handedness),
        "flawed": np.array(case.flawed),
    }  # fmt: skip
    for name, part in (("frames", case.frames), ("course", case.course)):
        values[f"{name}.profiles"] = part.profiles.astype(np.float16)
        values[f"{name}.labels"] = part.labels.astype(np.int8)
        maps = getattr(case.pair, name)
        for field in fields(LandmarkMaps):
            values[f"{name}.maps.{field.name}"] = getattr(maps, field.name).astype(np.float32)

    def write(beside: Path) -> None:
        with beside.open("wb") as file:
            np.savez(file, allow_pickle=False, **values)

    write_atomically(path, write)


def _loaded(path: Path) -> PreparedCase:
    with np.load(path, allow_pickle=False) as stored:
        labelled, maps = {}, {}
        for name in ("frames", "course"):
            labelled[name] = LabelledPullback(
                profiles=stored[f"{name}.profiles"].astype(np.float32),
                labels=stored[f"{name}.labels"].astype(np.float32),
            )
            maps[name] = LandmarkMaps(
                **{field.name: stored[f"{name}.maps.{field.name}"].astype(np.float64) for field in fields(LandmarkMaps)}
            )
        pair = TruePair(place=stored["place"], turn=stored["turn"], handedness=int(stored["handedness"]), **maps)
        return PreparedCase(pair=pair, flawed=bool(stored["flawed"]), **labelled)
